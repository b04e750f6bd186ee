"""What several trials say together: estimates with intervals, verdicts, marks and outliers.

Replicates are whole trials, paired by block (Kalibera & Jones 2013, "Rigorous benchmarking in reasonable time"):
within a trial, latencies depend on each other, so their number says nothing about the certainty of a figure.

    ratio         log of each block's ratio  → mean, t interval → exp      (geometric mean of the ratios)
    difference    each block's difference    → mean, t interval
    one variant   each block's value, logs for latencies → mean, t interval
"""

from __future__ import annotations

import enum
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.special import stdtrit

from benchmarks.analysis.series import LATENCIES
from benchmarks.scenario.metric import Expectation, Metric

FEWEST_BLOCKS = 3
CONFIDENCE = 0.95
SURVIVORSHIP_LIMIT = 0.01  # a point of accept_ratio
# Latencies of those who got through: they look the better, the more gave up.
SURVIVOR_METRICS = ("accept_latency_ms", "reply_latency_ms", "service_time_ms", "completion_latency_ms")
_SHARES = ("accept_ratio", "slo_ratio")

# Ten standard deviations, as hyperfine has it; 1.4826 turns the median absolute deviation into one (Iglewicz & Hoaglin
# 1993, "How to detect and handle outliers").
OUTLIER_SCORE = 1.4826 * 10
# Of three values the middle two are often close by chance, which blows the score up: ask for a real distance, too.
OUTLIER_DISTANCE = 0.25

Kind = Literal["ratio", "difference", "variant"]
Interval = tuple[float, float]


class Verdict(enum.Enum):
    """What the interval says of the expectation; none at all is `None`."""

    CONFIRMED = "confirmed"
    REFUTED = "refuted"
    INCONCLUSIVE = "inconclusive"


@dataclass(frozen=True)
class Estimate:
    """An estimate over blocks. `interval` is null where there is none, and `reason` then says why.

    `per_block` holds each block's ratio, difference or value, null where it has none.
    """

    value: float | None
    interval: Interval | None
    per_block: tuple[float | None, ...]
    reason: str | None = None

    @property
    def blocks(self) -> int:
        return len(self.per_block)


def t_interval(values: Sequence[float], confidence: float = CONFIDENCE) -> Interval:
    """Student's t interval of the mean of at least two values."""
    n = len(values)
    if n < 2:
        raise ValueError(f"an interval needs at least two values, not {n}")
    mean = float(np.mean(values))
    half = float(stdtrit(n - 1, (1 + confidence) / 2)) * float(np.std(values, ddof=1)) / math.sqrt(n)
    return mean - half, mean + half


def estimate(kind: Kind, metric: str, first: Sequence[float | None], second: Sequence[float | None] = ()) -> Estimate:
    """The estimate for one metric's figures, block by block; `second` is what `first` is compared with.

    With `variant`, `second` is not used. Shares stay within what a share can be.
    """
    if kind == "variant":
        per_block = list(first)
    else:
        combine = _ratio if kind == "ratio" else _difference
        per_block = [combine(a, b) for a, b in zip(first, second, strict=True)]
    known = [value for value in per_block if value is not None]
    missing = len(per_block) - len(known)
    if missing:
        what = "no ratio" if kind == "ratio" else "no figure"
        reason = f"{missing} of {len(per_block)} blocks have {what} for {metric}" + (
            ": a side's figure is missing or zero" if kind == "ratio" else ""
        )
        return Estimate(None, None, tuple(per_block), reason)
    if not known:
        return Estimate(None, None, (), "no block was measured on both sides")
    logs = kind == "ratio" or (kind == "variant" and metric.startswith(LATENCIES) and min(known) > 0)
    scaled = [math.log(value) for value in known] if logs else known
    back = math.exp if logs else float
    value = back(float(np.mean(scaled)))
    if len(known) < FEWEST_BLOCKS:
        return Estimate(
            value, None, tuple(per_block), f"{len(known)} of at least {FEWEST_BLOCKS} blocks: no interval, no verdict"
        )
    low, high = t_interval(scaled)
    least, most = _space(kind, metric)
    return Estimate(value, (max(back(low), least), min(back(high), most)), tuple(per_block))


def _ratio(first: float | None, second: float | None) -> float | None:
    if first is None or second is None or first <= 0 or second <= 0:
        return None
    return first / second


def _difference(first: float | None, second: float | None) -> float | None:
    return None if first is None or second is None else first - second


