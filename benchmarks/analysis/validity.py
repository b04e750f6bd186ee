"""The run judges itself: what the apparatus failed at makes it invalid, what the system failed at is a finding.

    each trial → trial_reasons, Sent, Signs ─→ its frames can go
    a variant  → variant_reasons, findings, from what stayed of its trials

A reason is a sentence with the measured value, the limit and what to do about it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.analysis.history import TrialFacts, TrialFrames
from benchmarks.analysis.metrics import TrialMetrics
from benchmarks.analysis.series import outstanding

DROPPED_LIMIT = 0.001
DELAY_LIMIT_MS = 5.0
DELAY_P99_SAMPLE = 1_000
BUSY_LIMIT = 0.9  # of one core
BUSY_SPAN_S = 5.0
STEAL_LIMIT = 0.1  # of the machine's time

# A backlog grows when, over the last half of a window, it gains at least this share of what arrives, and more than
# the noise of a system that keeps up: there the number outstanding is about Poisson, its deviation its square root.
GROWTH_LIMIT = 0.05
GROWTH_DEVIATIONS = 4.0
SHORTEST_HALF_S = 1.0
_GRID = 200

_HISTORY_ORDER = ("intended_ns", "sent_ns", "received_ns", "stored_ns", "replied_ns", "answered_ns")
_EFFECTS_ORDER = ("received_ns", "started_ns", "applied_ns", "settled_ns")


@dataclass(frozen=True)
class TrialResult:
    """What one finished trial left: facts, frames, and samples (columns: `docs/measurement.md`)."""

    facts: TrialFacts
    frames: TrialFrames
    lag: pd.DataFrame
    resources: pd.DataFrame
    faults: pd.DataFrame


@dataclass(frozen=True)
class Sent:
    """How one trial's arrivals were sent: what the limits over a variant's trials need of it.

    `delays_ms`: the schedule delay of each arrival that was sent, shape (n,).
    """

    offered: int
    dropped: int
    delays_ms: NDArray[np.float64]

    @classmethod
    def of(cls, history: pd.DataFrame) -> Sent:
        delays = (history["sent_ns"] - history["intended_ns"]).dropna().to_numpy(dtype=np.float64) / 1e6
        return cls(len(history), int((history["outcome"] == "dropped").sum()), delays)


@dataclass(frozen=True)
class Signs:
    """What one trial shows of the system under test; `growth` as `backlog_growth` has it."""

    saturated: bool
    growth: Mapping[str, float]

    @classmethod
    def of(cls, trial: TrialResult, metrics: TrialMetrics) -> Signs:
        return cls(_saturated(trial), backlog_growth(trial, metrics))


def variant_reasons(variant: str, trials: Sequence[Sent]) -> list[str]:
    """What speaks against a variant's trials together: arrivals dropped, or sent late."""
    return [*_dropped(variant, trials), *_schedule_delay(variant, trials)]


def trial_reasons(trial: TrialResult, drain_may_expire: bool) -> list[str]:
    """What speaks against one trial by itself."""
    return [f"trial {trial.facts.label}: {reason}" for reason in _trial_reasons(trial, drain_may_expire)]


def findings(signs: Sequence[Signs], measured: Sequence[TrialMetrics]) -> list[str]:
    """What is to be said of the system under test in one variant's trials.

    A limit that more than half of them share, and recovery wherever one of them has no time of it.
    """
    found = ["saturated: api"] if 2 * sum(sign.saturated for sign in signs) > len(signs) else []
    growth: dict[str, list[float]] = {}
    for sign in signs:
        for window, rate in sign.growth.items():
            growth.setdefault(window, []).append(rate)
    for window, rates in growth.items():
        if 2 * len(rates) > len(signs):
            where = {"whole": "", "before": " before the fault", "after": " after the fault"}.get(
                window, " during the fault"
            )
            found.append(f"unstable: backlog grows {np.mean(rates):.3g}/s{where}")
    return [*found, *_without_recovery(measured)]


