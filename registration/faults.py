"""What a service knows of a fault in its work: when it is on, what it hits, and what it does to an attempt.

    latency, jitter_ms   added to the work; overlapping faults add up
    status               the attempt takes its time and then fails with it
    holds                the attempt stands still, keeping its slot, until the window ends, then does its work

The kinds of faults are the harness's (`benchmarks.faults`); a service only carries them out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

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
