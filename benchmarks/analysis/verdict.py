"""Sides against each other: the hypothesis and its verdict, the usual comparisons, and warnings about outliers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchmarks.analysis.statistics import (
    OUTLIER_SCORE,
    Estimate,
    Kind,
    Verdict,
    combine,
    estimate,
    judge,
    lookup,
    mark,
    outliers,
    survivorship,
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
_SEPARATOR = {"ratio": "/", "difference": "-"}


@dataclass(frozen=True)
class Side:
    """One variant's figures, as in the summary but not rounded."""

    name: str
    uses_broker: bool
    figures: Mapping[str, object]

    def of(self, metric: Metric) -> float | None:
        return lookup(self.figures, metric)

    def by_block(self, metric: Metric) -> dict[int, float | None]:
        """The figure of each block's trial."""
        trials = self.figures["trials"]
        assert isinstance(trials, list)
        return {int(trial["block"]): lookup(trial, metric) for trial in trials}

    def accept_ratio(self, like: Metric) -> float | None:
        """`accept_ratio` in the window of another metric."""
        return self.of(Metric("accept_ratio", None, tuple(tag for tag in like.tags if tag[0] == "window")))


def comparison_of(hypothesis: Hypothesis | None, sides: Mapping[str, Side], *, valid: bool) -> Json | None:
    """`comparison` of the summary: one part, or `all` with the verdict on all of them; null without a hypothesis."""
    if hypothesis is None:
        return None
    judged = [_judged(part, sides, valid=valid) for part in hypothesis.parts]
    if len(judged) == 1:
        return {**judged[0][1], "verdict": _word(judged[0][0])}
    verdict = combine([found for found, _ in judged])
    deciding = [entry for found, entry in judged if found is verdict]
    return {
        "all": [{**entry, "verdict": _word(found)} for found, entry in judged],
        "verdict": _word(verdict),
        "reason": "; ".join(f"{entry['metric']}: {entry['reason']}" for entry in deciding),
    }


def comparisons_of(sides: Sequence[Side], *, with_faults: bool) -> list[Json]:
    """`comparisons` of the summary: each event side against each direct side. No verdicts here."""
    pairs = [(first, second) for first in sides if first.uses_broker for second in sides if not second.uses_broker]
    compared = [*_COMPARED, *(_COMPARED_WITH_FAULTS if with_faults else ())]
    return [_compared(kind, Metric.parse(name), first, second) for first, second in pairs for kind, name in compared]


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


def _judged(part: HypothesisPart, sides: Mapping[str, Side], *, valid: bool) -> tuple[Verdict | None, Json]:
    entry: Json = {"metric": str(part.metric), part.comparison: part.label, "expect": str(part.expect)}
    chosen = [sides[name] for name in part.sides if name in sides]
    if len(chosen) < len(part.sides):
        found = Estimate(None, None, (), "a side has no finished trial")
    else:
        found = _estimated(part.comparison, part.metric, chosen)
    verdict, reason = judge(found, part.expect)
    survivors = _survivors(part.metric, chosen)
    if survivors is not None:
        verdict, reason = None, survivors
    if not valid:
        verdict, reason = None, "the run is not valid, so it gives no verdict"
    note = "survivorship" if survivors else None if part.comparison == "variant" else mark(part.comparison, found)
    return verdict, {**entry, **_estimate_entry(found), "mark": note, "reason": reason}


def _compared(kind: Kind, metric: Metric, first: Side, second: Side) -> Json:
    found = _estimated(kind, metric, [first, second])
    survivors = _survivors(metric, [first, second])
    return {
        "metric": str(metric),
        kind: f"{first.name}{_SEPARATOR[kind]}{second.name}",
        **_estimate_entry(found),
        "mark": "survivorship" if survivors else mark(kind, found),
        "reason": survivors or found.reason,
    }


def _estimated(kind: Kind, metric: Metric, sides: Sequence[Side]) -> Estimate:
    """Over the blocks in which every side has a finished trial."""
    figures = [side.by_block(metric) for side in sides]
    blocks = sorted(set(figures[0]).intersection(*figures[1:]))
    return estimate(kind, str(metric), *([values[block] for block in blocks] for values in figures))


def _survivors(metric: Metric, sides: Sequence[Side]) -> str | None:
    if len(sides) != 2:
        return None
    return survivorship(metric, sides[0].accept_ratio(metric), sides[1].accept_ratio(metric))


def _estimate_entry(found: Estimate) -> Json:
    return {
        "estimate": found.value,
        "ci95": None if found.interval is None else list(found.interval),
        "per_block": list(found.per_block),
    }


def _word(verdict: Verdict | None) -> str | None:
    return None if verdict is None else verdict.value
