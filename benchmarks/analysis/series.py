"""A trial as series: every latency of every arrival, what was outstanding when. Metrics fold over these.

history, effects → Arrivals → latencies ─┐
                            outstanding ─┴→ TrialSeries → WindowSeries: the arrivals intended in it
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.analysis.applied import NEVER, Applied
from benchmarks.analysis.arrivals import NS_PER_MS, Arrivals, Floats, floats
from benchmarks.analysis.history import TrialFacts
from benchmarks.analysis.reconcile import Endings
from benchmarks.analysis.recovery import Recovery
from benchmarks.metrics import METRICS
from benchmarks.scenario.model import Slo

LATENCIES = {definition.name: definition.each for definition in METRICS if definition.each is not None}


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


def latencies(
    history: pd.DataFrame, effects: pd.DataFrame, services: Sequence[str], found: Applied | None = None
) -> pd.DataFrame:
    """Every latency of every arrival in milliseconds, NaN where it does not exist; one trial's frames or several's.

    Columns: trial, variant, block, index, intended_ns, outcome, one per metric that is a latency, and
    `completion_latency_ms:<service>`.
    """
    arrivals = Arrivals(history, effects, services, found)
    columns = {name: each(arrivals) for name, each in LATENCIES.items()}
    done_ms = arrivals.done_ms()
    by_service = {f"completion_latency_ms:{service}": done_ms[:, at] for at, service in enumerate(services)}
    head = history[["trial", "variant", "block", "index", "intended_ns", "outcome"]]
    return head.assign(**columns, **by_service).reset_index(drop=True)


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
    answered = floats(rows["answered_ns"])
    end = np.where(np.isnan(answered), intended + facts.timeout_ms * NS_PER_MS, answered)
    last_ns = (found or Applied.of(history, effects, ())).any_last_ns[sent]
    end = np.where(last_ns == -NEVER, end, np.maximum(end, last_ns))
    pending = {id_ for ids in facts.pending.values() for id_ in ids}
    end = np.where(rows["registration_id"].isin(pending), np.maximum(end, facts.end_ns), end)

    times = np.concatenate([[0.0], intended, end])
    steps = np.concatenate([[0], np.ones(len(rows), dtype=np.int64), -np.ones(len(rows), dtype=np.int64)])
    # At the same instant, what ends goes first: a registration answered as the next arrives is not two.
    order = np.lexsort((steps, times))
    return pd.DataFrame({"t_s": times[order] / 1e9, "count": np.cumsum(steps[order])})
