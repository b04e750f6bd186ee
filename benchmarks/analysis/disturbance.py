"""What disturbed a run, how much of it that may explain, and whether the verdict stands all the same.

Disturbed and Ends of each trial → Brackets, for every comparison → Disturbance, in words
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from benchmarks.analysis.bracket import Ends
from benchmarks.analysis.overload import FOREIGN_LIMIT, STEAL_LIMIT
from benchmarks.analysis.summary_model import Disturbance, HypothesisVerdict, PartVerdict, Threshold, VariantSummary
from benchmarks.analysis.validity import Disturbed
from benchmarks.analysis.verdict import Brackets
from benchmarks.scenario.hypothesis import Hypothesis
from benchmarks.scenario.metric import Expectation, Metric
from benchmarks.trial_result import TrialFacts
from benchmarks.words.numbers import NBSP, figure, milliseconds, plural, rough, rough_percent, sentence


@dataclass(frozen=True)
class DisturbedTrial:
    """A trial that was disturbed; `ends` is null where nothing bounds it."""

    facts: TrialFacts
    disturbed: Disturbed
    ends: Ends | None


def threshold_of(
    name: str, expression: str, variant: VariantSummary | None, label: str, brackets: Brackets
) -> Threshold:
    """One expectation on one variant: on a disturbed one, both ends of the figure must agree."""
    metric, expect = Metric.parse(name), Expectation.parse(expression)
    value = None if variant is None else variant.of(metric)
    hit = label in brackets.best or label in brackets.without
    if variant is None or value is None:
        if hit and variant is not None:
            return Threshold(name, label, expression, None, passed=None, reason="it was not measured")
        why = "no trial was finished" if variant is None else variant.why_missing(metric) or "not measured"
        return Threshold(name, label, expression, value, passed=False, reason=why)
    found = Threshold(name, label, expression, value, expect.holds(value))
    if not hit:
        return found
    if expect.forbids_any(metric):
        return found  # a loss that was seen stands, and none seen is none
    if (why_not := brackets.why_not(metric, label)) is not None:
        return replace(found, passed=None, reason=why_not)
    ends = [end.of(metric) for end in brackets.ends(metric, variant)]
    if any(end is None or expect.holds(end) != found.passed for end in ends):
        bounds = " to ".join("no bound" if end is None else figure(end) for end in ends)
        return replace(found, passed=None, reason=f"without the disturbance it lies anywhere in {bounds}")
    return found


def disturbance_of(
    trials: Sequence[DisturbedTrial],
    hypothesis: Hypothesis | None,
    comparison: PartVerdict | HypothesisVerdict | None,
    thresholds: Iterable[Threshold],
    brackets: Brackets,
    *,
    invalid: bool,
) -> Disturbance | None:
    """What `summary.disturbed` says; null for a quiet run. `invalid`: the run gives no verdict in any case."""
    if not trials:
        return None
    foreign = _largest(trial.disturbed.foreign_share for trial in trials)
    stolen = _largest(trial.disturbed.steal_share for trial in trials)
    delay_ms = _largest(trial.disturbed.delay_ms for trial in trials)
    latest_ms = _largest(trial.disturbed.latest_ms for trial in trials)
    added_ms = _added_ms([trial.ends for trial in trials if trial.ends is not None], hypothesis)
    open_ones = [one for one in thresholds if one.passed is None]
    return Disturbance(
        reasons=tuple(f"trial {trial.facts.label}: {text}" for trial in trials for text in trial.disturbed.reasons),
        trials=tuple(trial.facts.label for trial in trials),
        foreign_share=foreign,
        steal_share=stolen,
        schedule_delay_ms=delay_ms,
        added_ms=added_ms,
        sentence=_sentence(
            _Cause.of(foreign, stolen, latest_ms),
            _added(added_ms, sum(trial.ends.differ for trial in trials if trial.ends is not None)),
            comparison,
            len(open_ones),
            invalid=invalid,
        ),
        margins=brackets.margins,
    )


def stands(comparison: PartVerdict | HypothesisVerdict | None, thresholds: Iterable[Threshold]) -> bool:
    """Whether a disturbed run says what it was asked, as far as that depends on the disturbance."""
    return not left_open(comparison) and all(one.passed is not None for one in thresholds)


def left_open(comparison: PartVerdict | HypothesisVerdict | None) -> bool:
    """Whether there is no verdict because of the disturbance, and not for another reason, such as too few blocks."""
    if comparison is None or comparison.decided:
        return False
    parts = comparison.all if isinstance(comparison, HypothesisVerdict) else (comparison,)
    return any(not part.decided and _is_touched(part) for part in parts)


def _is_touched(part: PartVerdict) -> bool:
    bounded = part.bracket is not None and part.mark not in ("survivorship", "unresolved")
    return bounded or part.mark == "disturbed" or (part.reason or "").startswith("disturbed")


def _largest(values: Iterable[float | None]) -> float | None:
    return max((value for value in values if value is not None), default=None)


def _added_ms(ends: Sequence[Ends], hypothesis: Hypothesis | None) -> float | None:
    """The p95 of what was added to the time that the hypothesis is about; to the answer where it is about none."""
    names = [part.metric.name for part in hypothesis.parts] if hypothesis is not None else []
    which = "completion_latency_ms" if "completion_latency_ms" in names else "accept_latency_ms"
    added = np.concatenate([np.empty(0), *(end.added_ms[which] for end in ends)])
    added = added[~np.isnan(added)]
    return float(np.quantile(added, 0.95)) if added.size else None


@dataclass(frozen=True)
class _Cause:
    """What disturbed, whose it was, and what to do about it."""

    what: str
    remedy: str
    whose: str = ""

    @classmethod
    def of(cls, foreign: float | None, stolen: float | None, latest_ms: float | None) -> _Cause:
        if foreign is not None and foreign > FOREIGN_LIMIT:
            return cls(
                f"other programs took {rough_percent(foreign)} of the machine", "end them, and run it again", "theirs"
            )
        if stolen is not None and stolen > STEAL_LIMIT:
            return cls(
                f"the host took {rough_percent(stolen)} of the machine",
                "run it again later, or on another machine",
                "the host's",
            )
        return cls(
            f"the load was sent up to {milliseconds(latest_ms or 0.0)} late", "end what else runs, and run it again"
        )


def _added(added_ms: float | None, differ: int) -> str:
    """What it may have done, in words; empty where nothing is known."""
    may = [] if added_ms is None else [f"added up to {rough(max(added_ms, 0.0))}{NBSP}ms"]
    may += [f"decided how {plural(differ, 'registration')} ended"] if differ else []
    return f", which may have {' and '.join(may)}" if may else ""


def _sentence(
    cause: _Cause,
    added: str,
    comparison: PartVerdict | HypothesisVerdict | None,
    undecided: int,
    *,
    invalid: bool,
) -> str:
    """What disturbed the run and what it may have done, what that does to the verdict, and what to do."""
    what = cause.what + added
    open_ones = f"{plural(undecided, 'threshold')} cannot be decided" if undecided else ""
    if invalid:
        return sentence(what)
    if left_open(comparison):
        return sentence("; ".join(filter(None, (f"{what}, too much for a verdict", open_ones, cause.remedy))))
    if comparison is None:
        so, but = f"every absolute figure may hold a part of {'that' if added else 'it'}", "so"
    elif not comparison.decided:
        so, but = "that is not why there is no verdict", "but"
    else:
        # With a threshold that is open the run decides nothing.
        stands = "would stand" if undecided else "stands"
        all_of_it = f"even if all of it was {cause.whose}" if added and cause.whose else "all the same"
        so, but = f"the verdict {stands} {all_of_it}", "but"
    return sentence(f"{what}; {so}" + (f", {but} {open_ones}: {cause.remedy}" if undecided else ""))
