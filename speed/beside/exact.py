"""What must be true of a run, from the schedule and what the server saw: pure figures, int64 ns throughout."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Times = NDArray[np.int64]

_BACKLOG_GAPS = 100


def evenly(rate_per_s: float, count: int) -> Times:
    """The times of `count` arrivals at a constant rate, shape (count,), the first at 0."""
    return np.round(np.arange(count) * (1e9 / rate_per_s)).astype(np.int64)


def fitted_delays_ms(seen_ns: Times, schedule_ns: Times) -> NDArray[np.float64]:
    """How late each arrival came, shape (n,), when nobody says at what time the schedule began.

    The k-th arrival seen is held against the k-th of the schedule, and the most punctual one counts as on time. So what
    all arrivals share (the way to the server, a constant lateness) is left out, for every tool alike.
    """
    late_ns = np.sort(seen_ns) - schedule_ns[: len(seen_ns)]
    return np.asarray((late_ns - late_ns.min()) / 1e6)


def fitted_begin_ns(seen_ns: Times, schedule_ns: Times) -> int:
    """When the schedule began, by the same reading."""
    count = min(len(seen_ns), len(schedule_ns))
    return int((np.sort(seen_ns)[:count] - schedule_ns[:count]).min())


def backlog_gap_ns(seen_ns: Times, thawed_ns: int) -> int:
    """The server's time per request while it works off what had waited: the median gap after it woke."""
    after_ns = np.sort(seen_ns[seen_ns >= thawed_ns])[: _BACKLOG_GAPS + 1]
    return int(np.median(np.diff(after_ns)))


def frozen_latencies_ms(arrivals_ns: Times, frozen_ns: int, thawed_ns: int, service_ns: int) -> NDArray[np.float64]:
    """The latency of each arrival at one server that is first come, first served, and stands still for a while.

    Shape (n,), in order of `arrivals_ns`. Lindley's recursion, done_k = max(ready_k, done_k-1) + service, written out:
    an arrival during the freeze is ready at its end.
    """
    number = np.arange(len(arrivals_ns))
    ready_ns = np.where((arrivals_ns >= frozen_ns) & (arrivals_ns < thawed_ns), thawed_ns, arrivals_ns)
    done_ns = service_ns * (number + 1) + np.maximum.accumulate(ready_ns - service_ns * number)
    return np.asarray((done_ns - arrivals_ns) / 1e6)
