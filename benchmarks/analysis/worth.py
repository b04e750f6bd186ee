"""What a verdict is worth: what the parameters alone say, what measuring adds, how far it reaches, what it costs.

verdict, predictions ──→ predicted, adds, as_predicted
verdict, SLO curves ───→ holds_for: the same judgement again under each other SLO, outwards from the one that is set
figures, comparisons ──→ worth: costs, and what speaks for the side that the verdict speaks against
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from benchmarks.analysis.calibration import NoiseFloor
from benchmarks.analysis.slo_curve import CANDIDATES_MS, SloCurve
from benchmarks.analysis.statistics import Estimate, estimate
from benchmarks.analysis.summary_model import (
    Added,
    Advantage,
    Comparison,
    Cost,
    HoldsFor,
    HypothesisVerdict,
    PartVerdict,
    Summary,
    VariantSummary,
    Worth,
)
from benchmarks.analysis.verdict import compare, judge
from benchmarks.scenario.hypothesis import EstimateKind, Hypothesis, HypothesisPart
from benchmarks.scenario.metric import Metric, rows
from benchmarks.values.json_object import Json
from benchmarks.values.slo import Slo

WHOLE = "whole"  # the key of the curve over a whole trial, beside those of the windows
_SLO_METRIC = "slo_ratio"
_BETTER = {Metric(metric.name, metric.stat): row.better for row, metric in rows()}

Ends = tuple[float | None, float | None]


@dataclass(frozen=True, eq=False)
class Evidence:
    """What a verdict's worth is read from, besides the summary.

    `curves`: by variant and block, then by window (`WHOLE` for the trial). `predicted_blocks`: by variant and block, as
    `summary.predicted` has a variant's first; blocks without one are compared with the first.
    """

    slo: Slo
    curves: Mapping[str, Mapping[int, Mapping[str, SloCurve]]]
    floor: NoiseFloor | None = None
    predicted_blocks: Mapping[str, Mapping[int, Json]] | None = None


def with_worth(summary: Summary, hypothesis: Hypothesis | None, evidence: Evidence) -> Summary:
    """The summary with all that its verdict is worth."""
    asked = hypothesis.parts if hypothesis is not None else ()
    parts = tuple(_part(part, found, summary, evidence) for part, found in zip(asked, summary.parts, strict=True))
    judged = summary.comparison
    judged = replace(judged, all=parts) if isinstance(judged, HypothesisVerdict) else parts[0] if parts else None
    costs = {name: _cost(side, evidence.curves.get(name, {})) for name, side in summary.variants.items()}
    return replace(summary, comparison=judged, worth=Worth(costs, tuple(_advantages(summary, asked))))


def _part(part: HypothesisPart, found: PartVerdict, summary: Summary, evidence: Evidence) -> PartVerdict:
    """One part with its prediction and its reach."""
    predicted = _predicted(part, lambda name: (summary.predicted or {}).get(name, {}))
    return replace(
        found,
        predicted=predicted,
        adds=_added(part, found, summary, evidence),
        as_predicted=predicted is not None
        and found.verdict == ("confirmed" if part.expect.holds(predicted) else "refuted"),
        holds_for=_holds_for(part, found, summary.variants, evidence),
    )


def _predicted(part: HypothesisPart, figures: Callable[[str], Json]) -> float | None:
    """The part's figure if every side did what the parameters say. 0 ÷ something is 0, and is given."""
    return part.of([part.metric.of(figures(name)) for name in part.sides])


def _added(part: HypothesisPart, found: PartVerdict, summary: Summary, evidence: Evidence) -> Added | None:
    if found.bracket is not None or any(name not in summary.variants for name in part.sides):
        return None
    blocks = sorted(set.intersection(*(set(summary.variants[name].by_block(part.metric)) for name in part.sides)))
    first, by_block = summary.predicted or {}, evidence.predicted_blocks or {}
    predicted = [
        _predicted(part, lambda name, block=block: by_block.get(name, {}).get(block) or first.get(name, {}))  # type: ignore[misc]
        for block in blocks
    ]
    measured = [*found.per_block] if len(found.per_block) == len(blocks) else [None] * len(blocks)

    def over(kind: EstimateKind) -> Estimate:
        return estimate(kind, str(part.metric), measured, predicted)

    added = over("ratio" if part.comparison == "ratio" else "difference")
    if added.value is None:
        return None
    # A floor is about two sides; one side is compared with its prediction as with another side.
    kind: EstimateKind = part.metric.definition.comparison if part.comparison == "variant" else part.comparison
    near, beside = None if evidence.floor is None else evidence.floor.interval(kind, str(part.metric)), over(kind)
    outside = None
    if near is not None and beside.interval is not None:
        outside = beside.interval[0] > near[1] or beside.interval[1] < near[0]
    return Added(added.value, added.interval, outside)


