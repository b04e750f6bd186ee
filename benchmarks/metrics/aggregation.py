"""What several metrics share: percentiles and how trials combine, sums, shares, the largest, the mean."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from benchmarks.metrics.definition import PERCENTILES, SMALLEST_SAMPLE, STATS, Stats

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def stats(values_ms: NDArray[np.float64]) -> Stats:
    """The percentile fields of a sample (linear interpolation between order statistics); NaNs are left out.

    All null without a sample; p99 and p999 null where the sample is too small for them.
    """
    import numpy as np

    sample = values_ms[~np.isnan(values_ms)]
    if sample.size == 0:
        return dict.fromkeys(STATS)
    quantiles = np.quantile(sample, list(PERCENTILES.values()))
    figures: Stats = {
        name: float(value) if sample.size >= SMALLEST_SAMPLE.get(name, 1) else None
        for name, value in zip(PERCENTILES, quantiles, strict=True)
    }
    return {**figures, "max": float(sample.max()), "mean": float(sample.mean())}


def geometric_mean(values: Sequence[float | None]) -> float | None:
    """Null where a value is missing (a mean over the rest would hide the worst trial), 0 where one is 0."""
    import numpy as np

    known = [value for value in values if value is not None]
    if not known or len(known) < len(values) or min(known) < 0:
        return None
    if len(known) == 1:
        return known[0]
    return 0.0 if min(known) == 0 else float(np.exp(np.mean(np.log(known))))


def combined_stats(parts: Sequence[Mapping[str, float | None]]) -> Stats:
    """The percentile fields of several trials: geometric means of their figures, field by field."""
    return {name: geometric_mean([part[name] for part in parts]) for name in STATS}


def share(part: float, whole: float) -> float | None:
    """`part` of `whole`, null where there is no whole."""
    return part / whole if whole else None


def share_of_sums(parts: Sequence[tuple[float, float]]) -> float | None:
    """The share, or rate, of several trials, from their sums of part and whole."""
    return share(sum(part for part, _ in parts), sum(whole for _, whole in parts))


def summed(parts: Sequence[Mapping[str, int]]) -> dict[str, int]:
    """Counts of several trials."""
    return {name: sum(part[name] for part in parts) for name in parts[0]}


def largest(values: Iterable[int | None]) -> int | None:
    """Of those that are known."""
    return max((value for value in values if value is not None), default=None)


def mean(values: Iterable[float | None]) -> float | None:
    """Of those that are known."""
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None
