"""Overload: what a trial took of the machine, whether its backlog grew, and what that says of the system under test.

    resources (t_ns, process, cpu_ms) → share of a core, or of all cores, over a span ─┐
    outstanding → backlog_growth ──────────────────────────────────────────────────────┴→ OverloadIndicators → findings

A finding is about the system, and a run with findings is valid. What speaks against a run is for `validity` to say.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.analysis.trial_metrics import TrialMetrics
from benchmarks.metrics.series import outstanding
from benchmarks.trial_result import BUSY, PRESSURE, STEAL, TrialResult
from benchmarks.words.numbers import figure, rough_percent

BUSY_LIMIT = 0.9  # of one core
BUSY_SPAN_S = 5.0
PRESSURE_LIMIT = 0.7  # of the time
STEAL_LIMIT = 0.1  # of the machine's time
FOREIGN_LIMIT = 0.1  # of the machine's time

# A backlog grows when, over the last half of a window, it gains at least this share of what arrives, and more than
# the noise of a system that keeps up: there the number outstanding is about Poisson, its deviation its square root.
GROWTH_LIMIT = 0.05
GROWTH_DEVIATIONS = 4.0
SHORTEST_HALF_S = 1.0
_GRID = 200

_OF_THE_MACHINE = (STEAL, BUSY, PRESSURE)
_BROKER = "broker"


@dataclass(frozen=True)
class Share:
    """A share of time over the span that begins at `begin_s` of scenario time; its length is `span_s`."""

    value: float
    begin_s: float
    span_s: float


def busiest_share(
    resources: pd.DataFrame, process: str, begin_ns: int, end_ns: int, span_s: float = float("inf")
) -> Share | None:
    """The largest share of one core that `process` took over any `span_s`; over all there is where that is less.

    Null with fewer than two samples. For `machine:pressure` the share is one of time.
    """
    t_s, cpu_s = _samples(resources, process, begin_ns, end_ns)
    return _largest(t_s, cpu_s, span_s)


def foreign_share(
    resources: pd.DataFrame, begin_ns: int, end_ns: int, *, uses_broker: bool, span_s: float = float("inf")
) -> Share | None:
    """The largest share of one core that went to processes which are no part of the run, over any `span_s`.

    What all cores were busy with, less what the run's own processes took: services, API, generator, broker, harness.
    Null where the machine does not tell how busy it is, or where the broker of a trial is somebody else's, which may be
    anywhere, here too.
    """
    taken = _foreign(resources, begin_ns, end_ns, uses_broker)
    return None if taken is None else _largest(*taken, span_s)


def foreign_of(trial: TrialResult) -> Share | None:
    """`foreign_share` of a trial's load and drain, over the busiest 5 s."""
    facts = trial.facts
    return foreign_share(trial.resources, 0, facts.end_ns, uses_broker=facts.broker is not None, span_s=BUSY_SPAN_S)


def stolen_from(trial: TrialResult) -> Share | None:
    """What the host took away from a trial's load and drain, as a share of one core, over the busiest 5 s."""
    return busiest_share(trial.resources, STEAL, 0, trial.facts.end_ns, BUSY_SPAN_S)


def taken_by_others(trial: TrialResult) -> NDArray[np.float64]:
    """For each second of load and drain the largest share of the machine that steal or other programs had over a span
    of 5 s which covers it; infinite where it is unknown. Shape (whole seconds,).
    """
    facts = trial.facts
    seconds = math.ceil(facts.end_ns / 1e9)
    shares = np.zeros(seconds)
    sources = (
        _foreign(trial.resources, 0, facts.end_ns, facts.broker is not None),
        _samples(trial.resources, STEAL, 0, facts.end_ns),
    )
    for source in sources:
        if source is None or len(source[0]) < 2:
            return np.full(seconds, np.inf)
        t_s, total_s = source
        begin_s, end_s, share = _spans(t_s, total_s, BUSY_SPAN_S)
        for second in range(seconds):
            covers = (begin_s < second + 1) & (end_s > second)
            shares[second] = max(shares[second], share[covers].max(initial=-np.inf))
    return shares / facts.cores


def _foreign(
    resources: pd.DataFrame, begin_ns: int, end_ns: int, uses_broker: bool
) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    """Seconds, and the processor seconds that were not the run's own up to each; null as `foreign_share` has it."""
    if uses_broker and not (resources["process"] == _BROKER).any():
        return None
    t_s, busy_s = _samples(resources, BUSY, begin_ns, end_ns)
    if len(t_s) < 2:
        return None
    mine = resources[~resources["process"].isin(_OF_THE_MACHINE)]
    by_process = mine.pivot_table(index="t_ns", columns="process", values="cpu_ms", aggfunc="last")
    # One that was ended by a fault has no samples until it is back; it took nothing meanwhile.
    own_ms = by_process.reindex(np.round(t_s * 1e9).astype(np.int64)).ffill().bfill().sum(axis=1)
    return t_s, busy_s - own_ms.to_numpy(dtype=np.float64) / 1e3


