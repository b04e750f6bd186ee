"""`pause`: the process stands still, connections and memory kept, and goes on when the window ends."""

from __future__ import annotations

import signal

from benchmarks.faults.process_fault import Processes


class Pause:
    """SIGSTOP; SIGCONT at the window's end. What a long garbage collection or a swapping host looks like."""

    async def begin(self, processes: Processes, name: str) -> None:
        processes.signal(name, signal.SIGSTOP)

    async def heal(self, processes: Processes, name: str) -> None:
        processes.signal(name, signal.SIGCONT)

    def release(self, processes: Processes, name: str) -> None:
        """A stopped process does not see that it shall exit."""
        processes.signal(name, signal.SIGCONT)