def _without_recovery(measured: Sequence[TrialMetrics]) -> list[str]:
    """What the first trial of each kind says, and how many are like it."""
    found = []
    for recovered in (False, None):
        reasons = [m.recovery.reason for m in measured if m.recovery.recovered is recovered and m.recovery.reason]
        if reasons:
            like_it = f" (so {len(reasons)} of {len(measured)} trials)" if len(measured) > 1 else ""
            found.append(reasons[0] + like_it)
    return found


def backlog_growth(trial: TrialResult, metrics: TrialMetrics) -> dict[str, float]:
    """Registrations per second by which the backlog grows, for each window in which it does.

    The slope of a least-squares line through the outstanding registrations over the window's last half, as Theodolite
    judges the lag of a stream processor (Henning & Hasselbring 2022). Without faults the one window is `whole`.
    """
    series = outstanding(trial.frames.history, trial.frames.effects, trial.facts)
    growing = {}
    for name, (begin_s, end_s) in metrics.window_bounds_s().items():
        middle_s = (begin_s + end_s) / 2
        if end_s - middle_s < SHORTEST_HALF_S:
            continue
        grid = np.linspace(middle_s, end_s, _GRID)
        count = _at(series, grid)
        slope = float(np.polyfit(grid, count, 1)[0])
        gained = slope * (end_s - middle_s)
        intended_s = trial.frames.history["intended_ns"].to_numpy(dtype=np.float64) / 1e9
        arrived = int(((intended_s >= middle_s) & (intended_s < end_s)).sum())
        noise = GROWTH_DEVIATIONS * float(np.sqrt(max(float(count.mean()), 1.0)))
        if gained > max(GROWTH_LIMIT * arrived, noise):
            growing[name] = slope
    return growing


def busiest_share(
    resources: pd.DataFrame, process: str, begin_ns: int, end_ns: int, span_s: float = BUSY_SPAN_S
) -> float | None:
    """The largest share of one core that `process` took over any `span_s`; over all there is where that is less.

    Null with fewer than two samples.
    """
    mine = resources[(resources["process"] == process) & resources["t_ns"].between(begin_ns, end_ns)].sort_values(
        "t_ns"
    )
    t_s = mine["t_ns"].to_numpy(dtype=np.float64) / 1e9
    cpu_s = mine["cpu_ms"].to_numpy(dtype=np.float64) / 1e3
    if len(t_s) < 2:
        return None
    # Each sample is the begin of a span that ends at the first sample `span_s` later, or a little less far: samples
    # are never exactly that far apart.
    span_s = min(span_s, t_s[-1] - t_s[0])
    first = np.flatnonzero(t_s + span_s <= t_s[-1] + 1e-9)
    last = np.minimum(np.searchsorted(t_s, t_s[first] + span_s - 1e-9), len(t_s) - 1)
    return float(np.max((cpu_s[last] - cpu_s[first]) / (t_s[last] - t_s[first])))


def _dropped(variant: str, trials: Sequence[Sent]) -> list[str]:
    offered, dropped = sum(trial.offered for trial in trials), sum(trial.dropped for trial in trials)
    if offered == 0 or dropped / offered <= DROPPED_LIMIT:
        return []
    return [
        f"{variant}: the load generator dropped {dropped:,} of {offered:,} arrivals ({dropped / offered:.2%}, limit "
        f"{DROPPED_LIMIT:.1%}); lower the rate, or raise maxInFlight if it waited for answers"
    ]


def _schedule_delay(variant: str, trials: Sequence[Sent]) -> list[str]:
    delays = np.concatenate([trial.delays_ms for trial in trials])
    if delays.size == 0:
        return [f"{variant}: not one arrival was sent; see the load generator's log"]
    name, q = ("p99", 0.99) if delays.size >= DELAY_P99_SAMPLE else ("p95", 0.95)
    delay_ms = float(np.quantile(delays, q))
    if delay_ms <= DELAY_LIMIT_MS:
        return []
    return [
        f"{variant}: arrivals were sent late, schedule delay {name} {delay_ms:.3g} ms (limit {DELAY_LIMIT_MS:g} ms); "
        "lower the rate, or free a core for the load generator"
    ]


