"""The noise floor, from the summary of an A/A run: how far apart two identical sides come out. Pure.

pairs × blocks → log of each ratio, or each difference → t interval → its end furthest from no effect, both ways
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import cast

import numpy as np

from benchmarks.analysis.series import LATENCIES
from benchmarks.analysis.statistics import estimate, lookup, t_interval
from benchmarks.calibration.calibration import Json
from benchmarks.scenario.metric import WINDOWS, Metric

_STATS = ("p50", "p90", "p95", "p99", "p999", "mean")
_BY_WINDOW_RATIOS = (*(f"{name}.{stat}" for name in LATENCIES for stat in _STATS), "throughput_per_s")
_RATIOS = ("cpu_ms_per_registration.total", "rss_mb_max")
_BY_WINDOW_DIFFERENCES = ("slo_ratio", "accept_ratio")


def floor_of(summary: Mapping[str, object], pairs: Sequence[tuple[str, str]]) -> Json:
    """By metric: `kind`, `low`, `high`, `sd` (docs/calibration.md). One that is missing in a block has no floor."""
    variants = cast(Mapping[str, Mapping[str, object]], summary["variants"])
    floors: Json = {}
    for kind, metric in _metrics():
        spreads = [_spread(kind, metric, *(_by_block(variants[name], metric) for name in pair)) for pair in pairs]
        known = [spread for spread in spreads if spread is not None]
        if len(known) == len(pairs):
            reach, sd = (max(values) for values in zip(*known, strict=True))
            low, high = (
                (math.exp(-reach), math.exp(reach)) if kind == "ratio" else (0.0 - reach, reach)
            )  # no negative zero
            floors[str(metric)] = {"kind": kind, "low": low, "high": high, "sd": sd}
    return floors


def _metrics() -> list[tuple[str, Metric]]:
    windows = ["", *(f"{{window:{window}}}" for window in WINDOWS)]
    names = [
        *(("ratio", name + window) for window in windows for name in _BY_WINDOW_RATIOS),
        *(("ratio", name) for name in _RATIOS),
        *(("difference", name + window) for window in windows for name in _BY_WINDOW_DIFFERENCES),
    ]
    return [(kind, Metric.parse(name)) for kind, name in names]


def _by_block(variant: Mapping[str, object], metric: Metric) -> list[float | None]:
    trials = cast(Sequence[Mapping[str, object]], variant["trials"])
    return [lookup(trial, metric) for trial in sorted(trials, key=lambda trial: cast(int, trial["block"]))]


def _spread(
    kind: str, metric: Metric, first: Sequence[float | None], second: Sequence[float | None]
) -> tuple[float, float] | None:
    """How far from no effect the interval of two identical sides reaches, and the standard deviation over blocks.

    On logarithms for ratios. None where there is no interval.
    """
    found = estimate("ratio" if kind == "ratio" else "difference", str(metric), first, second)
    if found.interval is None:
        return None
    blocks = [value for value in found.per_block if value is not None]
    scaled = [math.log(value) for value in blocks] if kind == "ratio" else blocks
    return max(abs(end) for end in t_interval(scaled)), float(np.std(scaled, ddof=1))
