"""`kill`: the process is gone at once, with all that it had in memory, and comes back when the window ends."""

from __future__ import annotations

import signal

from benchmarks.faults.process_fault import Processes


class Kill:
    """SIGKILL; respawned at the window's end."""

    async def begin(self, processes: Processes, name: str) -> None:
        await processes.end(name, signal.SIGKILL)

    async def heal(self, processes: Processes, name: str) -> None:
        await processes.respawn(name)

    def release(self, processes: Processes, name: str) -> None:
        """Nothing is left to undo: the process is gone."""
