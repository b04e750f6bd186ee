"""What a prediction says: figures as a measurement has them, and the times of every registration behind them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from benchmarks.scenario.model import Scenario

NEVER = np.iinfo(np.int64).max

# One attempt at the work: the arrival's place in the schedule, the attempt from 1, when it began, when it ended (NEVER
# where a kill came first, or the end of the drain).
ATTEMPT_DTYPE = np.dtype([("place", np.int64), ("attempt", np.int32), ("begun_ns", np.int64), ("ended_ns", np.int64)])


def arrivals_of(scenario: Scenario) -> int:
    """The arrivals of one trial of an open load, those of the warm-up too; 0 for a closed load."""
    return (scenario.workload.arrival_count or 0) + (scenario.workload.warmup_count or 0)


@dataclass(frozen=True)
class Figures:
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
    """What one block of one variant would come to. `windows` has `before`, `during`, `after`; None without faults.

    Arrays have one entry per counted arrival, in order of the schedule: index; intended time; reply (NEVER without
    one); whether it was accepted; first effect of each service (NEVER without one). All times are scenario ns.
    `attempts` are those of each service at these arrivals, in order of their begin, as ATTEMPT_DTYPE has them.
    """

    variant: str
    block: int
    whole: Figures
    windows: Mapping[str, Figures | None]
    index: NDArray[np.int64]
    intended_ns: NDArray[np.int64]
    replied_ns: NDArray[np.int64]
    accepted: NDArray[np.bool_]
    applied_ns: Mapping[str, NDArray[np.int64]]
    attempts: Mapping[str, NDArray[np.void]]

    def as_dict(self) -> dict[str, object]:
        return {
            "variant": self.variant,
            "block": self.block,
            **self.whole.as_dict(),
            "windows": {name: None if part is None else part.as_dict() for name, part in self.windows.items()},
        }


@dataclass(frozen=True)
class Unpredicted:
    """One block of one variant that the parameters alone do not settle, and why."""

    variant: str
    block: int
    reason: str

    def as_dict(self) -> dict[str, object]:
        return {"variant": self.variant, "block": self.block, "not_predicted": self.reason}
