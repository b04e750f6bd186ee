"""`kill`: the process is gone at once, with all that it had in memory, and comes back when the window ends."""

from __future__ import annotations

import signal
from typing import ClassVar, Literal

from benchmarks.faults.fault import Effect, Lasting
from benchmarks.faults.process_kind import Processes, ProcessKind


class KillFault(Lasting, ProcessKind):
    """SIGKILL; respawned at the window's end. What a crash looks like: the memory is gone, the disk is not."""

    sentence: ClassVar[str] = "SIGKILL; it is restarted when the window ends"
    now: ClassVar[str] = "killed"
    then: ClassVar[str] = "was down"
    effect: ClassVar[Effect] = Effect.DOWN

    type: Literal["kill"] = "kill"

    async def begin(self, processes: Processes, name: str) -> None:
        await processes.end(name, signal.SIGKILL)

    async def heal(self, processes: Processes, name: str) -> None:
        await processes.respawn(name)
