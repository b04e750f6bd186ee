"""`restart`: a rolling deployment's view of one process: it is asked to end, and its successor starts at once."""

from __future__ import annotations

import signal
from typing import ClassVar, Literal

from benchmarks.faults.fault import Effect
from benchmarks.faults.process_kind import Processes, ProcessKind


class RestartFault(ProcessKind):
    """SIGTERM and start. It has no window: it heals as soon as it has begun."""

    sentence: ClassVar[str] = "SIGTERM, then restarted at once"
    now: ClassVar[str] = "restarted"
    then: ClassVar[str] = "was restarted"
    effect: ClassVar[Effect] = Effect.DOWN

    type: Literal["restart"] = "restart"

    async def begin(self, processes: Processes, name: str) -> None:
        await processes.end(name, signal.SIGTERM)

    async def heal(self, processes: Processes, name: str) -> None:
        await processes.respawn(name)
