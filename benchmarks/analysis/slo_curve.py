"""How many of a window's registrations would have met other SLOs: a verdict's reach is read from it.

Counted while a trial's rows are at hand, so that none of them have to stay.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.metrics.series import WindowSeries

# A tenth of a millisecond to a quarter of an hour in steps of 3 %, as three digits write them.
CANDIDATES_MS = np.array([float(f"{value:.3g}") for value in 0.1 * 1.03 ** np.arange(543)])


@dataclass(frozen=True, eq=False)
class SloCurve:
    """One window of one trial. `by_accept`, `by_complete`: registrations within the SLO if that bound were each of
    `CANDIDATES_MS`, the other as it is. `late`: complete, after `slo.complete`.
    """

    offered: int
    by_accept: NDArray[np.int64]
    by_complete: NDArray[np.int64]
    late: int

    @classmethod
    def of(cls, window: WindowSeries) -> SloCurve:
        slo = window.trial.slo
        accept, complete = (window.of_each(f"{time}_latency_ms") for time in ("accept", "completion"))
        return cls(
            window.offered,
            _counted(accept[complete <= slo.complete_ms]),
            _counted(complete[accept <= slo.accept_ms]),
            int((complete > slo.complete_ms).sum()),
        )


def _counted(latencies_ms: NDArray[np.float64]) -> NDArray[np.int64]:
    """How many are within each candidate; NaN, a time that does not exist, is within none."""
    return np.searchsorted(np.sort(latencies_ms), CANDIDATES_MS, side="right").astype(np.int64)
