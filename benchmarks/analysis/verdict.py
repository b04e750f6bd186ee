"""Sides against each other: the hypothesis and its verdict, the usual comparisons, and warnings about outliers.

two sides' figures → estimate over blocks → what forbids a conclusion, marks → (all together) Holm's correction
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.analysis.noise import NoiseFloor
from benchmarks.analysis.statistics import (
    OUTLIER_SCORE,
    SIGNIFICANCE,
    Estimate,
    Kind,
    Verdict,
    combine,
    estimate,
    estimate_unpaired,
    holm,
    judge,
    lookup,
    mark,
    outliers,
    survivorship,
    unresolved,
)
from benchmarks.scenario.hypothesis import Hypothesis, HypothesisPart
from benchmarks.scenario.metric import Metric

Json = dict[str, object]

# What every pair of an event side and a direct side is compared by: kind, metric. `faults` ones need a window.
_COMPARED: tuple[tuple[Kind, str], ...] = (
    ("difference", "slo_ratio"),
    ("difference", "accept_ratio"),
    ("ratio", "accept_latency_ms.p50"),
    ("ratio", "accept_latency_ms.p95"),
    ("ratio", "completion_latency_ms.p50"),
    ("ratio", "completion_latency_ms.p95"),
    ("ratio", "throughput_per_s"),
    ("ratio", "cpu_ms_per_registration.total"),
)
_COMPARED_WITH_FAULTS: tuple[tuple[Kind, str], ...] = (
    ("difference", "slo_ratio{window:during}"),
    ("ratio", "accept_latency_ms.p95{window:during}"),
)
_WATCHED = ("accept_latency_ms.p50", "completion_latency_ms.p50", "cpu_ms_per_registration.total")
SEPARATOR = {"ratio": "/", "difference": "-"}


@dataclass(frozen=True)
class Side:
    """One variant's figures, as in the summary but not rounded."""

    name: str
    uses_broker: bool
    figures: Mapping[str, object]

    def of(self, metric: Metric) -> float | None:
        return lookup(self.figures, metric)

    @property
    def trials(self) -> list[dict[str, Any]]:
        """The trials' figures, in block order, each with its `trial` (place in the run, from 1) and `block`."""
        trials = self.figures["trials"]
        assert isinstance(trials, list)
        return trials

    def by_block(self, metric: Metric) -> dict[int, float | None]:
        """The figure of each block's trial."""
        return {int(trial["block"]): lookup(trial, metric) for trial in self.trials}

    def accept_ratio(self, like: Metric) -> float | None:
        """`accept_ratio` in the window of another metric."""
        return self.of(Metric("accept_ratio", None, tuple(tag for tag in like.tags if tag[0] == "window")))


@dataclass(frozen=True)
class Compared:
    """One metric of two sides: the estimate over blocks, and `limit`, the mark and the sentence of what forbids any
    conclusion (null where nothing does). `mark` is that one, or what the interval itself deserves.
    """

    kind: Kind
    metric: Metric
    found: Estimate
    limit: tuple[str, str] | None
    mark: str | None

    @property
    def significant_alone(self) -> bool:
        """Whether the interval excludes no effect and nothing forbids to say so; no correction for many is in it."""
        return self.limit is None and self.found.p is not None and self.found.p < SIGNIFICANCE

    def fields(self, p_holm: float | None) -> Json:
        """What `comparison` and `comparisons` say alike."""
        found = self.found
        return {
            "estimate": found.value,
            "ci95": None if found.interval is None else list(found.interval),
            "ci95_bootstrap": None if found.bootstrap is None else list(found.bootstrap),
            "per_block": list(found.per_block),
            "p": found.p,
            "p_holm": p_holm,
            "significant": None if p_holm is None or self.limit is not None else p_holm < SIGNIFICANCE,
            "mark": self.mark,
        }


def compare(
    kind: Kind, metric: Metric, sides: Sequence[Side], floor: NoiseFloor | None, *, paired: bool = True
) -> Compared:
    """A figure of one side (`variant`), or of two against each other, over the blocks that every side has.

    Not `paired`: the sides' blocks have nothing in common, so all of each count.
    """
    figures = [side.by_block(metric) for side in sides]
    if paired or kind == "variant":
        blocks = sorted(set(figures[0]).intersection(*figures[1:]))
        found = estimate(kind, str(metric), *([values[block] for block in blocks] for values in figures))
    else:
        found = estimate_unpaired(kind, str(metric), *(list(values.values()) for values in figures))
    limit = _limit(metric, sides)
    near = None if floor is None else floor.interval(kind, str(metric))
    return Compared(kind, metric, found, limit, limit[0] if limit is not None else mark(kind, found, near))


