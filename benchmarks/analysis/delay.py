"""Whether a bracket between predicted and measured holds what a quiet machine would have shown: tried in virtual time.

    helped       stalled against not stalled: what delay alone improved
    uncovered    a machine that takes a little time for each message, quiet and stalled, and the prediction in which
                 messages take none: what the bracket of prediction and stalled run does not hold of the quiet one

Delay helps where work meets a fault at another time: a call that would have met a dead process waits until it is back,
one that was to be slow begins when the fault is over. The bracket takes both fates of such a registration, so what
delay improves can still be covered.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from benchmarks.analysis.summary_model import SURVIVORSHIP_LIMIT
from benchmarks.planning.prediction import Predict, Prediction
from benchmarks.planning.stalls import Stalls
from benchmarks.scenario.sample import window_bounds_ns, windows_bounds_ns
from benchmarks.values.times import NEVER, NS_PER_MS

if TYPE_CHECKING:
    from benchmarks.planning.plan import Plan
    from benchmarks.scenario.model import Scenario

Flags = NDArray[np.bool_]
Floats = NDArray[np.float64]

_SHARES = ("accept_ratio", "slo_ratio", "complete_ratio")
_LATENCIES = ("accept_latency_ms", "completion_latency_ms")
_QUANTILES = {"p50": 0.5, "p95": 0.95, "p99": 0.99}
FIGURES = (*_SHARES, *(f"{latency}.{name}" for latency in _LATENCIES for name in _QUANTILES))
LEAST_MS = 0.01  # below this a latency counts as the same
WIRE_MS = 0.5  # what a message takes on the machine that `uncovered` tries


def delay_helps(plan: Plan, variant: str, predict: Predict, draws: int, block: int = 0) -> Mapping[str, float]:
    """The figures that some stalls improved, and by how much at most: a share, or ms. Empty: none of them.

    Figures are written as metrics are, such as `slo_ratio{window:during}`. Latencies are those of the registrations
    that got there in both cases. All figures, by `inf`, where the variant declares it, where there is no
    prediction, and where stalls change which registrations there are (a closed load).
    """

    def tried(scenario: Scenario, quiet: Prediction, seed: int) -> dict[str, float] | None:
        stalled = predict(plan, variant, block, stalls=Stalls.drawn(seed))
        return improvements(scenario, quiet, stalled) if isinstance(stalled, Prediction) else None

    return _largest(plan, variant, predict(plan, variant, block), draws, tried)


def not_covered(plan: Plan, variant: str, predict: Predict, draws: int, block: int = 0) -> Mapping[str, float]:
    """The figures that a bracket does not hold for some stalls, and how far they lie outside at most; as above."""
    quiet = predict(plan, variant, block, wire_ms=WIRE_MS)

    def tried(scenario: Scenario, predicted: Prediction, seed: int) -> dict[str, float] | None:
        stalled = predict(plan, variant, block, stalls=Stalls.drawn(seed), wire_ms=WIRE_MS)
        if not isinstance(stalled, Prediction) or not isinstance(quiet, Prediction):
            return None
        return uncovered(scenario, predicted, quiet, stalled)

    return _largest(plan, variant, predict(plan, variant, block), draws, tried)


def _largest(
    plan: Plan,
    variant: str,
    base: object,
    draws: int,
    tried: Callable[[Scenario, Prediction, int], dict[str, float] | None],
) -> Mapping[str, float]:
    scenario = plan.scenario
    everything = {f"{figure}{tag}": math.inf for figure in FIGURES for tag in _windows(scenario)}
    declared = scenario.variant(variant).listed.declared
    if declared.delay_may_help or not isinstance(base, Prediction) or not base.one_by_one:
        return everything
    most: dict[str, float] = {}
    for seed in range(draws):
        found = tried(scenario, base, seed)
        if found is None:
            return everything
        most |= {figure: max(by, most.get(figure, 0.0)) for figure, by in found.items()}
    return most


def improvements(scenario: Scenario, quiet: Prediction, stalled: Prediction) -> dict[str, float]:
    """The figures of `stalled` that are better than those of `quiet`, and by how much. Both of the same open load."""
    found = {}
    one, other = _Fates.of(quiet), _Fates.of(stalled)
    for tag, (begin_ns, end_ns) in _windows(scenario).items():
        inside = (quiet.intended_ns >= begin_ns) & (quiet.intended_ns < end_ns)
        for figure, before in one.shares(scenario).items():
            more = int(other.shares(scenario)[figure][inside].sum()) - int(before[inside].sum())
            if more > 0:
                found[f"{figure}{tag}"] = more / int(inside.sum())
        for name, before_ms in one.latencies_ms.items():
            after_ms = other.latencies_ms[name]
            both = inside & np.isfinite(before_ms) & np.isfinite(after_ms)
            sooner = _quantiles(before_ms[both]) - _quantiles(after_ms[both])
            found |= {f"{name}.{stat}{tag}": by_ms for stat, by_ms in _named(sooner) if by_ms > LEAST_MS}
    return found


def uncovered(scenario: Scenario, predicted: Prediction, quiet: Prediction, stalled: Prediction) -> dict[str, float]:
    """The figures of `quiet` outside of the bracket of `predicted` and `stalled`, and by how much.

    Latencies only where the three have them of the same registrations, give or take one in a hundred.
    """
    found = {}
    truth = _Fates.of(quiet)
    best, worst = _Fates.of(predicted).better(_Fates.of(stalled)), _Fates.of(predicted).worse(_Fates.of(stalled))
    for tag, (begin_ns, end_ns) in _windows(scenario).items():
        inside = (quiet.intended_ns >= begin_ns) & (quiet.intended_ns < end_ns)
        for figure, flags in truth.shares(scenario).items():
            count, most, least = (
                int(fates[inside].sum())
                for fates in (flags, best.shares(scenario)[figure], worst.shares(scenario)[figure])
            )
            if not least <= count <= most:
                found[f"{figure}{tag}"] = max(count - most, least - count) / int(inside.sum())
        for name, true_ms in truth.latencies_ms.items():
            got_there = inside & np.isfinite(true_ms)
            soonest, latest = best.latencies_ms[name][got_there], worst.latencies_ms[name][got_there]
            if not got_there.any() or np.isinf(latest).mean() > SURVIVORSHIP_LIMIT:
                continue  # of other registrations, and so not compared
            figure_ms = _quantiles(true_ms[got_there])
            outside = np.maximum(_quantiles(soonest) - figure_ms, figure_ms - _quantiles(latest))
            found |= {f"{name}.{stat}{tag}": by_ms for stat, by_ms in _named(outside) if by_ms > LEAST_MS}
    return found


class _Fates:
    """How each registration fared: latencies in ms, infinite where it was not accepted, or not complete."""

    def __init__(self, accept_ms: Floats, completion_ms: Floats, once: Flags) -> None:
        self.latencies_ms = dict(zip(_LATENCIES, (accept_ms, completion_ms), strict=True))
        self._once = once  # each effect exactly once

    @classmethod
    def of(cls, prediction: Prediction) -> _Fates:
        last_ns = np.max(np.stack(list(prediction.applied_ns.values())), axis=0)
        counts = np.stack(list(prediction.applied_counts.values()))
        return cls(
            _ms(prediction.intended_ns, prediction.replied_ns, prediction.accepted),
            _ms(prediction.intended_ns, last_ns, last_ns != NEVER),
            (counts == 1).all(axis=0),
        )

    def better(self, other: _Fates) -> _Fates:
        return _Fates(*self._each(other, np.minimum), self._once | other._once)

    def worse(self, other: _Fates) -> _Fates:
        return _Fates(*self._each(other, np.maximum), self._once & other._once)

    def _each(self, other: _Fates, choose: np.ufunc) -> tuple[Floats, Floats]:
        accept_ms, completion_ms = (choose(self.latencies_ms[name], other.latencies_ms[name]) for name in _LATENCIES)
        return accept_ms, completion_ms

    def shares(self, scenario: Scenario) -> dict[str, Flags]:
        accept_ms, completion_ms = self.latencies_ms.values()
        kept = (accept_ms <= scenario.slo.accept_ms) & (completion_ms <= scenario.slo.complete_ms)
        return dict(zip(_SHARES, (np.isfinite(accept_ms), kept, self._once), strict=True))


def _ms(intended_ns: NDArray[np.int64], reached_ns: NDArray[np.int64], reached: Flags) -> Floats:
    return np.where(reached, (reached_ns - intended_ns) / NS_PER_MS, np.inf)


def _quantiles(sample_ms: Floats) -> Floats:
    """From order statistics themselves, so that an infinite one spoils none below it; zeros without a sample."""
    if not sample_ms.size:
        return np.zeros(len(_QUANTILES))
    return np.asarray(np.quantile(sample_ms, list(_QUANTILES.values()), method="inverted_cdf"), np.float64)


def _named(figures: Floats) -> list[tuple[str, float]]:
    return [(stat, float(figure)) for stat, figure in zip(_QUANTILES, figures, strict=True)]


def _windows(scenario: Scenario) -> dict[str, tuple[int, int]]:
    """The whole run and each window that it has, by its tag in a metric."""
    bounds = windows_bounds_ns(scenario)
    return {"": window_bounds_ns(scenario, None)} | {
        f"{{window:{name}}}": within for name, within in bounds.items() if within is not None
    }
