"""Sides against each other: the hypothesis and its verdict, the usual comparisons, and warnings about outliers.

two sides' figures → estimate over blocks → what forbids a conclusion, marks → (all together) Holm's correction
"""

from __future__ import annotations

import enum
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from benchmarks.analysis.bracket import BOUNDLESS_MS
from benchmarks.analysis.calibration import NoiseFloor
from benchmarks.analysis.delay import FIGURES
from benchmarks.analysis.shares import Count, counts_of
from benchmarks.analysis.statistics import (
    OUTLIER_SCORE,
    Estimate,
    bracketed,
    estimate,
    estimate_unpaired,
    holm,
    mark,
    outliers,
)
from benchmarks.analysis.summary_model import (
    SURVIVORSHIP_LIMIT,
    Comparison,
    HypothesisVerdict,
    PartVerdict,
    VariantSummary,
)
from benchmarks.scenario.hypothesis import EstimateKind, Hypothesis, HypothesisPart
from benchmarks.scenario.metric import Expectation, Metric, rows
from benchmarks.values.confidence import SIGNIFICANCE
from benchmarks.words.numbers import figure

_BOUNDLESS = BOUNDLESS_MS / 1e3  # what lies beyond was mixed from times without a bound
SEPARATOR = {"ratio": "/", "difference": "-"}
RESOLUTION = 10.0  # a latency is to be this many times the generator's own delay


class Verdict(enum.Enum):
    """What the interval says of the expectation; none at all is `None`."""

    CONFIRMED = "confirmed"
    REFUTED = "refuted"
    INCONCLUSIVE = "inconclusive"


@dataclass(frozen=True)
class Brackets:
    """What is known of the disturbed variants of a run: both ends of their figures, or why there are none.

    `without` says of a variant why it has no bracket. `margins`: how far outside of its bracket a figure of a variant
    lay at most where that was tried in virtual time (`benchmarks.analysis.delay`), as a share, or in ms: both ends are
    moved so much further out.
    """

    best: Mapping[str, VariantSummary] = field(default_factory=dict)
    worst: Mapping[str, VariantSummary] = field(default_factory=dict)
    without: Mapping[str, str] = field(default_factory=dict)
    margins: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    def why_not(self, metric: Metric, variant: str) -> str | None:
        """Why a disturbed variant's figure cannot be bounded; null where it can, and of a quiet variant."""
        if variant in self.without:
            return self.without[variant]
        if variant not in self.best:
            return None
        if not metric.definition.bracketed:
            return "what other programs did to it is not bounded by the prediction"
        if math.isinf(self._margin(metric, variant)):
            return f"delay may help {variant}, so the prediction is not a bound"
        return None

    def _margin(self, metric: Metric, variant: str) -> float:
        """That of the figure. One that was not tried by itself has the largest of those like it: another percentile of
        the latency, or, of how registrations ended, `complete_ratio`.
        """
        margins = self.margins.get(variant, {})
        if str(Metric(metric.name, metric.stat)) in FIGURES:
            alike = [metric]
        elif metric.definition.nature == "latency":
            alike = [Metric(metric.name, stat) for stat in metric.definition.stats]
        else:
            alike = [Metric("complete_ratio")]
        return max((margins.get(str(metric.like(one.name, one.stat)), 0.0) for one in alike), default=0.0)

    def ends(self, metric: Metric, variant: VariantSummary) -> tuple[Side, Side]:
        """The variant with its lowest and with its highest figures; of a quiet one both are what was measured."""
        if variant.name not in self.best:
            return Side(variant), Side(variant)
        best, worst = self.best[variant.name], self.worst[variant.name]
        margin = self._margin(metric, variant.name)
        low, high = (best, worst) if (best.of(metric) or 0.0) <= (worst.of(metric) or 0.0) else (worst, best)
        return Side(low, -margin), Side(high, margin)


@dataclass(frozen=True)
class Side:
    """A variant whose figures count as so much larger, within what they can be."""

    variant: VariantSummary
    shift: float = 0.0

    def by_block(self, metric: Metric) -> dict[int, float | None]:
        """A figure that was mixed from times without a bound is not a figure."""
        return {block: self._shifted(metric, value) for block, value in self.variant.by_block(metric).items()}

    def _shifted(self, metric: Metric, value: float | None) -> float | None:
        if value is None or value > _BOUNDLESS:
            return None
        return self._within(metric, value + self.shift)

    @staticmethod
    def _within(metric: Metric, value: float) -> float:
        return min(max(value, 0.0), 1.0 if metric.definition.nature == "share" else math.inf)

    def counts(self, metric: Metric, counts: Count) -> Count:
        """What its share would be made of."""
        return replace(counts, part=round(self._within(metric, counts.share + self.shift) * counts.whole))

    def of(self, metric: Metric) -> float | None:
        """The figure over all blocks."""
        return self._shifted(metric, self.variant.of(metric))


