"""What a service knows of a fault in its work: when it is on, whom it hits, and what it does to an attempt.

    latency, jitter_ms   added to the work; overlapping faults add up
    status               the attempt takes its time and then fails with it
    holds                the attempt stands still, slot kept, until the window ends, and then does its work

The kinds of faults are the harness's (`benchmarks.faults`); a service does what it is told.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import cast

from registration.latency import Latency

Draw = Callable[[str], float]


@dataclass(frozen=True)
class WorkFault:
    """One fault and its window [begin_ns, end_ns) in scenario time. `probability`: the share of attempts it touches."""

    name: str
    begin_ns: int
    end_ns: int
    probability: float = 1.0
    latency: Latency | None = None
    jitter_ms: float = 0.0
    status: int | None = None
    holds: bool = False

    @classmethod
    def from_dict(cls, data: Mapping[str, object]) -> WorkFault:
        latency = cast(Mapping[str, str | float] | None, data.get("latency"))
        return cls(
            name=str(data["name"]),
            begin_ns=cast(int, data["begin_ns"]),
            end_ns=cast(int, data["end_ns"]),
            probability=float(cast(float, data["probability"])),
            latency=Latency.from_dict(latency) if latency is not None else None,
            jitter_ms=float(cast(float, data["jitter_ms"])),
            status=cast(int | None, data["status"]),
            holds=bool(data["holds"]),
        )

    def as_dict(self) -> dict[str, object]:
        return {
            "name": self.name,
            "begin_ns": self.begin_ns,
            "end_ns": self.end_ns,
            "probability": self.probability,
            "latency": self.latency.as_dict() if self.latency is not None else None,
            "jitter_ms": self.jitter_ms,
            "status": self.status,
            "holds": self.holds,
        }

    def active_at(self, at_ns: int) -> bool:
        return self.begin_ns <= at_ns < self.end_ns

    def hits(self, draw: Draw) -> bool:
        """Whether this attempt is among the touched ones."""
        return self.probability >= 1.0 or draw(f"fault/{self.name}") < self.probability

    def added_ms(self, draw: Draw) -> float:
        """Milliseconds added to the work, never negative."""
        if self.latency is None:
            return 0.0
        jitter_ms = self.jitter_ms * (2.0 * draw(f"jitter/{self.name}") - 1.0) if self.jitter_ms else 0.0
        return max(self.latency.sample_ms(draw(f"fault-latency/{self.name}")) + jitter_ms, 0.0)
