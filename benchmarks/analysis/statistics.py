"""What several trials say together: estimates with intervals, marks and outliers.

Replicates are whole trials, paired by block (Kalibera & Jones 2013, "Rigorous benchmarking in reasonable time"):
within a trial, latencies depend on each other, so their number says nothing about the certainty of a figure.

    ratio         log of each block's ratio  → mean, t interval → exp      (geometric mean of the ratios)
    difference    each block's difference    → mean, t interval
    one variant   each block's value, logs for latencies → mean, t interval
    unpaired      two runs of other seeds: logs (or values) of each side → difference of the means, Welch's interval
    of shares     the hull of that interval and what their counts alone leave possible (`shares.py`)

The page about it is `docs/statistics.md`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from scipy.special import stdtr, stdtrit

from benchmarks.analysis.shares import Count, interval_of, p_of
from benchmarks.analysis.summary_model import Interval
from benchmarks.metrics import DEFINITIONS
from benchmarks.metrics.definition import Nature
from benchmarks.scenario.hypothesis import EstimateKind
from benchmarks.values.confidence import CONFIDENCE, FEWEST_BLOCKS

# Ten standard deviations, as in hyperfine; 1.4826 turns the median absolute deviation into one (Iglewicz & Hoaglin
# 1993, "How to detect and handle outliers").
OUTLIER_SCORE = 1.4826 * 10
# Of three values the middle two are often close by chance, which blows the score up: ask for a real distance, too.
OUTLIER_DISTANCE = 0.25


@dataclass(frozen=True)
class Estimate:
    """An estimate over blocks. `interval` is null where there is none, and `reason` then says why.

    `per_block` holds each block's ratio, difference or value, null where it has none. `p` is that of the t test that
    there is no effect, null for one variant, which is compared with nothing. `bracket`: the estimate at both ends of a
    disturbance, null without one; the interval then covers both.
    """

    value: float | None
    interval: Interval | None
    per_block: tuple[float | None, ...]
    reason: str | None = None
    p: float | None = None
    bracket: Interval | None = None

    @property
    def blocks(self) -> int:
        return len(self.per_block)

    @property
    def all_equal(self) -> bool:
        return len(set(self.per_block)) == 1


def t_interval(values: Sequence[float], confidence: float = CONFIDENCE) -> Interval:
    """Student's t interval of the mean of at least two values."""
    n = len(values)
    if n < 2:
        raise ValueError(f"an interval needs at least two values, not {n}")
    return t_interval_of(float(np.mean(values)), _standard_error(values), n - 1, confidence)


def t_interval_of(mean: float, standard_error: float, freedom: float, confidence: float = CONFIDENCE) -> Interval:
    """Student's t interval around a mean, from its standard error and degrees of freedom, which may be fractional."""
    half = float(stdtrit(freedom, (1 + confidence) / 2)) * standard_error
    return mean - half, mean + half


def t_test(mean: float, standard_error: float, freedom: float) -> float:
    """The two-sided p of a mean of zero. Without any spread 1 for zero, and 0, the limit of t, for all else."""
    if standard_error == 0:
        return 1.0 if mean == 0 else 0.0
    return 2 * float(stdtr(freedom, -abs(mean / standard_error)))


def _standard_error(values: Sequence[float]) -> float:
    # Equal values have a mean that can be off by a rounding, and so a tiny spread.
    return 0.0 if min(values) == max(values) else float(np.std(values, ddof=1)) / math.sqrt(len(values))


def holm(ps: Sequence[float | None]) -> list[float | None]:
    """The p values of a family, corrected for their number; null stays null and counts for nothing.

    Holm 1979, "A simple sequentially rejective multiple test procedure": the k-th smallest of m is multiplied by
    m - k + 1, and none is smaller than one before it.
    """
    places = sorted((p, place) for place, p in enumerate(ps) if p is not None)
    corrected: list[float | None] = [None] * len(ps)
    largest = 0.0
    for rank, (p, place) in enumerate(places):
        largest = max(largest, min(1.0, (len(places) - rank) * p))
        corrected[place] = largest
    return corrected


def estimate(
    kind: EstimateKind,
    metric: str,
    first: Sequence[float | None],
    second: Sequence[float | None] = (),
    counts: Sequence[Count] = (),
) -> Estimate:
    """The estimate for one metric's figures, block by block; `second` is what `first` is compared with.

    With `variant`, `second` is not used. Shares stay within what a share can be. `counts` are what each side's share
    was made of, over all blocks: the interval is then no narrower than theirs.
    """
    if kind == "variant":
        per_block = [None if value is None or not math.isfinite(value) else value for value in first]
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
    logs = _on_logs(kind, metric, known)
    scaled = [math.log(value) for value in known] if logs else known
    value = _back(float(np.mean(scaled)), logs)
    if len(known) < FEWEST_BLOCKS:
        return Estimate(
            value, None, tuple(per_block), f"{len(known)} of at least {FEWEST_BLOCKS} blocks: no interval, no verdict"
        )
    p = None if kind == "variant" else t_test(float(np.mean(scaled)), _standard_error(scaled), len(scaled) - 1)
    interval, p = _hull(t_interval(scaled), p, counts, logs=logs)
    return Estimate(value, _bounded(interval, kind, metric, logs), tuple(per_block), p=p)