QUIET = Brackets()


@dataclass(frozen=True)
class Compared:
    """One metric of two sides: the estimate over blocks, and `limit`, the mark and the sentence of what forbids any
    conclusion (null where nothing does). `mark` is that one, or the interval's own.
    """

    kind: EstimateKind
    metric: Metric
    found: Estimate
    limit: tuple[str, str] | None
    mark: str | None

    def fields(self, label: str, p_holm: float | None, *, alone: bool = False) -> dict[str, Any]:
        """Those of a `Comparison`; `alone`: it belongs to no family, so that its own `p` decides."""
        found = self.found
        p = found.p if alone else p_holm
        return {
            "metric": str(self.metric),
            self.kind: label,
            "estimate": found.value,
            "ci95": found.interval,
            "per_block": found.per_block,
            "p": found.p,
            "p_holm": p_holm,
            "significant": None if p is None or self.limit is not None else p < SIGNIFICANCE,
            "mark": self.mark,
            "reason": _reason_of(self),
            "bracket": found.bracket,
        }


def compare(
    kind: EstimateKind,
    metric: Metric,
    sides: Sequence[VariantSummary],
    floor: NoiseFloor | None,
    *,
    paired: bool = True,
    brackets: Brackets = QUIET,
) -> Compared:
    """A figure of one side (`variant`), or of two against each other, over the blocks that every side has.

    Not `paired`: the sides' blocks have nothing in common, so all of each count.
    """
    figures = [side.by_block(metric) for side in sides]
    disturbed = _disturbed(metric, sides, brackets)
    if paired or kind == "variant":
        blocks = sorted(set(figures[0]).intersection(*figures[1:]))
        found = _estimate(kind, metric, [Side(side) for side in sides], blocks)
        if disturbed is None and any(side.name in brackets.best for side in sides):
            lows, highs = zip(*(brackets.ends(metric, side) for side in sides), strict=True)
            lowest, highest = (lows[0], *highs[1:]), (highs[0], *lows[1:])
            found = bracketed(kind, found, *(_estimate(kind, metric, ends, blocks) for ends in (lowest, highest)))
    else:
        first, second = (list(values.values()) for values in figures)
        found = estimate_unpaired(kind, str(metric), first, second, counts_of(metric, sides, set().union(*figures)))
    limit = disturbed or _limit(metric, sides)
    near = None if floor is None else floor.interval(kind, str(metric))
    return Compared(kind, metric, found, limit, limit[0] if limit is not None else mark(kind, found, near))


def _estimate(kind: EstimateKind, metric: Metric, sides: Sequence[Side], blocks: Sequence[int]) -> Estimate:
    first, second = ([side.by_block(metric)[block] for block in blocks] for side in (sides[0], sides[-1]))
    counts = counts_of(metric, [side.variant for side in sides], blocks)
    shifted = [side.counts(metric, count) for side, count in zip(sides, counts, strict=False)]
    return estimate(kind, str(metric), first, second, shifted)


def _disturbed(metric: Metric, sides: Sequence[VariantSummary], brackets: Brackets) -> tuple[str, str] | None:
    reasons = (brackets.why_not(metric, side.name) for side in sides)
    reason = next((reason for reason in reasons if reason is not None), None)
    return None if reason is None else ("disturbed", f"disturbed: {reason}")


def _limit(metric: Metric, sides: Sequence[VariantSummary]) -> tuple[str, str] | None:
    if len(sides) != 2:
        return None
    first, second = sides
    accepted = metric.like("accept_ratio")
    if reason := survivorship(metric, first.of(accepted), second.of(accepted)):
        return "survivorship", reason
    if reason := unresolved(metric, first.figures, second.figures):
        return "unresolved", reason
    return None


def pairs_of(sides: Sequence[VariantSummary]) -> list[tuple[VariantSummary, VariantSummary]]:
    """Each event side with each direct side; where one of these kinds is missing, each side with the first."""
    mixed = [(first, second) for first in sides if first.uses_broker for second in sides if not second.uses_broker]
    return mixed or [(other, sides[0]) for other in sides[1:]]


