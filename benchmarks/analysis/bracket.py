"""What a disturbance may have cost: both ends of a disturbed trial's figures (`docs/disturbed-runs.md`).

    measured  ┐   for each registration the better    ┌ best  ┐
    Prediction┴→  and the worse of the two fates     ─┴ worst ┴→ metrics, as of any trial

A busy machine delays and never speeds up, so the fate of a registration on a quiet machine lies between what the
parameters alone predict and what was measured (Manski 2003, "Partial Identification of Probability Distributions").
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.analysis.overload import FOREIGN_LIMIT, taken_by_others
from benchmarks.analysis.reconcile import reconcile
from benchmarks.analysis.trial_metrics import Bounds, TrialMetrics, latencies, metrics_of
from benchmarks.analysis.validity import DELAY_LIMIT_MS
from benchmarks.metrics import METRICS
from benchmarks.metrics.arrivals import Applied, Floats
from benchmarks.metrics.endings import REGISTRATION_CATEGORIES
from benchmarks.metrics.series import Endings, Recovery, TrialSeries, outstanding
from benchmarks.planning.prediction import Prediction
from benchmarks.scenario import Scenario
from benchmarks.scenario.sample import windows_bounds_ns
from benchmarks.trial_result import TrialFacts, TrialResult
from benchmarks.values.times import NEVER

Flags = NDArray[np.bool_]

# So many seconds of a window must be quiet before registrations in them keep what was measured.
QUIET_SECONDS = 10
# Milliseconds that stand for a time without a bound: finite, so that quantiles between it and others are large, too.
BOUNDLESS_MS = 1e15
# So many more than predicted may be outstanding in a quiet second: one, and what arrives in 50 ms, five at most.
SLACK_OUTSTANDING, SLACK_S, MOST_SLACK = 1.0, 0.05, 5.0

_ACCEPT, _COMPLETION = "accept_latency_ms", "completion_latency_ms"
_GOOD = ("complete", "recovered")  # of the endings; the more of the others, the worse


@dataclass(frozen=True)
class Fates:
    """How each counted arrival of one trial fared, measured or predicted; one entry for each, in order of the index.

    `table` is what `latencies` returns; `ends` says, for each ending, which arrivals had it.
    """

    history: pd.DataFrame
    table: pd.DataFrame
    outstanding: pd.DataFrame
    ends: Mapping[str, Flags]
    counted: Endings

    @classmethod
    def of(cls, history: pd.DataFrame, effects: pd.DataFrame, facts: TrialFacts, found: Applied) -> Fates:
        ended = reconcile(history, effects, facts, found)
        return cls(
            history,
            latencies(history, effects, facts.services, found),
            outstanding(history, effects, facts, found),
            {name: ended.frame[name].to_numpy(dtype=bool) for name in REGISTRATION_CATEGORIES},
            ended.endings,
        )

    @property
    def acked(self) -> Flags:
        return (self.table["outcome"] == "acked").to_numpy(dtype=bool, na_value=False)

    def latency(self, name: str) -> Floats:
        return self.table[name].to_numpy(dtype=np.float64)


@dataclass(frozen=True)
class Ends:
    """One disturbed trial at both ends. `quiet`: the registrations that keep what was measured.

    `added_ms`: measured minus predicted of the others, by latency. `differ`: for how many of them measurement and
    prediction disagree about the outcome.
    """

    best: TrialMetrics
    worst: TrialMetrics
    quiet: Flags
    added_ms: Mapping[str, Floats]
    differ: int


def predicted_fates(history: pd.DataFrame, facts: TrialFacts, prediction: Prediction, late_ns: int = 0) -> Fates:
    """What a prediction says of the arrivals of `history`, as a trial would have recorded it.

    `late_ns`: how much later than predicted every reply and every effect is to be.
    """
    services = facts.services
    first = np.stack([prediction.applied_ns[name] for name in services], axis=1)
    first = np.where(first == NEVER, NEVER, first + late_ns)
    counts = np.stack([prediction.applied_counts[name] for name in services], axis=1)
    first_ns = first.min(axis=1)
    last_ns = np.where(first == NEVER, -NEVER, first).max(axis=1)
    replied = prediction.replied_ns != NEVER
    sent = replied | prediction.stored | (first_ns != NEVER)  # the others found nobody to connect to
    in_time = replied & (prediction.replied_ns + late_ns - prediction.intended_ns <= facts.timeout_ms * 1e6)
    acked = prediction.accepted & in_time
    told = history.assign(
        intended_ns=prediction.intended_ns,
        sent_ns=_nullable(prediction.intended_ns, sent),
        answered_ns=_nullable(prediction.replied_ns + late_ns, in_time),
        stored_ns=_nullable(prediction.intended_ns, prediction.stored),
        outcome=pd.array(np.where(acked, "acked", np.where(in_time, "failed", "indeterminate")), dtype="str"),
        status=pd.arrays.IntegerArray(np.where(acked, 202, 503).astype(np.int16), ~in_time),
    )
    ids = history["registration_id"].to_numpy(dtype=object)
    pending = {
        name: list(ids[prediction.applied_ns[name] == NEVER])
        for name in services
        if prediction.drain_expired and facts.broker is not None
    }
    nothing = pd.DataFrame({"trial": [], "index": [], "service": [], "applied_ns": []})
    of_facts = replace(facts, pending=pending, dead_lettered={})
    return Fates.of(told, nothing, of_facts, Applied(counts, first, first_ns, last_ns))


def ends_of(trial: TrialResult, prediction: Prediction, scenario: Scenario, on_edge: Flags) -> Ends:
    """Both ends of a disturbed trial; `prediction` is that of its variant and block, registration by registration.

    `on_edge`: the registrations on another side of a fault's edge than predicted, which take both fates in any case.
    """
    facts, bounds = trial.facts, windows_bounds_ns(scenario)
    history = trial.frames.history.set_index("index").reindex(prediction.index).reset_index()
    effects = trial.frames.effects
    measured = Fates.of(history, effects, facts, Applied.of(history, effects, facts.services))
    predicted = predicted_fates(history, facts, prediction)
    complete = np.isfinite(measured.latency(_COMPLETION)), np.isfinite(predicted.latency(_COMPLETION))
    differ = (measured.acked != predicted.acked) | (complete[0] != complete[1])
    quiet = _quiet(trial, measured, predicted, bounds) & ~on_edge & ~differ
    nearest = _where(quiet, measured, predicted)
    best, worst = (_metrics(measured, nearest, trial, scenario, bounds, better=better) for better in (True, False))
    added = {name: (measured.latency(name) - predicted.latency(name))[~quiet] for name in (_ACCEPT, _COMPLETION)}
    return Ends(best, worst, quiet, added, int(differ.sum()))


def figures_if_late(
    history: pd.DataFrame, facts: TrialFacts, prediction: Prediction, scenario: Scenario, late_ms: float
) -> TrialMetrics:
    """What would be measured of a predicted trial if all of it came `late_ms` later."""
    fates = predicted_fates(history, facts, prediction, round(late_ms * 1e6))
    series = _series(fates, fates.table, fates.ends, facts, scenario, None)
    return metrics_of(series, windows_bounds_ns(scenario))


def _where(quiet: Flags, measured: Fates, predicted: Fates) -> Fates:
    """What was measured of the quiet ones, and what is predicted of the others."""
    table = measured.table.where(pd.Series(quiet), predicted.table)
    ends = {name: np.where(quiet, measured.ends[name], flags) for name, flags in predicted.ends.items()}
    return replace(measured, table=table, ends=ends)


def _metrics(
    one: Fates,
    other: Fates,
    trial: TrialResult,
    scenario: Scenario,
    bounds: Mapping[str, Bounds | None],
    *,
    better: bool,
) -> TrialMetrics:
    """The metrics of the better, or of the worse, of two fates of every registration."""
    ends = {
        name: one.ends[name] | other.ends[name] if (name in _GOOD) is better else one.ends[name] & other.ends[name]
        for name in REGISTRATION_CATEGORIES
    }
    acked = one.acked | other.acked if better else one.acked & other.acked
    names = [name for name in map(str, one.table) if name.split(":")[0] in (_ACCEPT, _COMPLETION)]
    shares = {name: _either(one.latency(name), other.latency(name), better=better) for name in names}
    # Of those that only one of the two has, a latency is bounded by the extremes: which of them belong to the quiet
    # population is unknown.
    extreme = 0.0 if better else BOUNDLESS_MS
    extremes = {
        name: np.where(np.isnan(one.latency(name)) != np.isnan(other.latency(name)), extreme, shares[name])
        for name in names
    }
    outcome = np.where(acked, "acked", np.where(one.acked, "failed", one.table["outcome"].to_numpy(dtype=object)))
    of_shares, of_latencies = (
        metrics_of(
            _series(one, one.table.assign(outcome=outcome, **columns), ends, trial.facts, scenario, trial.lag), bounds
        )
        for columns in (shares, extremes)
    )
    return _merged(of_shares, of_latencies)


def _either(one: Floats, other: Floats, *, better: bool) -> Floats:
    """The smaller of two times where there is any; the larger where there are both."""
    found: Floats = np.fmin(one, other) if better else np.maximum(one, other)
    return found


def _series(
    fates: Fates,
    table: pd.DataFrame,
    ends: Mapping[str, Flags],
    facts: TrialFacts,
    scenario: Scenario,
    lag: pd.DataFrame | None,
) -> TrialSeries:
    endings = replace(fates.counted, registrations={name: int(flags.sum()) for name, flags in ends.items()})
    history = fates.history.assign(outcome=table["outcome"].to_numpy())
    return TrialSeries(facts, scenario.slo, history, table, fates.outstanding, endings, Recovery(), lag)


def _merged(shares: TrialMetrics, times: TrialMetrics) -> TrialMetrics:
    """Latencies from the one, everything else from the other; nothing without a bracket."""

    def chosen(of_shares: Mapping[str, object], of_times: Mapping[str, object]) -> dict[str, object]:
        return {
            definition.name: (of_times if definition.nature == "latency" else of_shares)[definition.name]
            for definition in METRICS
            if definition.name in of_shares
        }

    windows = {
        name: None if part is None else chosen(part, times.windows[name] or {}) for name, part in shares.windows.items()
    }
    return replace(shares, whole=chosen(shares.whole, times.whole), windows=windows)


def _quiet(trial: TrialResult, measured: Fates, predicted: Fates, bounds: Mapping[str, Bounds | None]) -> Flags:
    """Which registrations were intended in a quiet stretch, were done in it, and keep what was measured."""
    shares = taken_by_others(trial)
    seconds = len(shares)  # of load and drain
    sent = measured.table["schedule_delay_ms"].to_numpy(dtype=np.float64)
    intended_ns = measured.table["intended_ns"].to_numpy(dtype=np.int64)
    second = np.minimum(intended_ns // 1_000_000_000, seconds - 1)
    latest_ms = np.zeros(seconds)
    np.fmax.at(latest_ms, second, sent)
    slack = np.minimum(SLACK_OUTSTANDING + SLACK_S * np.bincount(second, minlength=seconds), MOST_SLACK)
    more = _most_each_second(measured.outstanding, seconds) - _most_each_second(predicted.outstanding, seconds)
    calm = (shares <= FOREIGN_LIMIT) & (latest_ms <= DELAY_LIMIT_MS) & (more <= slack)
    windows = [window for window in bounds.values() if window is not None] or [(0, trial.facts.duration_ns)]
    enough = np.zeros(seconds, dtype=bool)
    for begin_ns, end_ns in windows:
        inside = np.arange(-(-begin_ns // 1_000_000_000), end_ns // 1_000_000_000)
        if calm[inside].sum() >= QUIET_SECONDS:
            enough[inside] = calm[inside]
    restless = np.concatenate([[0], np.cumsum(~calm)])
    done_ms = np.maximum(measured.latency("reply_latency_ms"), measured.latency(_COMPLETION))
    known = np.isfinite(done_ms)
    last = np.minimum(np.where(known, intended_ns / 1e9 + done_ms / 1e3, 0), seconds - 1).astype(np.int64)
    found: Flags = enough[second] & known & (restless[np.maximum(last, second) + 1] == restless[second])
    return found


def _most_each_second(series: pd.DataFrame, seconds: int) -> Floats:
    """The largest number outstanding in each second."""
    t_s = series["t_s"].to_numpy(dtype=np.float64)
    count = series["count"].to_numpy(dtype=np.float64)
    at = np.arange(seconds)
    first = np.maximum(np.searchsorted(t_s, at, side="right") - 1, 0)
    last = np.maximum(np.searchsorted(t_s, at + 1.0), first + 1)
    return np.array([count[a:b].max() for a, b in zip(first, last, strict=True)])


def _nullable(times_ns: NDArray[np.int64], known: Flags) -> pd.arrays.IntegerArray:
    return pd.arrays.IntegerArray(np.where(known, times_ns, 0).astype(np.int64), ~known)
