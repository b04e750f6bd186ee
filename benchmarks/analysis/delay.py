"""Whether delay alone can make a figure better, which a bracket between predicted and measured rules out.

    predicted without stalls ─┐
    predicted with stalls ────┴→ improvement of each figure → the largest of all draws

It can where work meets a fault at another time, or waits out what would have failed: a retry that comes late may find
that the fault is over.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.planning.prediction import Predict, Prediction
from benchmarks.planning.stalls import Stalls
from benchmarks.scenario.sample import window_bounds_ns, windows_bounds_ns
from benchmarks.values.times import NEVER, NS_PER_MS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from benchmarks.planning.plan import Plan
    from benchmarks.scenario.model import Scenario

_SHARES = ("accept_ratio", "slo_ratio", "complete_ratio")
_LATENCIES = ("accept_latency_ms", "completion_latency_ms")
_QUANTILES = {"p50": 0.5, "p95": 0.95, "p99": 0.99}
FIGURES = (*_SHARES, *(f"{latency}.{name}" for latency in _LATENCIES for name in _QUANTILES))
LEAST_MS = 0.01  # below this a latency counts as the same


def delay_helps(plan: Plan, variant: str, predict: Predict, draws: int, block: int = 0) -> Mapping[str, float]:
    """The figures that some stalls improved, and by how much at most: a share, or ms. Empty: none of them.

    Figures are written as metrics are, such as `slo_ratio{window:during}`. Latencies are those of the registrations
    that got there in both cases. All figures, by `inf`, where the variant says so of itself, where there is no
    prediction, and where stalls change which registrations there are (a closed load).
    """
    windows = _windows(plan.scenario)
    everything = {f"{figure}{tag}": math.inf for figure in FIGURES for tag in windows}
    if plan.scenario.variant(variant).listed.declared.delay_may_help:
        return everything
    quiet = predict(plan, variant, block)
    if not isinstance(quiet, Prediction) or not quiet.one_by_one:
        return everything
    most: dict[str, float] = {}
    for seed in range(draws):
        stalled = predict(plan, variant, block, stalls=Stalls.drawn(seed))
        if not isinstance(stalled, Prediction):
            return everything
        for figure, by in improvements(plan.scenario, quiet, stalled).items():
            most[figure] = max(by, most.get(figure, 0.0))
    return most


def improvements(scenario: Scenario, quiet: Prediction, stalled: Prediction) -> dict[str, float]:
    """The figures of `stalled` that are better than those of `quiet`, and by how much. Both of the same open load."""
    found = {}
    one, other = _Reached(scenario, quiet), _Reached(scenario, stalled)
    for tag, (begin_ns, end_ns) in _windows(scenario).items():
        inside = (quiet.intended_ns >= begin_ns) & (quiet.intended_ns < end_ns)
        for figure, share in one.shares.items():
            more = int(other.shares[figure][inside].sum()) - int(share[inside].sum())
            if more > 0:
                found[f"{figure}{tag}"] = more / int(inside.sum())
        for figure, before_ms in one.latencies_ms.items():
            after_ms = other.latencies_ms[figure]
            both = inside & ~np.isnan(before_ms) & ~np.isnan(after_ms)
            if not both.any():
                continue
            quantiles = list(_QUANTILES.values())
            sooner_ms = np.quantile(before_ms[both], quantiles) - np.quantile(after_ms[both], quantiles)
            found |= {
                f"{figure}.{name}{tag}": float(by_ms)
                for name, by_ms in zip(_QUANTILES, sooner_ms, strict=True)
                if by_ms > LEAST_MS
            }
    return found


class _Reached:
    """By registration: whether it counts towards each share, and each latency in ms, NaN where it was not reached."""

    def __init__(self, scenario: Scenario, prediction: Prediction) -> None:
        last_ns = np.max(np.stack(list(prediction.applied_ns.values())), axis=0)
        complete = last_ns != NEVER
        accept_ms = _ms(prediction.intended_ns, prediction.replied_ns, prediction.accepted)
        completion_ms = _ms(prediction.intended_ns, last_ns, complete)
        kept = (accept_ms <= scenario.slo.accept_ms) & (completion_ms <= scenario.slo.complete_ms)
        self.shares = dict(zip(_SHARES, (prediction.accepted, kept, complete), strict=True))
        self.latencies_ms = dict(zip(_LATENCIES, (accept_ms, completion_ms), strict=True))


def _ms(
    intended_ns: NDArray[np.int64], reached_ns: NDArray[np.int64], reached: NDArray[np.bool_]
) -> NDArray[np.float64]:
    return np.where(reached, (reached_ns - intended_ns) / NS_PER_MS, np.nan)


def _windows(scenario: Scenario) -> dict[str, tuple[int, int]]:
    """The whole run and each window that it has, by its tag in a metric."""
    bounds = windows_bounds_ns(scenario)
    return {"": window_bounds_ns(scenario, None)} | {
        f"{{window:{name}}}": within for name, within in bounds.items() if within is not None
    }
