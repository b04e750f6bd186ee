"""What a fault of a process is: how it begins and how it heals, against one process at a time.

    begin ── window ── heal → ready again

`heal` is called exactly once for each `begin`, whatever happened in between: also when the run is interrupted, and
then it must not start anything anew.
"""

from __future__ import annotations

from typing import Protocol


class Processes(Protocol):
    """What faults may do to the processes of a trial, by name."""

    def signal(self, name: str, number: int) -> None:
        """Send a signal to a running process."""

    async def end(self, name: str, number: int) -> None:
        """End a process with a signal, SIGKILL if it takes too long, and wait until it is gone."""

    async def respawn(self, name: str) -> None:
        """Start a process that was ended, with what its predecessor was told; returns when it is ready."""


class ProcessFault(Protocol):
    """One kind of fault."""

    async def begin(self, processes: Processes, name: str) -> None: ...

    async def heal(self, processes: Processes, name: str) -> None: ...

    def release(self, processes: Processes, name: str) -> None:
        """Undo what would keep the process from being ended; the run is over."""