def compared_metrics(*, with_faults: bool) -> list[Metric]:
    """What sides are compared by, whatever the hypothesis: what the metrics' rows list, also in the fault's window."""
    listed = [metric for row, metric in rows() if row.listed]
    return listed + [metric.inside("during") for row, metric in rows() if row.listed_in_fault and with_faults]


def _others(*, with_faults: bool) -> list[Metric]:
    """What is compared next to the figures of the table, and not among `compared_metrics`."""
    shown = [(row, metric) for row, metric in rows() if row.compared]
    inside = [metric.inside("during") for row, metric in shown if row.in_fault and with_faults]
    listed = compared_metrics(with_faults=with_faults)
    return [metric for metric in (*(metric for _, metric in shown), *inside) if metric not in listed]


def comparison_of(
    hypothesis: Hypothesis | None,
    variants: Mapping[str, VariantSummary],
    *,
    valid: bool,
    floor: NoiseFloor | None = None,
    brackets: Brackets = QUIET,
) -> PartVerdict | HypothesisVerdict | None:
    """`comparison` of the summary: one part, or `all` with the verdict on all of them; null without a hypothesis."""
    if hypothesis is None:
        return None
    found = [_compared(part, variants, floor, brackets) for part in hypothesis.parts]
    corrected = holm([compared.found.p for compared in found])
    judged = [
        _judged(part, compared, p_holm, valid=valid)
        for part, compared, p_holm in zip(hypothesis.parts, found, corrected, strict=True)
    ]
    entries = tuple(entry for _, entry in judged)
    if len(judged) == 1:
        return entries[0]
    verdict = combine([each for each, _ in judged])
    deciding = [entry for each, entry in judged if each is verdict]
    return HypothesisVerdict(
        entries, _word(verdict), "; ".join(f"{entry.metric}: {entry.reason}" for entry in deciding)
    )


def comparisons_of(
    variants: Sequence[VariantSummary],
    *,
    with_faults: bool,
    floor: NoiseFloor | None = None,
    brackets: Brackets = QUIET,
) -> tuple[tuple[Comparison, ...], tuple[Comparison, ...]]:
    """`comparisons` of the summary: each of `pairs_of`, with Holm's correction over all of them; no verdicts here.

    And `comparisons_alone`: what the table has besides them.
    """
    found, alone = (
        [
            (
                f"{one.name}{SEPARATOR[metric.definition.comparison]}{other.name}",
                compare_by(metric, one, other, floor, brackets=brackets),
            )
            for one, other in pairs_of(variants)
            for metric in metrics
        ]
        for metrics in (compared_metrics(with_faults=with_faults), _others(with_faults=with_faults))
    )
    corrected = holm([compared.found.p for _, compared in found])
    return (
        tuple(Comparison(**compared.fields(label, p)) for (label, compared), p in zip(found, corrected, strict=True)),
        tuple(Comparison(**compared.fields(label, None, alone=True)) for label, compared in alone),
    )


def compare_by(
    metric: Metric,
    first: VariantSummary,
    second: VariantSummary,
    floor: NoiseFloor | None,
    *,
    paired: bool = True,
    brackets: Brackets = QUIET,
) -> Compared:
    """Two sides by a metric, in the way in which it compares."""
    return compare(metric.definition.comparison, metric, (first, second), floor, paired=paired, brackets=brackets)


def _reason_of(compared: Compared) -> str | None:
    """What to know about a comparison besides its figures."""
    if compared.limit is not None:
        return compared.limit[1]
    interval = compared.found.interval
    if interval is None or not compared.found.all_equal:
        return compared.found.reason
    if interval[0] == interval[1]:
        return "every block gave the same value, so the interval has no width"
    return "every block gave the same value: the interval is what so many registrations leave open (exact binomial)"


def outlier_warnings(sides: Sequence[VariantSummary]) -> list[str]:
    """A warning for each trial that is far from the others of its variant, with what to do about it."""
    warnings = []
    for side in sides:
        for metric in (metric for row, metric in rows() if row.watched):
            values = side.by_block(metric)
            blocks = list(values)
            warnings += [
                f"{side.name}: {metric} of block {blocks[place]} ({figure(values[blocks[place]])}) is far from the "
                f"other blocks' (modified z-score above {OUTLIER_SCORE:.1f}); it is kept. Close other programs on this "
                "machine, and run again with more blocks"
                for place in outliers(list(values.values()))
            ]
    return warnings


