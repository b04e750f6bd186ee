"""A trial as series: every latency of every arrival, what was outstanding when, and both over time.

Metrics fold over these. Charts draw what `benchmarks.analysis.overtime` makes of the stored rows.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.analysis.applied import NEVER, Applied
from benchmarks.analysis.history import TrialFacts

OUTCOMES = ("acked", "refused", "failed", "indeterminate", "dropped")
LATENCIES = ("accept_latency_ms", "reply_latency_ms", "service_time_ms", "schedule_delay_ms", "completion_latency_ms")

_NS_PER_MS = 1e6


def latencies(
    history: pd.DataFrame, effects: pd.DataFrame, services: Sequence[str], found: Applied | None = None
) -> pd.DataFrame:
    """Every latency of every arrival in milliseconds, NaN where it does not exist; one trial's frames or several's.

    `found` is what `Applied.of` these found, where it is known already.
    Columns: trial, variant, block, index, intended_ns, outcome, one per metric in `LATENCIES` (`accept_latency_ms`: of
    the acked only), and `completion_latency_ms:<service>`.
    """
    intended = _floats(history["intended_ns"])
    answered, sent = _floats(history["answered_ns"]), _floats(history["sent_ns"])
    # An answer has a status; a connection that was refused or cut has none.
    answered = np.where(history["status"].notna(), answered, np.nan)
    acked = (history["outcome"] == "acked").to_numpy(dtype=bool, na_value=False)
    reply_ms = (answered - intended) / _NS_PER_MS
    columns = {
        "accept_latency_ms": np.where(acked, reply_ms, np.nan),
        "reply_latency_ms": reply_ms,
        "service_time_ms": (answered - sent) / _NS_PER_MS,
        "schedule_delay_ms": (sent - intended) / _NS_PER_MS,
    }
    applied = first_applied(history, effects, services, found)
    by_service = {
        f"completion_latency_ms:{service}": (applied[:, column] - intended) / _NS_PER_MS
        for column, service in enumerate(services)
    }
    # The maximum is NaN where one effect is missing: that registration was never completed.
    columns["completion_latency_ms"] = (applied.max(axis=1, initial=-np.inf) - intended) / _NS_PER_MS
    head = history[["trial", "variant", "block", "index", "intended_ns", "outcome"]]
    return head.assign(**columns, **by_service).reset_index(drop=True)


def first_applied(
    history: pd.DataFrame, effects: pd.DataFrame, services: Sequence[str], found: Applied | None = None
) -> NDArray[np.float64]:
    """When each effect was first applied, scenario ns, shape (arrivals, services), NaN where it never was.

    `found` is what `Applied.of` these found, where it is known already.
    """
    first_ns = (found or Applied.of(history, effects, services)).first_ns
    return np.where(first_ns == NEVER, np.nan, first_ns)


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
    intended = _floats(rows["intended_ns"])
    answered = _floats(rows["answered_ns"])
    end = np.where(np.isnan(answered), intended + facts.timeout_ms * _NS_PER_MS, answered)
    last_ns = (found or Applied.of(history, effects, ())).any_last_ns[sent]
    end = np.where(last_ns == -NEVER, end, np.maximum(end, last_ns))
    pending = {id_ for ids in facts.pending.values() for id_ in ids}
    end = np.where(rows["registration_id"].isin(pending), np.maximum(end, facts.end_ns), end)

    times = np.concatenate([[0.0], intended, end])
    steps = np.concatenate([[0], np.ones(len(rows), dtype=np.int64), -np.ones(len(rows), dtype=np.int64)])
    # At the same instant, what ends goes first: a registration answered as the next arrives is not two.
    order = np.lexsort((steps, times))
    return pd.DataFrame({"t_s": times[order] / 1e9, "count": np.cumsum(steps[order])})


def lag_max(lag: pd.DataFrame | None) -> int | None:
    """The largest lag of any group at any sample after the warm-up; null without a sample."""
    if lag is None or lag.empty:
        return None
    counted = lag.loc[lag["t_ns"] >= 0, "lag"].dropna()
    return None if counted.empty else int(counted.max())


def _floats(times: pd.Series) -> NDArray[np.float64]:
    return times.to_numpy(dtype=np.float64, na_value=np.nan)
