"""What a prediction says: figures as a measurement has them, and the times of every registration behind them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from benchmarks.metrics.aggregation import share, stats
from benchmarks.values.times import NEVER

if TYPE_CHECKING:
    from benchmarks.planning.plan import Plan
    from benchmarks.planning.stalls import Stalls
    from benchmarks.scenario.model import Scenario

# One attempt at the work: the arrival's place in the schedule, the attempt from 1, when it began, when it ended (NEVER
# where a kill came first, or the end of the drain).
ATTEMPT_DTYPE = np.dtype([("place", np.int64), ("attempt", np.int32), ("begun_ns", np.int64), ("ended_ns", np.int64)])


def arrivals_of(scenario: Scenario) -> int:
    """The arrivals of one trial of an open load, those of the warm-up too; 0 for a closed load."""
    return (scenario.workload.arrival_count or 0) + (scenario.workload.warmup_count or 0)


@dataclass(frozen=True)
class PredictedFigures:
    """One window of one variant; None where nothing was acked, or complete. Milliseconds from the intended time."""

    offered: int
    accept_ratio: float | None
    slo_ratio: float | None
    accept_p50_ms: float | None
    accept_p95_ms: float | None
    completion_p50_ms: float | None
    completion_p95_ms: float | None
    by_service: Mapping[str, tuple[float | None, float | None]]  # p50, p95 of each service's completion

    def as_dict(self) -> dict[str, object]:
        return {
            "offered": self.offered,
            "accept_ratio": self.accept_ratio,
            "slo_ratio": self.slo_ratio,
            "accept_latency_ms": {"p50": self.accept_p50_ms, "p95": self.accept_p95_ms},
            "completion_latency_ms": {
                "p50": self.completion_p50_ms,
                "p95": self.completion_p95_ms,
                "by_service": {name: {"p50": p50, "p95": p95} for name, (p50, p95) in self.by_service.items()},
            },
        }


@dataclass(frozen=True)
class Prediction:
    """What one block of one variant would give. `windows` has `before`, `during`, `after`; None without faults.

    Arrays have one entry per counted arrival, in order of the schedule: index; intended time; reply (NEVER without
    one); whether it was accepted; first effect of each service (NEVER without one), and how many it made; whether its
    user row was stored. All times are scenario ns.
    `attempts` are those of each service at these arrivals, in order of their start, as ATTEMPT_DTYPE has them. `notes`
    say what the parameters do not settle. Not `one_by_one`: its arrivals are not those of a run, only its figures are.
    """

    variant: str
    block: int
    whole: PredictedFigures
    windows: Mapping[str, PredictedFigures | None]
    index: NDArray[np.int64]
    intended_ns: NDArray[np.int64]
    replied_ns: NDArray[np.int64]
    accepted: NDArray[np.bool_]
    applied_ns: Mapping[str, NDArray[np.int64]]
    attempts: Mapping[str, NDArray[np.void]]
    stored: NDArray[np.bool_]
    applied_counts: Mapping[str, NDArray[np.int64]]
    drain_expired: bool = False
    notes: tuple[str, ...] = ()
    one_by_one: bool = True

    def as_dict(self) -> dict[str, object]:
        return {
            "variant": self.variant,
            "block": self.block,
            **self.whole.as_dict(),
            "windows": {name: None if part is None else part.as_dict() for name, part in self.windows.items()},
            "notes": list(self.notes),
        }


@dataclass(frozen=True)
class Unpredicted:
    """One block of one variant that the parameters alone do not settle, and why."""

    variant: str
    block: int
    reason: str

    def as_dict(self) -> dict[str, object]:
        return {"variant": self.variant, "block": self.block, "not_predicted": self.reason}


class Predict(Protocol):
    """What predicts: passed in where it is needed, since its layer is above the harness (`virtual.predict`)."""

    def __call__(
        self,
        plan: Plan,
        variant: str,
        block: int = 0,
        progress: Callable[[int], None] = ...,
        stalls: Stalls | None = None,
        wire_ms: float = 0.0,
    ) -> Prediction | Unpredicted:
        """One block of one variant. `progress` is called now and then with the number of arrivals so far.

        `stalls` hold up every process, the load generator too; without them nothing does but faults. `wire_ms`: what
        each message takes on its way to a process.
        """
        ...


def figures_of(
    scenario: Scenario,
    intended_ns: NDArray[np.int64],
    replied_ns: NDArray[np.int64],
    accepted: NDArray[np.bool_],
    applied_ns: Mapping[str, NDArray[np.int64]],
) -> PredictedFigures:
    """The figures of some arrivals; arrays as in `Prediction`."""
    last_ns = np.max(np.stack(list(applied_ns.values())), axis=0)
    complete = last_ns != NEVER
    accept_ms = (replied_ns - intended_ns) / 1e6
    completion_ms = (last_ns - intended_ns) / 1e6
    kept = accepted & complete & (accept_ms <= scenario.slo.accept_ms) & (completion_ms <= scenario.slo.complete_ms)
    offered = len(intended_ns)
    accept_p50, accept_p95 = _p50_p95(accept_ms[accepted])
    completion_p50, completion_p95 = _p50_p95(completion_ms[complete])
    by_service = {name: _p50_p95(((times - intended_ns) / 1e6)[times != NEVER]) for name, times in applied_ns.items()}
    return PredictedFigures(
        offered=offered,
        accept_ratio=share(int(accepted.sum()), offered),
        slo_ratio=share(int(kept.sum()), offered),
        accept_p50_ms=accept_p50,
        accept_p95_ms=accept_p95,
        completion_p50_ms=completion_p50,
        completion_p95_ms=completion_p95,
        by_service=by_service,
    )


def _p50_p95(values_ms: NDArray[np.float64]) -> tuple[float | None, float | None]:
    found = stats(values_ms)
    return found["p50"], found["p95"]
