"""What faults of a process have in common: the harness begins them and heals them, one process at a time.

    begin ── during ── heal → ready again

`heal` is called exactly once for each `begin`, whatever happened in between; where the run is cut short, `release` is
called instead, which must not start anything again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Protocol

from benchmarks.faults.fault import FaultKind
from benchmarks.values.checked import Known
from registration.clock import Clock

# How long a process that is asked to end may take before it is killed.
END_GRACE_S = 5.0


class Processes(Protocol):
    """What faults may do to the processes of a trial, by name."""

    def signal(self, name: str, number: int) -> None:
        """Send a signal to a running process."""

    async def end(self, name: str, number: int) -> None:
        """End a process with a signal, SIGKILL if it takes too long, and wait until it is gone."""

    async def respawn(self, name: str) -> None:
        """Start a process that was ended, with its predecessor's settings; returns when it is ready."""


class ProcessKind(FaultKind):
    """A fault of a process; one that is DOWN meanwhile is restarted, and then has to become ready."""

    targets: ClassVar[str] = "a service, the API, one instance of these, the broker, or a process of a variant's own"

    @classmethod
    def reach(cls, known: Known) -> Mapping[str, int | None]:
        return known.processes

    def is_on(self, name: str) -> bool:
        """Whether it hits the process of that name (`email/0`, `broker`)."""
        return self.target in (name, name.partition("/")[0])

    async def begin(self, processes: Processes, name: str) -> None:
        raise NotImplementedError

    async def during(self, processes: Processes, name: str, clock: Clock, end_ns: int) -> None:  # noqa: ARG002
        """What it does in its window, up to the instant `end_ns` of `clock`: most kinds wait."""
        await clock.sleep_until(end_ns)

    async def heal(self, processes: Processes, name: str) -> None:
        raise NotImplementedError

    def release(self, processes: Processes, name: str) -> None:
        """Undo what would keep the process from being ended; the run is over. Nothing, where it is gone."""