def _compared(
    part: HypothesisPart, sides: Mapping[str, VariantSummary], floor: NoiseFloor | None, brackets: Brackets
) -> Compared:
    chosen = [sides[name] for name in part.sides if name in sides]
    if len(chosen) < len(part.sides):
        missing = Estimate(None, None, (), "a side has no finished trial")
        return Compared(part.comparison, part.metric, missing, None, None)
    # One that was seen stands, and none seen is none, however busy the machine was.
    measured = part.comparison == "variant" and part.expect.forbids_any(part.metric)
    return compare(part.comparison, part.metric, chosen, floor, brackets=QUIET if measured else brackets)


def _judged(
    part: HypothesisPart, compared: Compared, p_holm: float | None, *, valid: bool
) -> tuple[Verdict | None, PartVerdict]:
    verdict, reason = judge(compared.found, part.expect)
    if compared.limit is not None:
        verdict, reason = None, compared.limit[1]
    if not valid:
        verdict, reason = None, "the run is not valid, so it gives no verdict"
    entry = {**compared.fields(part.label, p_holm), "reason": reason}
    return verdict, PartVerdict(**entry, expect=str(part.expect), verdict=_word(verdict))


def _word(verdict: Verdict | None) -> str | None:
    return None if verdict is None else verdict.value


def judge(found: Estimate, expect: Expectation) -> tuple[Verdict | None, str]:
    """The verdict and one sentence that says where it comes from."""
    if found.interval is None:
        return None, found.reason or "there is no interval"
    low, high = found.interval
    same = " (every block gave the same value)" if found.all_equal else ""
    span = f"the 95 % interval {figure(low)} to {figure(high)}{same}"
    if _all_satisfy(expect, low, high):
        return Verdict.CONFIRMED, f"all of {span} is {expect}"
    if _all_violate(expect, low, high):
        return Verdict.REFUTED, f"none of {span} is {expect}"
    return Verdict.INCONCLUSIVE, f"{span} has values that are {expect} and others that are not; more blocks narrow it"


def _all_satisfy(expect: Expectation, low: float, high: float) -> bool:
    # Each comparison holds for all values between two at which it holds, `==` too, since both ends then are the bound.
    return expect.holds(low) and expect.holds(high)


def _all_violate(expect: Expectation, low: float, high: float) -> bool:
    if expect.op == "==":
        return not low <= expect.bound <= high
    return not expect.holds(low) and not expect.holds(high)


def combine(verdicts: Sequence[Verdict | None]) -> Verdict | None:
    """The verdict on `all` of several parts: one refuted part refutes, else the least certain decides."""
    if Verdict.REFUTED in verdicts:
        return Verdict.REFUTED
    if None in verdicts or not verdicts:
        return None
    return Verdict.INCONCLUSIVE if Verdict.INCONCLUSIVE in verdicts else Verdict.CONFIRMED


def survivorship(metric: Metric, first_ratio: float | None, second_ratio: float | None) -> str | None:
    """Why latencies cannot be compared, or null. The ratios are the sides' `accept_ratio` in the metric's window."""
    if not metric.definition.of_survivors or first_ratio is None or second_ratio is None:
        return None
    # Rounded, so that 0.98 against 0.97 is a point and not, in binary, a little more than one.
    gap = round(abs(first_ratio - second_ratio), 9)
    if gap <= SURVIVORSHIP_LIMIT:
        return None
    return (
        f"survivorship: accept_ratio is {figure(first_ratio)} against {figure(second_ratio)}, so the latencies are "
        "those of different people; slo_ratio counts everyone"
    )


def unresolved(metric: Metric, first: Mapping[str, object], second: Mapping[str, object]) -> str | None:
    """Why two latencies are too small to be compared with this generator, or null. `first` and `second` are figures.

    The smaller p50 of the metric's latency is to be ten times the larger p50 of the schedule delay, in its window.
    """
    if not metric.definition.holds_delay:
        return None
    latency, delay = Metric(metric.name, "p50", metric.tags), metric.like("schedule_delay_ms", "p50")
    latencies, delays = ([one.of(side) for side in (first, second)] for one in (latency, delay))
    smaller = min((value for value in latencies if value is not None), default=None)
    larger = max((value for value in delays if value is not None), default=None)
    if smaller is None or larger is None or smaller >= RESOLUTION * larger:
        return None
    return (
        f"unresolved: the smaller p50 is {figure(smaller)} ms, under {RESOLUTION:g} times the {figure(larger)} ms by "
        "which the generator itself sent late (p50 of schedule_delay_ms); give it a core of its own, or lower the rate"
    )