def _samples(
    resources: pd.DataFrame, process: str, begin_ns: int, end_ns: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    mine = resources[(resources["process"] == process) & resources["t_ns"].between(begin_ns, end_ns)].sort_values(
        "t_ns"
    )
    return mine["t_ns"].to_numpy(dtype=np.float64) / 1e9, mine["cpu_ms"].to_numpy(dtype=np.float64) / 1e3


def _largest(t_s: NDArray[np.float64], total_s: NDArray[np.float64], span_s: float) -> Share | None:
    """The steepest that a cumulative time rises over any `span_s`."""
    if len(t_s) < 2:
        return None
    begin_s, end_s, shares = _spans(t_s, total_s, span_s)
    most = int(np.argmax(shares))
    return Share(float(shares[most]), float(begin_s[most]), float(end_s[most] - begin_s[most]))


def _spans(
    t_s: NDArray[np.float64], total_s: NDArray[np.float64], span_s: float
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Begin and end of each span of `span_s` between samples, and how steeply the total rises over it."""
    # Each sample is the begin of a span that ends at the first sample `span_s` later, or a little less far: samples
    # are never exactly that far apart.
    span_s = min(span_s, t_s[-1] - t_s[0])
    first = np.flatnonzero(t_s + span_s <= t_s[-1] + 1e-9)
    last = np.minimum(np.searchsorted(t_s, t_s[first] + span_s - 1e-9), len(t_s) - 1)
    return t_s[first], t_s[last], (total_s[last] - total_s[first]) / (t_s[last] - t_s[first])


@dataclass(frozen=True)
class OverloadIndicators:
    """Whether one trial overloaded the system: `pressure` where it is too much and our own doing, `growth` as
    `backlog_growth`. `shared`: others took so much of the machine that what grew may have grown because of them.
    """

    saturated: bool
    pressure: float | None
    growth: Mapping[str, float]
    shared: bool = False

    @classmethod
    def of(cls, trial: TrialResult, metrics: TrialMetrics) -> OverloadIndicators:
        shared = _is_shared(trial)
        pressure = None if shared else _too_much_pressure(trial)
        return cls(is_saturated(trial), pressure, backlog_growth(trial, metrics), shared)


def findings(overload: Sequence[OverloadIndicators], measured: Sequence[TrialMetrics]) -> list[str]:
    """What is to be said of the system under test in one variant's trials.

    A limit that more than half of them share, and recovery wherever one of them has no time of it.
    """
    found = ["saturated: api"] if 2 * sum(one.saturated for one in overload) > len(overload) else []
    starved = [one.pressure for one in overload if one.pressure is not None]
    if 2 * len(starved) > len(overload):
        found.append(f"saturated: machine (a task waited for a core {rough_percent(max(starved))} of the time)")
    growth: dict[str, list[float]] = {}
    for one in overload:
        for window, rate in one.growth.items():
            growth.setdefault(window, []).append(rate)
    for window, rates in growth.items():
        if 2 * len(rates) > len(overload):
            where = {"whole": "", "before": " before the fault", "after": " after the fault"}.get(
                window, " during the fault"
            )
            beside = " (beside other programs)" if any(one.shared for one in overload) else ""
            found.append(f"unstable: backlog grows {figure(float(np.mean(rates)))}/s{where}{beside}")
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


def _is_shared(trial: TrialResult) -> bool:
    """Whether other programs, or other guests of the host, took more of the machine than their limits."""
    others = [share.value / trial.facts.cores for share in (foreign_of(trial), stolen_from(trial)) if share is not None]
    return max(others, default=0.0) > FOREIGN_LIMIT


def _too_much_pressure(trial: TrialResult) -> float | None:
    """The share of the load's time in which a task waited for a core, where that is too much."""
    share = busiest_share(trial.resources, PRESSURE, 0, trial.facts.duration_ns)
    return share.value if share is not None and share.value > PRESSURE_LIMIT else None


def is_saturated(trial: TrialResult) -> bool:
    """Whether an API process was busy beyond the limit."""
    processes = {str(name) for name in trial.resources["process"].unique() if str(name).split("/")[0] == "api"}
    shares = [busiest_share(trial.resources, process, 0, trial.facts.duration_ns, BUSY_SPAN_S) for process in processes]
    return any(share is not None and share.value > BUSY_LIMIT for share in shares)


def _at(series: pd.DataFrame, t_s: NDArray[np.float64]) -> NDArray[np.float64]:
    """The count of a step series at each time."""
    place = np.searchsorted(series["t_s"].to_numpy(), t_s, side="right") - 1
    return series["count"].to_numpy(dtype=np.float64)[np.maximum(place, 0)]