def estimate_unpaired(
    kind: Literal["ratio", "difference"],
    metric: str,
    first: Sequence[float | None],
    second: Sequence[float | None],
    counts: Sequence[Count] = (),
) -> Estimate:
    """The estimate for sides whose blocks have nothing in common, such as those of two runs with other seeds.

    The interval and the p are Welch's (1947, "The generalization of 'Student's' problem when several different
    population variances are involved"), whose sides may vary differently; with no pairs `per_block` is empty.
    `counts` as in `estimate`.
    """
    sides = [[value for value in side if value is not None] for side in (first, second)]
    missing = len(first) + len(second) - sum(map(len, sides))
    logs = kind == "ratio"
    if missing or not all(sides) or (logs and min(map(min, sides)) <= 0):
        return Estimate(None, None, (), f"a block of {metric} has no figure" + (", or a zero" if logs else ""))
    scaled = [[math.log(value) for value in side] if logs else side for side in sides]
    mean = float(np.mean(scaled[0]) - np.mean(scaled[1]))
    if min(map(len, scaled)) < FEWEST_BLOCKS:
        fewest = min(map(len, scaled))
        return Estimate(
            _back(mean, logs), None, (), f"{fewest} of at least {FEWEST_BLOCKS} blocks: no interval, no verdict"
        )
    squares = [_standard_error(side) ** 2 for side in scaled]
    if all(min(side) == max(side) for side in scaled):
        mean = scaled[0][0] - scaled[1][0]  # without the rounding of a mean
    error = math.sqrt(sum(squares))
    # Welch–Satterthwaite; without any spread it does not matter.
    parts = sum(square**2 / (len(side) - 1) for square, side in zip(squares, scaled, strict=True))
    freedom = sum(squares) ** 2 / parts if parts else 1.0
    interval, p = _hull(t_interval_of(mean, error, freedom), t_test(mean, error, freedom), counts, logs=logs)
    return Estimate(_back(mean, logs), _bounded(interval, kind, metric, logs), (), p=p)


def _hull(interval: Interval, p: float | None, counts: Sequence[Count], *, logs: bool) -> tuple[Interval, float | None]:
    """The interval and the p, no narrower and no smaller than those of the counts, where there are any.

    Few blocks can agree by chance, and their own spread then says nothing of how far chance goes.
    """
    if not counts or (logs and not all(count.part for count in counts)):
        return interval, p
    exact = interval_of(counts, CONFIDENCE, logs=logs)
    ends = min(interval[0], exact[0]), max(interval[1], exact[1])
    return ends, None if p is None else max(p, p_of(counts, logs=logs))


def bracketed(kind: EstimateKind, measured: Estimate, lowest: Estimate, highest: Estimate) -> Estimate:
    """`measured` under a disturbance: the interval from the lower limit over the lowest comparisons of the blocks to
    the upper limit over the highest (Imbens & Manski 2004, "Confidence intervals for partially identified parameters",
    conservative).

    The lowest comparison sets the first side's low against the second's high. Where an end is not bounded, as with a
    ratio to what may be nothing, there is no interval.
    """
    if measured.interval is None:
        return measured
    if lowest.interval is None and kind == "ratio":
        lowest = Estimate(0.0, (0.0, 0.0), (), p=0.0)  # such as one to something that is predicted to take no time
    if lowest.interval is None or highest.interval is None or lowest.value is None or highest.value is None:
        return replace(measured, interval=None, p=None, reason="disturbed: the prediction does not bound this figure")
    low = min(lowest.interval[0], measured.interval[0])
    high = max(highest.interval[1], measured.interval[1])
    nothing = 1.0 if kind == "ratio" else 0.0
    ps = [each.p for each in (measured, lowest, highest) if each.p is not None]
    p = None if measured.p is None else 1.0 if low <= nothing <= high else max(ps)
    return replace(measured, interval=(low, high), p=p, bracket=(lowest.value, highest.value))


def _on_logs(kind: EstimateKind, metric: str, known: Sequence[float]) -> bool:
    return kind == "ratio" or (kind == "variant" and _nature(metric) == "latency" and min(known) > 0)


def _back(value: float, logs: bool) -> float:
    return math.exp(value) if logs else value


def _bounded(interval: Interval, kind: EstimateKind, metric: str, logs: bool) -> Interval:
    least, most = _space(kind, metric)
    return max(_back(interval[0], logs), least), min(_back(interval[1], logs), most)


def _ratio(first: float | None, second: float | None) -> float | None:
    if first is None or second is None or not (0 < first < math.inf and 0 < second < math.inf):
        return None
    return first / second


def _difference(first: float | None, second: float | None) -> float | None:
    if first is None or second is None or not (math.isfinite(first) and math.isfinite(second)):
        return None
    return first - second


def _nature(metric: str) -> Nature:
    return DEFINITIONS[re.split(r"[.{]", metric, maxsplit=1)[0]].nature


def _space(kind: EstimateKind, metric: str) -> Interval:
    """The least and the greatest value there can be: an interval that leaves it says nothing more."""
    if kind == "ratio" or _nature(metric) != "share":
        return -math.inf, math.inf
    return (-1.0, 1.0) if kind == "difference" else (0.0, 1.0)


def mark(kind: EstimateKind, found: Estimate, floor: Interval | None = None) -> str | None:
    """`≈` where the interval lies within the noise floor, `?` where it spans no effect and is wider, else null.

    Where no block has any effect, that is no question.
    """
    if found.interval is None or kind == "variant":
        return None
    low, high = found.interval
    if floor is not None and floor[0] <= low and high <= floor[1]:
        return "≈"
    nothing = 1.0 if kind == "ratio" else 0.0
    return "?" if set(found.per_block) != {nothing} and low <= nothing <= high else None


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
