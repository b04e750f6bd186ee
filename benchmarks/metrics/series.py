"""A trial as series: every latency of every arrival, what was outstanding when. Metrics fold over these.

history, effects → Arrivals → latencies ─┐
                            outstanding ─┴→ TrialSeries → WindowSeries: the arrivals intended in it
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.metrics.arrivals import Applied, Floats, floats
from benchmarks.trial_result import TrialFacts
from benchmarks.values.slo import Slo
from benchmarks.values.times import NEVER, NS_PER_MS

Counts = dict[str, int]


@dataclass(frozen=True)
class Endings:
    """How many registrations, and how many (registration, service) pairs, ended how: as in `summary.json`."""

    registrations: Counts
    effects: Counts
    effects_by_service: dict[str, Counts]


@dataclass(frozen=True)
class Recovery:
    """`recovered` is null where that cannot be said, and without faults; `reason` says why there is no time."""

    recovery_s: float | None = None
    recovered: bool | None = None
    reason: str = ""


@dataclass(frozen=True, eq=False)
class TrialSeries:
    """One trial, measured. `table` is what `latencies` returns, `outstanding` what the function of that name does."""

    facts: TrialFacts
    slo: Slo
    history: pd.DataFrame
    table: pd.DataFrame
    outstanding: pd.DataFrame
    endings: Endings
    recovery: Recovery
    lag: pd.DataFrame | None

    @cached_property
    def intended_ns(self) -> NDArray[np.int64]:
        return self.table["intended_ns"].to_numpy(dtype=np.int64)

    def of_each(self, latency: str) -> Floats:
        """A column of `table`: milliseconds, one entry for each arrival."""
        return self.table[latency].to_numpy(dtype=np.float64)

    def window(self, begin_ns: int, end_ns: int) -> WindowSeries:
        return WindowSeries(self, begin_ns, end_ns)


@dataclass(frozen=True, eq=False)
class WindowSeries:
    """The arrivals of a trial that were intended in [begin, end), which may be all of them."""

    trial: TrialSeries
    begin_ns: int
    end_ns: int

    @cached_property
    def inside(self) -> NDArray[np.bool_]:
        intended_ns = self.trial.intended_ns
        found: NDArray[np.bool_] = (intended_ns >= self.begin_ns) & (intended_ns < self.end_ns)
        return found

    def column(self, name: str) -> pd.Series:
        """A column of the history, of the arrivals inside."""
        return self.trial.history[name][self.inside]

    @cached_property
    def ended(self) -> dict[str, int]:
        """How many arrivals had which outcome; those that nobody had are missing."""
        return {str(outcome): int(number) for outcome, number in self.column("outcome").value_counts().items()}

    @property
    def offered(self) -> int:
        return int(self.inside.sum())

    def of_each(self, latency: str, service: str = "") -> Floats:
        """Milliseconds of each arrival, NaN where it has none; where a service is named, until its first effect."""
        return self.trial.of_each(f"{latency}:{service}" if service else latency)[self.inside]


def outstanding(
    history: pd.DataFrame, effects: pd.DataFrame, facts: TrialFacts, found: Applied | None = None
) -> pd.DataFrame:
    """How many registrations are outstanding after each event of one trial: columns `t_s`, `count`, exact.

    A registration is outstanding from its intended time to the later of its answer (or its timeout) and its last
    applied effect; a pending one to the end of the drain. One that was never sent never is: it was dropped, or nobody
    was there to connect to. `found` is what `Applied.of` these found, where it is known already.
    """
    sent = history["sent_ns"].notna().to_numpy()
    rows = history[sent]
    intended = floats(rows["intended_ns"])
    end = told_ns(rows, facts)
    last_ns = (found or Applied.of(history, effects, ())).any_last_ns[sent]
    end = np.where(last_ns == -NEVER, end, np.maximum(end, last_ns))
    pending = {id_ for ids in facts.pending.values() for id_ in ids}
    end = np.where(rows["registration_id"].isin(pending), np.maximum(end, facts.end_ns), end)

    times = np.concatenate([[0.0], intended, end])
    steps = np.concatenate([[0], np.ones(len(rows), dtype=np.int64), -np.ones(len(rows), dtype=np.int64)])
    # At the same instant, what ends goes first: a registration answered as the next arrives is not two.
    order = np.lexsort((steps, times))
    return pd.DataFrame({"t_s": times[order] / 1e9, "count": np.cumsum(steps[order])})


def told_ns(history: pd.DataFrame, facts: TrialFacts) -> Floats:
    """When each arrival had its answer, whatever it was, or ran into its timeout."""
    answered = floats(history["answered_ns"])
    return np.where(np.isnan(answered), floats(history["intended_ns"]) + facts.timeout_ms * NS_PER_MS, answered)
