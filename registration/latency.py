"""The time that a service's work takes: a distribution that turns one uniform draw into milliseconds.

Each is sampled by its inverse distribution function, one draw a sample, so that a keyed draw decides it alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import NormalDist

_Z99 = NormalDist().inv_cdf(0.99)


@dataclass(frozen=True)
class _Distribution:
    """Parameters in the order they are written, and the two functions of them that matter."""

    parameters: tuple[str, ...]
    inverse_cdf: Callable[..., float]
    mean: Callable[..., float]


def _lognormal_sigma(p50_ms: float, p99_ms: float) -> float:
    return math.log(p99_ms / p50_ms) / _Z99


# One row per distribution; each function takes its parameters by position, `inverse_cdf` the draw first.
DISTRIBUTIONS: Mapping[str, _Distribution] = {
    "fixed": _Distribution(("value",), lambda u, value: value, lambda value: value),
    "uniform": _Distribution(("min", "max"), lambda u, lo, hi: lo + u * (hi - lo), lambda lo, hi: (lo + hi) / 2),
    "exponential": _Distribution(("mean",), lambda u, mean: -mean * math.log1p(-u), lambda mean: mean),
    "lognormal": _Distribution(
        ("p50", "p99"),
        lambda u, p50, p99: p50 * math.exp(_lognormal_sigma(p50, p99) * NormalDist().inv_cdf(u)),
        lambda p50, p99: p50 * math.exp(_lognormal_sigma(p50, p99) ** 2 / 2),
    ),
    # `alpha` is the tail index, a plain number. The mean is infinite up to alpha = 1.
    "pareto": _Distribution(
        ("min", "alpha"),
        lambda u, lo, alpha: lo / (1 - u) ** (1 / alpha),
        lambda lo, alpha: alpha * lo / (alpha - 1) if alpha > 1 else math.inf,
    ),
}


@dataclass(frozen=True)
class Latency:
    """A distribution and its parameters, by name; all in milliseconds but `alpha`."""

    distribution: str
    parameters: tuple[float, ...]

    @classmethod
    def fixed(cls, value_ms: float) -> Latency:
        return cls("fixed", (value_ms,))

    def sample_ms(self, u: float) -> float:
        """The `u`-quantile, with `u` in (0, 1)."""
        return DISTRIBUTIONS[self.distribution].inverse_cdf(u, *self.parameters)

    def mean_ms(self) -> float:
        """The expectation; infinite where there is none."""
        return DISTRIBUTIONS[self.distribution].mean(*self.parameters)
