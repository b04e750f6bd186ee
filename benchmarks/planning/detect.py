"""What a plan can detect: the smallest effect that its blocks find, and how far chance alone moves a figure.

    n blocks, standard deviation of one block's log ratio (or difference) → smallest effect found in 80 % of runs
    n arrivals → how far chance moves a share, or the quantile of one trial

The standard deviation is that of the machine's noise floor, else an assumption that the sentence states.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.metrics.definition import PERCENTILES
from benchmarks.scenario.metric import Metric, rows
from benchmarks.scenario.sample import smallest_arrivals
from benchmarks.values.confidence import CONFIDENCE, FEWEST_BLOCKS

if TYPE_CHECKING:
    from benchmarks.analysis.calibration import NoiseFloor
    from benchmarks.scenario.hypothesis import EstimateKind
    from benchmarks.scenario.model import Scenario

POWER = 0.8
# Identical code differs by 2 to 3 % from run to run: faster-cpython/ideas #551.
ASSUMED_SD = 0.03
_ASSUMED_FROM = "assumed: identical code differs by 2–3 %"

_Z95 = 1.959963984540054


@dataclass(frozen=True)
class Detectable:
    """One figure: `arrivals` of a trial in its window, and a sentence on what the planned blocks can show of it.

    `arrivals` is None for a closed load, where their number is known only afterwards. `smallest_ratio` (above 1; its
    inverse is found as well) or `smallest_difference` is the least effect found at 95 % with a power of 80 %, None
    where there is none to report; `sd` is what it was computed from, and `sd_from` where that comes from.
    """

    metric: str
    arrivals: int | None
    smallest_ratio: float | None
    smallest_difference: float | None
    sd: float | None
    sd_from: str | None
    sentence: str

    def as_dict(self) -> dict[str, object]:
        return {
            "metric": self.metric,
            "arrivals": self.arrivals,
            "smallest_ratio": self.smallest_ratio,
            "smallest_difference": self.smallest_difference,
            "sd": self.sd,
            "sd_from": self.sd_from,
            "sentence": self.sentence,
        }


def smallest_effect(blocks: int, sd: float) -> float:
    """The least mean of `blocks` paired values with deviation `sd` that a t test at 95 % finds in 80 % of runs.

    With that mean, t follows a noncentral t distribution with n - 1 degrees of freedom and noncentrality mean·√n/sd
    (Cohen 1988, "Statistical power analysis", section 2.5); the root is found by scipy. The other tail, to find the
    effect with the wrong sign, has a probability below 10⁻⁵ and is left out. Raises ValueError below three blocks.
    """
    if blocks < FEWEST_BLOCKS:
        raise ValueError(f"{blocks} blocks give no interval")
    from scipy.special import nctdtrinc, stdtrit

    limit = float(stdtrit(blocks - 1, (1 + CONFIDENCE) / 2))
    return float(nctdtrinc(blocks - 1, 1 - POWER, limit)) * sd / math.sqrt(blocks)


def detectable_parts(scenario: Scenario, floor: NoiseFloor | None = None) -> tuple[Detectable, ...]:
    """One entry for each part of the hypothesis, and for accept and completion p50 where there are two sides."""
    parts = () if scenario.hypothesis is None else scenario.hypothesis.parts
    asked = [(part.metric, part.comparison) for part in parts]
    if len(scenario.variants) > 1:
        asked += [(metric, metric.definition.comparison) for row, metric in rows() if row.planned]
    return tuple(_detectable(scenario, metric, kind, floor) for metric, kind in dict.fromkeys(asked))


def _detectable(scenario: Scenario, metric: Metric, kind: EstimateKind, floor: NoiseFloor | None) -> Detectable:
    arrivals = smallest_arrivals(scenario, metric.window)
    blocks = scenario.blocks
    sentences = [
        f"{metric}: {'a closed load' if arrivals is None else f'{arrivals:,} arrivals a trial'}, "
        f"{blocks} block{'s' * (blocks > 1)}"
    ]
    sd, sd_from = _spread(metric, kind, arrivals, floor)
    smallest = None if sd is None or blocks < FEWEST_BLOCKS else smallest_effect(blocks, sd)
    ratio = difference = None
    if blocks < FEWEST_BLOCKS:
        sentences.append(f"no interval, so nothing can be distinguished; use {FEWEST_BLOCKS} blocks or more")
    elif smallest is None:
        sentences.append("only a run shows how far chance moves this figure")
    elif kind == "difference":
        difference = smallest
        sentences.append(f"differences from {smallest:.3f} up are detected in {100 * POWER:g} % of runs ({sd_from})")
    else:
        ratio = math.exp(smallest)
        sentences.append(
            f"ratios from {ratio:.3g} up or {1 / ratio:.3g} down are detected in {100 * POWER:g} % of runs ({sd_from})"
        )
    if metric.stat is not None and metric.stat in PERCENTILES and arrivals is not None:
        sentences.append(_band(metric.stat, arrivals))
    return Detectable(
        str(metric), arrivals, ratio, difference, sd, sd_from, "; ".join([": ".join(sentences[:2]), *sentences[2:]])
    )


def _spread(
    metric: Metric, kind: EstimateKind, arrivals: int | None, floor: NoiseFloor | None
) -> tuple[float | None, str | None]:
    """The standard deviation of one block's log ratio (or difference), and where it is known from."""
    if kind == "variant":
        return None, None
    if floor is not None and (measured := floor.sd(kind, str(metric))):
        # One of 0 has only shown that the figure did not move then, as shares of exactly 1 do not.
        return measured, f"sd {measured:.2g}, measured by A/A"
    if kind == "difference" and metric.definition.nature == "share" and arrivals:
        # Two independent binomial shares, each at its most uncertain.
        sd = math.sqrt(2 * 0.25 / arrivals)
        return sd, f"sd {sd:.2g}, chance alone at its worst"
    if kind == "ratio" and metric.definition.nature in ("latency", "rate", "cost"):
        return ASSUMED_SD, f"sd {ASSUMED_SD:g}, {_ASSUMED_FROM}"
    return None, None


def _band(stat: str, arrivals: int) -> str:
    quantile = PERCENTILES[stat]
    half = _Z95 * math.sqrt(quantile * (1 - quantile) / arrivals)
    low, high = max(quantile - half, 0.0), min(quantile + half, 1.0)
    return f"the {stat} of one trial lies between the {100 * low:.1f} % and the {100 * high:.1f} % quantile"
