"""What a trial took of the machine, and what others took of it: shares of time from the samples of a trial.

    resources (t_ns, process, cpu_ms) → share of a core, or of all cores, over a span

Which share is too much is for `validity` to say.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.trial_result import BUSY, PRESSURE, STEAL

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
    if uses_broker and not (resources["process"] == _BROKER).any():
        return None
    t_s, busy_s = _samples(resources, BUSY, begin_ns, end_ns)
    if len(t_s) < 2:
        return None
    mine = resources[~resources["process"].isin(_OF_THE_MACHINE)]
    by_process = mine.pivot_table(index="t_ns", columns="process", values="cpu_ms", aggfunc="last")
    # One that was ended by a fault has no samples until it is back; it took nothing meanwhile.
    own_ms = by_process.reindex(np.round(t_s * 1e9).astype(np.int64)).ffill().bfill().sum(axis=1)
    return _largest(t_s, busy_s - own_ms.to_numpy(dtype=np.float64) / 1e3, span_s)


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
    # Each sample is the begin of a span that ends at the first sample `span_s` later, or a little less far: samples
    # are never exactly that far apart.
    span_s = min(span_s, t_s[-1] - t_s[0])
    first = np.flatnonzero(t_s + span_s <= t_s[-1] + 1e-9)
    last = np.minimum(np.searchsorted(t_s, t_s[first] + span_s - 1e-9), len(t_s) - 1)
    shares = (total_s[last] - total_s[first]) / (t_s[last] - t_s[first])
    most = int(np.argmax(shares))
    return Share(float(shares[most]), float(t_s[first[most]]), float(t_s[last[most]] - t_s[first[most]]))
