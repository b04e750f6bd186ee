"""Recovery: how long after the heal a trial was again as it had been before the fault (`docs/measurement.md`).

arrivals that were over before the fault → p95; the worst second's share slower or not acked, and not acked ─┐
seconds before the fault                 → the most outstanding ─────────────────────────────────────────────┴→ limits
seconds after the heal                   → the first time from which five in a row keep all three
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import betaln, gammaln, pdtr

from benchmarks.metrics.arrivals import Floats
from benchmarks.metrics.series import Recovery
from benchmarks.words.numbers import milliseconds

LASTING_S = 5  # seconds in a row that must be as before
CERTAINTY = 0.999  # of a second that is as before, to keep a limit

_SECOND_NS = 1_000_000_000
# Stretches are tried from every tenth of a second after the heal on: that is how finely a recovery is measured.
_STEP_NS = 100_000_000
_STEPS_PER_SECOND = _SECOND_NS // _STEP_NS


@dataclass(frozen=True)
class _Seconds:
    """What happened in some seconds, one entry each: arrivals, those of them that were slow or not accepted, those that
    were not accepted, and how many were outstanding on average.
    """

    arrivals: NDArray[np.int64]
    slow: NDArray[np.int64]
    failed: NDArray[np.int64]
    outstanding: Floats

    @classmethod
    def of(
        cls, table: pd.DataFrame, p95_ms: float, outstanding: pd.DataFrame, starts_ns: NDArray[np.int64]
    ) -> _Seconds:
        """The seconds that begin at `starts_ns`, in any order; they may overlap."""
        ordered = table.sort_values("intended_ns")
        intended_ns, accept_ms = (ordered[name].to_numpy() for name in ("intended_ns", "accept_latency_ms"))
        first, last = (np.searchsorted(intended_ns, at_ns) for at_ns in (starts_ns, starts_ns + _SECOND_NS))
        # A latency that does not exist is not at most the limit, either.
        slow, failed = (
            np.concatenate([[0], np.cumsum(these)]) for these in (~(accept_ms <= p95_ms), np.isnan(accept_ms))
        )
        starts_s = starts_ns / 1e9
        return cls(
            last - first,
            slow[last] - slow[first],
            failed[last] - failed[first],
            _area(outstanding, starts_s + 1) - _area(outstanding, starts_s),
        )


def _area(steps: pd.DataFrame, until_s: Floats) -> Floats:
    """Below a series of steps (`t_s`, `count`), from its start to each of these times."""
    t_s, count = (steps[name].to_numpy(dtype=np.float64) for name in ("t_s", "count"))
    areas = np.concatenate([[0.0], np.cumsum(np.diff(t_s) * count[:-1])])
    at = np.maximum(np.searchsorted(t_s, until_s, side="right") - 1, 0)
    below: Floats = areas[at] + count[at] * np.maximum(until_s - t_s[at], 0)
    return below


@dataclass(frozen=True)
class _Baseline:
    """How it was before the fault. Of `arrivals`, as many were `slow`, or `failed`, as would have been if every second
    had been the worst; `outstanding` is that of the busiest.
    """

    p95_ms: float
    arrivals: int
    slow: int
    failed: int
    outstanding: float

    @classmethod
    def of(cls, seconds: _Seconds, p95_ms: float, arrivals: int) -> _Baseline:
        slow, failed = (
            math.ceil(arrivals * float(np.max(bad / np.maximum(seconds.arrivals, 1))))
            for bad in (seconds.slow, seconds.failed)
        )
        return cls(p95_ms, arrivals, slow, failed, float(seconds.outstanding.max()))

    def limits(self, arrivals: int) -> tuple[int, int, int]:
        """The most of a second with so many arrivals: slow, failed, outstanding."""
        slow, failed = (most_among(arrivals, bad, self.arrivals) for bad in (self.slow, self.failed))
        return slow, failed, most_of_poisson(self.outstanding)

    def kept_by(self, seconds: _Seconds) -> NDArray[np.bool_]:
        """Which seconds are as before."""
        limits = np.array([self.limits(int(number)) for number in seconds.arrivals])
        found = np.stack([seconds.slow, seconds.failed, seconds.outstanding], axis=1)
        kept: NDArray[np.bool_] = np.logical_and.reduce(found <= limits, axis=1)
        return kept

    def broken_by(self, seconds: _Seconds, place: int) -> str:
        """What one second exceeds, in words; empty where it keeps within all limits."""
        arrivals = int(seconds.arrivals[place])
        found = (seconds.slow[place], seconds.failed[place], seconds.outstanding[place])
        words = (
            f"{{:.0f}} of {arrivals} slower than {milliseconds(self.p95_ms)} or not accepted",
            f"{{:.0f}} of {arrivals} not accepted",
            "{:.0f} outstanding",
        )
        every = zip(words, found, self.limits(arrivals), strict=True)
        return ", ".join(f"{text.format(of)} (limit {limit})" for text, of, limit in every if of > limit)


@cache
def most_among(number: int, bad: int, seen: int) -> int:
    """The most bad ones among `number` new arrivals that chance allows, where `bad` of `seen` were.

    The 99.9 % limit of a binomial whose share is known from those seen alone. For the arrivals above one of their own
    order statistics it is exact, whatever the distribution (beta-binomial: Guttman 1970, "Statistical tolerance
    regions").
    """
    if bad >= seen:
        return number
    found = np.arange(number + 1)
    ways = gammaln(number + 1) - gammaln(found + 1) - gammaln(number - found + 1)
    shares = betaln(found + bad + 1, number - found + seen - bad) - betaln(bad + 1, seen - bad)
    reached = np.cumsum(np.exp(ways + shares)) >= CERTAINTY
    return int(np.argmax(reached)) if reached.any() else number


@cache
def most_of_poisson(mean: float) -> int:
    """The 99.9 % limit of a Poisson number."""
    numbers = np.arange(int(mean + 10 * np.sqrt(mean) + 20))
    return int(np.argmax(pdtr(numbers, mean) >= CERTAINTY))


def recovery(
    table: pd.DataFrame, told_ns: Floats, outstanding: pd.DataFrame, *, fault_ns: int, heal_ns: int, end_ns: int
) -> Recovery:
    """Judge one trial, faulted first at `fault_ns` and healed for the last time at `heal_ns`, whose load ended at
    `end_ns`.

    `table` is what `latencies` returns, `told_ns` and `outstanding` what the functions of these names in `series` do.
    Latency is the accept latency, by intended time.
    """
    before_ns = np.arange(fault_ns - _SECOND_NS, -1, -_SECOND_NS, dtype=np.int64)
    # What the fault found in hand may have met it: that is neither before nor after.
    over = table[told_ns < fault_ns]
    if not len(before_ns) or over["accept_latency_ms"].isna().all():
        what = "nobody was accepted" if len(before_ns) else "there is no whole second"
        return Recovery(reason=f"recovery unknown: {what} before the fault to compare with; let the fault begin later")
    left_s = (end_ns - heal_ns) / 1e9
    if left_s < LASTING_S:
        return Recovery(
            reason=f"recovery not observed long enough: {left_s:.3g} s are left after the heal, {LASTING_S} are "
            "needed; use a longer duration"
        )
    p95_ms = float(over["accept_latency_ms"].quantile(0.95))
    before = _Baseline.of(_Seconds.of(over, p95_ms, outstanding, before_ns), p95_ms, len(over))
    starts_ns = np.arange(heal_ns, end_ns - _SECOND_NS + 1, _STEP_NS, dtype=np.int64)
    after = _Seconds.of(table, p95_ms, outstanding, starts_ns)
    kept = before.kept_by(after)
    tries = len(starts_ns) - (LASTING_S - 1) * _STEPS_PER_SECOND
    lasting = np.all([kept[n * _STEPS_PER_SECOND :][:tries] for n in range(LASTING_S)], axis=0)
    if lasting.any():
        return Recovery(float(starts_ns[int(np.argmax(lasting))] - heal_ns) / 1e9, recovered=True)
    text = f"not recovered within {left_s:,.0f} s after the heal"
    good = int(np.argmin(kept[::-_STEPS_PER_SECOND]))  # whole seconds, from the end of the load backwards
    if good:
        why = f"only the last {good} s were as before the fault; use a longer duration to see whether that lasts"
    else:
        why = f"in the last second {before.broken_by(after, -1)}"
    return Recovery(recovered=False, reason=f"{text}: {why}")