def _holds_for(
    part: HypothesisPart, found: PartVerdict, sides: Mapping[str, VariantSummary], evidence: Evidence
) -> HoldsFor | None:
    """None where there is no clear verdict, and where a bracket decided: only its ends are known, and no rows."""
    if not found.decided or found.ci95 is None or found.bracket is not None:
        return None
    near_low = (part.expect.op in (">", ">=")) == (found.verdict == "confirmed")
    bound = None if part.expect.op == "==" else found.ci95[0 if near_low else 1]
    if part.metric.name != _SLO_METRIC:
        return HoldsFor(bound)

    window = part.metric.window or WHOLE
    curves = {name: {block: of[window] for block, of in evidence.curves[name].items()} for name in part.sides}

    def same(shares: Mapping[str, Mapping[int, float]]) -> bool:
        changed = [_with_shares(sides[name], part.metric, shares[name]) for name in part.sides]
        verdict, _ = judge(compare(part.comparison, part.metric, changed, None).found, part.expect)
        return verdict is not None and verdict.value == found.verdict

    slo = evidence.slo
    return HoldsFor(
        bound,
        _reach(slo.accept_ms, {name: _shares(of, "by_accept") for name, of in curves.items()}, same),
        _reach(slo.complete_ms, {name: _shares(of, "by_complete") for name, of in curves.items()}, same),
    )


def _shares(curves: Mapping[int, SloCurve], by: str) -> dict[int, NDArray[np.float64]]:
    return {block: getattr(curve, by) / max(curve.offered, 1) for block, curve in curves.items()}


def _reach(
    set_ms: float,
    shares: Mapping[str, Mapping[int, NDArray[np.float64]]],
    same: Callable[[Mapping[str, Mapping[int, float]]], bool],
) -> Ends:
    """The candidates around `set_ms`, without a gap, at which the verdict stays; null for an end that was not found."""

    def end(places: Iterable[int]) -> float | None:
        last, known = set_ms, None
        for place in places:
            here = {name: {block: float(curve[place]) for block, curve in of.items()} for name, of in shares.items()}
            # Where no latency is between two candidates, there is nothing new to judge.
            if here != known and not same(here):
                return last
            last, known = float(CANDIDATES_MS[place]), here
        return None

    middle = int(np.searchsorted(CANDIDATES_MS, set_ms))
    below = middle - 1
    above = middle + (middle < len(CANDIDATES_MS) and float(CANDIDATES_MS[middle]) == set_ms)
    return end(range(below, -1, -1)), end(range(above, len(CANDIDATES_MS)))


def _with_shares(side: VariantSummary, metric: Metric, shares: Mapping[int, float]) -> VariantSummary:
    """The side as if its trials had these shares, by block."""

    def figures(of: Json, share: float) -> Json:
        if metric.window is None:
            return {**of, metric.name: share}
        windows = of["windows"]
        assert isinstance(windows, Mapping)
        return {**of, "windows": {**windows, metric.window: {**windows[metric.window], metric.name: share}}}

    trials = (replace(trial, figures=figures(trial.figures, shares[trial.block])) for trial in side.trials)
    return replace(side, trials=tuple(trials))


def _cost(side: VariantSummary, curves: Mapping[int, Mapping[str, SloCurve]]) -> Cost:
    def of(name: str, stat: str | None = None) -> float | None:
        return side.of(Metric(name, stat))

    return Cost(
        cpu_ms_per_registration=of("cpu_ms_per_registration", "total"),
        rss_mb_max=of("rss_mb_max"),
        drain_s=of("drain_s"),
        effects_missing=round((of("effects", "expected") or 0) - (of("effects", "applied") or 0)),
        late=sum(curve[WHOLE].late for curve in curves.values()),
    )


def _advantages(summary: Summary, asked: Sequence[HypothesisPart]) -> Iterator[Advantage]:
    """What speaks for the losing side: each on its own, since this is not a verdict."""
    losers = {pair for part, found in zip(asked, summary.parts, strict=True) if (pair := _loser(part, found))}
    if len(losers) != 1:  # the parts speak against neither, or against both
        return
    loser, winner = losers.pop()
    asked_metrics = {part.metric for part in asked}
    for found in (*summary.comparisons, *summary.comparisons_alone):
        metric = found.measured
        way = _BETTER.get(Metric(metric.name, metric.stat))
        if way is None or found.mark is not None or metric in asked_metrics:
            continue
        if (over := _turned(found, loser, winner)) is None:
            continue
        value, (low, high) = over
        nothing = 1.0 if found.kind == "ratio" else 0.0
        if high < nothing if way == "low" else low > nothing:
            yield Advantage(found.metric, loser, winner, value, (low, high))


def _loser(part: HypothesisPart, found: PartVerdict) -> tuple[str, str] | None:
    """The side that the verdict speaks against, and the other; None where it speaks against neither.

    A confirmed part speaks against the side that it says is worse; a refuted one against the side that it said was
    better. One that already holds where both are alike says that of neither.
    """
    way = _BETTER.get(Metric(part.metric.name, part.metric.stat))
    nothing = 1.0 if part.comparison == "ratio" else 0.0
    if not found.decided or len(part.sides) != 2 or way is None or part.expect.op == "==":
        return None
    if part.expect.holds(nothing):
        return None
    praised = (part.expect.op in (">", ">=")) == (way == "high")
    better, worse = part.sides if praised else part.sides[::-1]
    return (worse, better) if found.verdict == "confirmed" else (better, worse)


def _turned(found: Comparison, first: str, second: str) -> tuple[float, tuple[float, float]] | None:
    """Estimate and interval of `first` over `second`, whichever way round they were compared."""
    if found.estimate is None or found.ci95 is None:
        return None
    if found.label in (f"{first}/{second}", f"{first}-{second}"):
        return found.estimate, found.ci95
    if found.label == f"{second}/{first}" and found.ci95[0] > 0:
        return 1 / found.estimate, (1 / found.ci95[1], 1 / found.ci95[0])
    if found.label == f"{second}-{first}":
        return -found.estimate, (-found.ci95[1], -found.ci95[0])
    return None