def _limit(metric: Metric, sides: Sequence[Side]) -> tuple[str, str] | None:
    if len(sides) != 2:
        return None
    first, second = sides
    if reason := survivorship(metric, first.accept_ratio(metric), second.accept_ratio(metric)):
        return "survivorship", reason
    if reason := unresolved(metric, first.figures, second.figures):
        return "unresolved", reason
    return None


def pairs_of(sides: Sequence[Side]) -> list[tuple[Side, Side]]:
    """Each event side with each direct side; where one of these kinds is missing, each side with the first."""
    mixed = [(first, second) for first in sides if first.uses_broker for second in sides if not second.uses_broker]
    return mixed or [(other, sides[0]) for other in sides[1:]]


def compared_metrics(*, with_faults: bool) -> list[tuple[Kind, Metric]]:
    """What sides are compared by: accept, completion, SLO ratio, throughput and cost."""
    return [(kind, Metric.parse(name)) for kind, name in (*_COMPARED, *(_COMPARED_WITH_FAULTS if with_faults else ()))]


def comparison_of(
    hypothesis: Hypothesis | None, sides: Mapping[str, Side], *, valid: bool, floor: NoiseFloor | None = None
) -> Json | None:
    """`comparison` of the summary: one part, or `all` with the verdict on all of them; null without a hypothesis."""
    if hypothesis is None:
        return None
    found = [_compared(part, sides, floor) for part in hypothesis.parts]
    corrected = holm([compared.found.p for compared in found])
    judged = [
        _judged(part, compared, p_holm, valid=valid)
        for part, compared, p_holm in zip(hypothesis.parts, found, corrected, strict=True)
    ]
    if len(judged) == 1:
        return {**judged[0][1], "verdict": _word(judged[0][0])}
    verdict = combine([each for each, _ in judged])
    deciding = [entry for each, entry in judged if each is verdict]
    return {
        "all": [{**entry, "verdict": _word(each)} for each, entry in judged],
        "verdict": _word(verdict),
        "reason": "; ".join(f"{entry['metric']}: {entry['reason']}" for entry in deciding),
    }


def comparisons_of(sides: Sequence[Side], *, with_faults: bool, floor: NoiseFloor | None = None) -> list[Json]:
    """`comparisons` of the summary: each of `pairs_of`, with Holm's correction over all of them. No verdicts here."""
    found = [
        (first, second, compare(kind, metric, (first, second), floor))
        for first, second in pairs_of(sides)
        for kind, metric in compared_metrics(with_faults=with_faults)
    ]
    corrected = holm([compared.found.p for _, _, compared in found])
    return [
        {
            "metric": str(compared.metric),
            compared.kind: f"{first.name}{SEPARATOR[compared.kind]}{second.name}",
            **compared.fields(p_holm),
            "reason": reason_of(compared),
        }
        for (first, second, compared), p_holm in zip(found, corrected, strict=True)
    ]


def reason_of(compared: Compared) -> str | None:
    """What to know about a comparison beside its figures."""
    if compared.limit is not None:
        return compared.limit[1]
    interval = compared.found.interval
    if interval is not None and interval[0] == interval[1]:
        return "every block gave the same value, so the interval has no width"
    return compared.found.reason


def outlier_warnings(sides: Sequence[Side]) -> list[str]:
    """A warning for each trial that is far from the others of its variant, with what to do about it."""
    warnings = []
    for side in sides:
        for name in _WATCHED:
            metric = Metric.parse(name)
            values = side.by_block(metric)
            blocks = list(values)
            warnings += [
                f"{side.name}: {metric} of block {blocks[place]} ({values[blocks[place]]:.3g}) is far from the other "
                f"blocks' (modified z-score above {OUTLIER_SCORE:.1f}); it is kept. Close what else runs on this "
                "machine, and run again with more blocks"
                for place in outliers(list(values.values()))
            ]
    return warnings


def _compared(part: HypothesisPart, sides: Mapping[str, Side], floor: NoiseFloor | None) -> Compared:
    chosen = [sides[name] for name in part.sides if name in sides]
    if len(chosen) < len(part.sides):
        missing = Estimate(None, None, (), "a side has no finished trial")
        return Compared(part.comparison, part.metric, missing, None, None)
    return compare(part.comparison, part.metric, chosen, floor)


def _judged(
    part: HypothesisPart, compared: Compared, p_holm: float | None, *, valid: bool
) -> tuple[Verdict | None, Json]:
    verdict, reason = judge(compared.found, part.expect)
    if compared.limit is not None:
        verdict, reason = None, compared.limit[1]
    if not valid:
        verdict, reason = None, "the run is not valid, so it gives no verdict"
    entry: Json = {"metric": str(part.metric), part.comparison: part.label, "expect": str(part.expect)}
    return verdict, {**entry, **compared.fields(p_holm), "reason": reason}


def _word(verdict: Verdict | None) -> str | None:
    return None if verdict is None else verdict.value
