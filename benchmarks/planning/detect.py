"""What a hypothesis can detect: how far chance alone moves its figure, from the number of arrivals and blocks.

It is a floor. Noise of the machine comes on top, and pairing within blocks takes some away.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from benchmarks.scenario.hypothesis import HypothesisPart
from benchmarks.scenario.model import Scenario
from benchmarks.scenario.sample import smallest_arrivals

_SHARES = ("accept_ratio", "slo_ratio")
_QUANTILES = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99, "p999": 0.999}
_Z95 = 1.959963984540054


@dataclass(frozen=True)
class Detectable:
    """One part of the hypothesis: `arrivals` of a trial in its window, and a sentence on what they can tell.

    `arrivals` is None for a closed load, where their number is known only afterwards.
    `smallest_difference` is set where the figure is a share: the least difference between two variants that stands out
    from chance at 95 %, whatever the shares are.
    """

    metric: str
    arrivals: int | None
    smallest_difference: float | None
    sentence: str

    def as_dict(self) -> dict[str, object]:
        return {
            "metric": self.metric,
            "arrivals": self.arrivals,
            "smallest_difference": self.smallest_difference,
            "sentence": self.sentence,
        }


def detectable_parts(scenario: Scenario) -> tuple[Detectable, ...]:
    """One entry for each part of the hypothesis; none without a hypothesis."""
    if scenario.hypothesis is None:
        return ()
    return tuple(_detectable(scenario, part) for part in scenario.hypothesis.parts)


def _detectable(scenario: Scenario, part: HypothesisPart) -> Detectable:
    metric, blocks = part.metric, scenario.blocks
    arrivals = smallest_arrivals(scenario, metric.window)
    if arrivals is None:
        return Detectable(str(metric), None, None, "a closed load: how many arrivals there are, the replies decide")
    basis = f"{arrivals:,} arrivals a trial, {blocks} block{'s' * (blocks > 1)}"
    if metric.name in _SHARES:
        # Two independent binomial shares, each at its most uncertain (one half), over all blocks.
        smallest = _Z95 * math.sqrt(2 * 0.25 / (arrivals * blocks))
        return Detectable(str(metric), arrivals, smallest, f"{basis}: differences from {smallest:.3f} up stand out")
    if metric.stat in _QUANTILES:
        quantile = _QUANTILES[metric.stat]
        half = _Z95 * math.sqrt(quantile * (1 - quantile) / arrivals)
        low, high = max(quantile - half, 0.0), min(quantile + half, 1.0)
        band = f"the {100 * low:.1f} % and the {100 * high:.1f} % quantile"
        return Detectable(str(metric), arrivals, None, f"{basis}: the {metric.stat} of one trial lies between {band}")
    return Detectable(str(metric), arrivals, None, f"{basis}: how far chance moves this figure is seen only by running")
