"""Faults in a service's work: what each type does to an attempt that begins inside its window.

latency  adds time to the work; overlapping faults add up
error    the attempt takes its time and then fails with `status`
hang     the attempt stands still, slot kept, until the window ends, and then does its work
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import cast

from registration.latency import Latency

Draw = Callable[[str], float]


@dataclass(frozen=True)
class WorkFault:
    """One fault and its window [begin_ns, end_ns) in scenario time.

    `probability` is the share of attempts that it touches; `status` is set for type `error` alone, `latency` and
    `jitter_ms` for type `latency` alone.
    """

    name: str
    type: str
    begin_ns: int
    end_ns: int
    probability: float = 1.0
    latency: Latency | None = None
    jitter_ms: float = 0.0
    status: int | None = None

    @classmethod
    def from_dict(cls, data: Mapping[str, object]) -> WorkFault:
        latency = cast(Mapping[str, str | float] | None, data.get("latency"))
        return cls(
            name=str(data["name"]),
            type=str(data["type"]),
            begin_ns=cast(int, data["begin_ns"]),
            end_ns=cast(int, data["end_ns"]),
            probability=float(cast(float, data["probability"])),
            latency=Latency.from_dict(latency) if latency is not None else None,
            jitter_ms=float(cast(float, data["jitter_ms"])),
            status=cast(int | None, data["status"]),
        )

    def as_dict(self) -> dict[str, object]:
        return {
            "name": self.name,
            "type": self.type,
            "begin_ns": self.begin_ns,
            "end_ns": self.end_ns,
            "probability": self.probability,
            "latency": self.latency.as_dict() if self.latency is not None else None,
            "jitter_ms": self.jitter_ms,
            "status": self.status,
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