def _space(kind: Kind, metric: str) -> Interval:
    """The least and the greatest value there can be: an interval that leaves it says nothing more."""
    if kind == "ratio" or not metric.startswith(_SHARES):
        return -math.inf, math.inf
    return (-1.0, 1.0) if kind == "difference" else (0.0, 1.0)


def judge(found: Estimate, expect: Expectation) -> tuple[Verdict | None, str]:
    """The verdict and one sentence that says where it comes from."""
    if found.interval is None:
        return None, found.reason or "there is no interval"
    low, high = found.interval
    same = " (every block gave the same value)" if low == high else ""
    span = f"the 95 % interval {_figure(low)} to {_figure(high)}{same}"
    if _all_satisfy(expect, low, high):
        return Verdict.CONFIRMED, f"all of {span} is {expect}"
    if _all_violate(expect, low, high):
        return Verdict.REFUTED, f"none of {span} is {expect}"
    return Verdict.INCONCLUSIVE, f"{span} holds values that are {expect} and others that are not; more blocks narrow it"


def _all_satisfy(expect: Expectation, low: float, high: float) -> bool:
    # Each comparison holds for all values between two at which it holds, `==` too, since both ends then are the bound.
    return expect.holds(low) and expect.holds(high)


def _all_violate(expect: Expectation, low: float, high: float) -> bool:
    if expect.op == "==":
        return not low <= expect.bound <= high
    return not expect.holds(low) and not expect.holds(high)


def combine(verdicts: Sequence[Verdict | None]) -> Verdict | None:
    """The verdict on `all` of several parts: one refuted part refutes, else the least certain decides."""
    if Verdict.REFUTED in verdicts:
        return Verdict.REFUTED
    if None in verdicts or not verdicts:
        return None
    return Verdict.INCONCLUSIVE if Verdict.INCONCLUSIVE in verdicts else Verdict.CONFIRMED


def survivorship(metric: Metric, first_ratio: float | None, second_ratio: float | None) -> str | None:
    """Why a latency comparison is none, or null. The ratios are the sides' `accept_ratio` in the metric's window."""
    if metric.name not in SURVIVOR_METRICS or first_ratio is None or second_ratio is None:
        return None
    # Rounded, so that 0.98 against 0.97 is a point and not, in binary, a little more than one.
    gap = round(abs(first_ratio - second_ratio), 9)
    if gap <= SURVIVORSHIP_LIMIT:
        return None
    return (
        f"survivorship: accept_ratio is {_figure(first_ratio)} against {_figure(second_ratio)}, so the latencies are "
        "those of different people; slo_ratio counts everyone"
    )


def mark(kind: Kind, found: Estimate) -> str | None:
    """`?` where the interval spans no effect and has a width: noise could be all there is."""
    if found.interval is None or found.interval[0] == found.interval[1]:
        return None
    nothing = 1.0 if kind == "ratio" else 0.0
    return "?" if found.interval[0] <= nothing <= found.interval[1] else None


def outliers(values: Sequence[float | None]) -> list[int]:
    """The places of the values far from the others: modified z-score above 14.8, and a quarter off the median."""
    known = np.array([math.nan if value is None else value for value in values], dtype=np.float64)
    if np.count_nonzero(~np.isnan(known)) < FEWEST_BLOCKS:
        return []
    median = float(np.nanmedian(known))
    distance = np.abs(known - median)
    spread = max(float(np.nanmedian(distance)), float(np.finfo(np.float64).eps))
    far = (distance / spread > OUTLIER_SCORE) & (distance > OUTLIER_DISTANCE * abs(median))
    return [int(place) for place in np.flatnonzero(far)]


def lookup(figures: Mapping[str, object], metric: Metric) -> float | None:
    """The figure of `metric` in one variant's (or trial's) part of the summary; null where it has none.

    `rss_mb_max` is the sum over the processes.
    """
    part: object = figures
    if metric.window is not None:
        part = _step(_step(part, "windows"), metric.window)
    part = _step(part, metric.name)
    if metric.service is not None:
        part = _step(_step(part, "by_service"), metric.service)
    if metric.stat is not None:
        part = _step(part, metric.stat)
    if metric.name == "rss_mb_max" and isinstance(part, Mapping):
        part = sum(float(value) for value in part.values()) if part else None
    return float(part) if isinstance(part, (int, float)) else None


def _step(part: object, key: str) -> object:
    return part.get(key) if isinstance(part, Mapping) else None


def _figure(value: float) -> str:
    return f"{value:.3g}"
