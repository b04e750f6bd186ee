"""Recovery: how long after the heal a trial was again as it had been before the fault (`docs/measurement.md`).

each second before the fault → the largest p95, outstanding and errors → limits
seconds after the heal       → the first time from which five in a row keep all three
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.metrics.series import Recovery

LASTING_S = 5  # seconds in a row that must be as before
FACTOR = 1.5  # of the largest before the fault
SLACK_P95_MS = 5.0
SLACK_OUTSTANDING = 5.0
SLACK_ERRORS = 2.0

_SECOND_NS = 1_000_000_000
# Stretches are tried from every tenth of a second after the heal on: that is how finely a recovery is told.
_STEP_NS = 100_000_000
_STEPS_PER_SECOND = _SECOND_NS // _STEP_NS


@dataclass(frozen=True)
class _Seconds:
    """What happened in some seconds, one entry each; the p95 is NaN where nobody was accepted."""

    p95_ms: NDArray[np.float64]
    outstanding: NDArray[np.float64]
    errors: NDArray[np.float64]


@dataclass(frozen=True)
class _Limits:
    """What a second must keep to be as before."""

    p95_ms: float
    outstanding: float
    errors: float

    def kept_by(self, seconds: _Seconds) -> NDArray[np.bool_]:
        # A second in which nobody was accepted has no p95 to exceed a limit; its errors speak for it.
        slow = seconds.p95_ms > self.p95_ms
        kept: NDArray[np.bool_] = ~slow & (seconds.outstanding <= self.outstanding) & (seconds.errors <= self.errors)
        return kept

    def broken_by(self, seconds: _Seconds, place: int) -> str:
        """What one second exceeds, in words; empty where it keeps all."""
        figures = (
            (seconds.p95_ms, self.p95_ms, "p95 {:.3g} ms (limit {:.3g} ms)"),
            (seconds.outstanding, self.outstanding, "outstanding {:.0f} (limit {:g})"),
            (seconds.errors, self.errors, "{:.0f} errors (limit {:g})"),
        )
        return ", ".join(text.format(of[place], limit) for of, limit, text in figures if of[place] > limit)


def recovery(table: pd.DataFrame, outstanding: pd.DataFrame, *, fault_ns: int, heal_ns: int, end_ns: int) -> Recovery:
    """Judge one trial, faulted first at `fault_ns` and healed at `heal_ns`, whose load ended at `end_ns`.

    `table` is what `series.latencies` returns, `outstanding` what `series.outstanding` does. Latency is the accept
    latency, by intended time; an error is an arrival that was not acked.
    """
    before_ns = np.arange(fault_ns - _SECOND_NS, -1, -_SECOND_NS, dtype=np.int64)
    before = _seconds(table, outstanding, before_ns)
    if not len(before_ns) or np.isnan(before.p95_ms).all():
        what = "nobody was accepted" if len(before_ns) else "there is no whole second"
        return Recovery(reason=f"recovery unknown: {what} before the fault to compare with; let the fault begin later")
    limits = _Limits(
        FACTOR * float(np.nanmax(before.p95_ms)) + SLACK_P95_MS,
        FACTOR * float(before.outstanding.max()) + SLACK_OUTSTANDING,
        float(before.errors.max()) + SLACK_ERRORS,
    )
    left_s = (end_ns - heal_ns) / 1e9
    if left_s < LASTING_S:
        return Recovery(
            reason=f"recovery not observed long enough: {left_s:.3g} s are left after the heal, {LASTING_S} are "
            "needed; use a longer duration"
        )
    starts_ns = np.arange(heal_ns, end_ns - _SECOND_NS + 1, _STEP_NS, dtype=np.int64)
    after = _seconds(table, outstanding, starts_ns)
    kept = limits.kept_by(after)
    tries = len(starts_ns) - (LASTING_S - 1) * _STEPS_PER_SECOND
    lasting = np.all([kept[n * _STEPS_PER_SECOND :][:tries] for n in range(LASTING_S)], axis=0)
    if lasting.any():
        return Recovery(float(starts_ns[int(np.argmax(lasting))] - heal_ns) / 1e9, recovered=True)
    text = f"not recovered within {left_s:.3g} s after the heal"
    good = int(np.argmin(kept[::-_STEPS_PER_SECOND]))  # whole seconds, from the end of the load backwards
    if good:
        why = f"only the last {good} s were as before the fault; use a longer duration to see whether that lasts"
    else:
        why = f"in the last second {limits.broken_by(after, -1)}"
    return Recovery(recovered=False, reason=f"{text}: {why}")


def _seconds(table: pd.DataFrame, outstanding: pd.DataFrame, starts_ns: NDArray[np.int64]) -> _Seconds:
    """The seconds that begin at `starts_ns`, in any order; they may overlap."""
    intended = table["intended_ns"].to_numpy(dtype=np.int64)
    order = np.argsort(intended, kind="stable")
    intended = intended[order]
    accept_ms = table["accept_latency_ms"].to_numpy(dtype=np.float64)[order]
    error = (~(table["outcome"] == "acked").fillna(False).to_numpy(dtype=bool))[order]
    errors_before = np.concatenate([[0], np.cumsum(error)])
    first, last = (np.searchsorted(intended, edge) for edge in (starts_ns, starts_ns + _SECOND_NS))
    t_s = outstanding["t_s"].to_numpy(dtype=np.float64)
    count = outstanding["count"].to_numpy(dtype=np.float64)
    # The step that is on as the second begins counts, too.
    step = np.maximum(np.searchsorted(t_s, starts_ns / 1e9, side="right") - 1, 0)
    step_end = np.maximum(np.searchsorted(t_s, (starts_ns + _SECOND_NS) / 1e9), step + 1)
    return _Seconds(
        p95_ms=np.array([_p95(accept_ms[a:b]) for a, b in zip(first, last, strict=True)], dtype=np.float64),
        outstanding=np.array([count[a:b].max() for a, b in zip(step, step_end, strict=True)], dtype=np.float64),
        errors=(errors_before[last] - errors_before[first]).astype(np.float64),
    )


def _p95(values_ms: NDArray[np.float64]) -> float:
    known = values_ms[~np.isnan(values_ms)]
    return float(np.quantile(known, 0.95)) if known.size else float("nan")
