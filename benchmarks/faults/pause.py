"""`pause`: the process stands still, connections and memory kept, and goes on when the window ends."""

from __future__ import annotations

import signal
from typing import ClassVar, Literal

from benchmarks.faults.fault import Effect, Lasting
from benchmarks.faults.process_kind import Processes, ProcessKind


class PauseFault(Lasting, ProcessKind):
    """SIGSTOP; SIGCONT at the window's end. What a long garbage collection or a swapping host looks like."""

    sentence: ClassVar[str] = "SIGSTOP; it goes on (SIGCONT) when the window ends"
    now: ClassVar[str] = "frozen"
    then: ClassVar[str] = "was frozen"
    effect: ClassVar[Effect] = Effect.STANDS_STILL

    type: Literal["pause"] = "pause"

    async def begin(self, processes: Processes, name: str) -> None:
        processes.signal(name, signal.SIGSTOP)

    async def heal(self, processes: Processes, name: str) -> None:
        processes.signal(name, signal.SIGCONT)

    def release(self, processes: Processes, name: str) -> None:
        """A stopped process does not see that it must exit."""
        processes.signal(name, signal.SIGCONT)
