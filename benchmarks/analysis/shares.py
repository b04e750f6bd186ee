"""Intervals of shares from their counts alone: what so many cases leave possible, however equal the blocks came out.

    one share     Clopper & Pearson 1934, "The use of confidence or fiducial limits": exact, from the beta distribution
    difference    the limits of both sides, squared and added (Newcombe 1998, "Interval estimation for the difference
                  between independent proportions", method 10, here with exact limits instead of Wilson's)
    ratio         the same on logarithms (Zou & Donner 2008, "Construction of confidence limits about effect measures")

Sides are taken as independent: the common luck of a block only makes them more alike.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from scipy.special import betaincinv

from benchmarks.analysis.summary_model import Interval, VariantSummary
from benchmarks.scenario.metric import Metric

_HALVINGS = 40


@dataclass(frozen=True)
class Count:
    """`part` of `whole` cases, summed over trials."""

    part: int
    whole: int

    @property
    def share(self) -> float:
        return self.part / self.whole


def counts_of(metric: Metric, sides: Sequence[VariantSummary], blocks: Collection[int]) -> tuple[Count, ...]:
    """What each side's share was made of in these blocks; empty where the metric is not a share of what was offered."""
    counts = tuple(_count(metric, side, blocks) for side in sides)
    whole = metric.definition.nature == "share" and all(count is not None and count.whole for count in counts)
    return tuple(count for count in counts if count is not None) if whole else ()


def _count(metric: Metric, side: VariantSummary, blocks: Collection[int]) -> Count | None:
    offered = metric.like("counts", "offered")
    pairs = [(trial.of(metric), trial.of(offered)) for trial in side.trials if trial.block in blocks]
    known = [(share, whole) for share, whole in pairs if share is not None and whole is not None]
    if len(known) < len(pairs):
        return None
    return Count(sum(round(share * whole) for share, whole in known), sum(int(whole) for _, whole in known))


def interval_of(counts: Sequence[Count], confidence: float, *, logs: bool = False) -> Interval:
    """Of one count the interval of its share; of two that of the difference, with `logs` of the shares' logarithms."""
    sides = [_side(count, confidence, logs=logs) for count in counts]
    if len(sides) == 1:
        return sides[0][1]
    (first, (low, high)), (second, (other_low, other_high)) = sides
    gap = first - second
    return gap - math.hypot(first - low, other_high - second), gap + math.hypot(high - first, second - other_low)


def p_of(counts: Sequence[Count], *, logs: bool = False) -> float:
    """The p of two equal shares: with 1 - p the interval just reaches no effect."""
    low, high = 0.0, 1.0
    for _ in range(_HALVINGS):
        p = (low + high) / 2
        ends = interval_of(counts, 1 - p, logs=logs)
        low, high = (p, high) if ends[0] <= 0 <= ends[1] else (low, p)
    return high


def _side(count: Count, confidence: float, *, logs: bool) -> tuple[float, Interval]:
    limits = clopper_pearson(count, confidence)
    return (math.log(count.share), (math.log(limits[0]), math.log(limits[1]))) if logs else (count.share, limits)


def clopper_pearson(count: Count, confidence: float) -> Interval:
    """The shares that make so many cases, and so few, no less likely than (1 - confidence) / 2."""
    part, rest = count.part, count.whole - count.part
    tail = (1 - confidence) / 2
    low = float(betaincinv(part, rest + 1, tail)) if part else 0.0
    high = float(betaincinv(part + 1, rest, 1 - tail)) if rest else 1.0
    return low, high