def _trial_reasons(trial: TrialResult, drain_may_expire: bool) -> list[str]:
    facts = trial.facts
    reasons = list(trial.frames.problems)
    if not facts.readiness_proven:
        reasons.append("readiness was not proven: a service did not answer its probe; see logs/")
    reasons += _rows_that_do_not_add_up(trial.frames.history)
    history = trial.frames.history
    reasons += _backwards(history, _HISTORY_ORDER, "arrivals", history)
    reasons += _backwards(trial.frames.effects, _EFFECTS_ORDER, "effects", history)
    busy = busiest_share(trial.resources, "load", 0, facts.duration_ns)
    if busy is not None and busy > BUSY_LIMIT:
        reasons.append(
            f"the load generator took {busy:.0%} of a core over {BUSY_SPAN_S:g} s (limit {BUSY_LIMIT:.0%}); "
            "lower the rate: its latencies are partly its own"
        )
    steal = _steal_share(trial)
    if steal is not None and steal > STEAL_LIMIT:
        reasons.append(
            f"the host took {steal:.0%} of the machine's time away (steal, limit {STEAL_LIMIT:.0%}); "
            "run it again when the host is quieter, or on another one"
        )
    if facts.drain_expired and not drain_may_expire:
        left = "" if facts.drain_s is None else f" after {facts.drain_s:.3g} s"
        reasons.append(
            f"work was left when the drain expired{left}; give it longer with drain, or allow it with drainMayExpire"
        )
    return reasons


def _rows_that_do_not_add_up(history: pd.DataFrame) -> list[str]:
    reasons = []
    undecided = int(history["outcome"].isna().sum())
    if undecided:
        reasons.append(
            f"{undecided:,} of {len(history):,} arrivals have no outcome: the load generator ended early; see logs/"
        )
    twice = int(history["registration_id"].duplicated().sum())
    if twice:
        reasons.append(f"{twice:,} registration ids stand more than once in the history; this is a bug, please report")
    return reasons


def _backwards(frame: pd.DataFrame, order: Sequence[str], rows: str, history: pd.DataFrame) -> list[str]:
    """Whether times that are there come in `order` in every row."""
    latest = np.full(len(frame), -np.inf)
    wrong: NDArray[np.bool_] = np.zeros(len(frame), dtype=bool)
    for column in order:
        t_ns = frame[column].to_numpy(dtype=np.float64, na_value=np.nan)
        wrong |= t_ns < latest
        latest = np.fmax(latest, t_ns)
    number = int(wrong.sum())
    if not number:
        return []
    example = history.loc[history["index"] == frame["index"][wrong].iloc[0], "registration_id"].iloc[0]
    return [
        f"the times of {number:,} {rows} run backwards (the first: {example}); "
        "the processes did not share one clock, or this is a bug: please report"
    ]


def _steal_share(trial: TrialResult) -> float | None:
    taken = busiest_share(trial.resources, "machine", 0, trial.facts.end_ns, span_s=float("inf"))
    return None if taken is None else taken / trial.facts.cores


def _saturated(trial: TrialResult) -> bool:
    processes = {str(name) for name in trial.resources["process"].unique() if str(name).split("/")[0] == "api"}
    shares = [busiest_share(trial.resources, process, 0, trial.facts.duration_ns) for process in processes]
    return any(share is not None and share > BUSY_LIMIT for share in shares)


def _at(series: pd.DataFrame, t_s: NDArray[np.float64]) -> NDArray[np.float64]:
    """The count of a step series at each time."""
    place = np.searchsorted(series["t_s"].to_numpy(), t_s, side="right") - 1
    return series["count"].to_numpy(dtype=np.float64)[np.maximum(place, 0)]
