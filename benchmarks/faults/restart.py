"""`restart`: a rolling deployment's view of one process: it is asked to end, and its successor starts at once."""

from __future__ import annotations

import signal

from benchmarks.faults.process_fault import Processes


class Restart:
    """SIGTERM and start. It has no window: it heals as soon as it has begun."""

    async def begin(self, processes: Processes, name: str) -> None:
        await processes.end(name, signal.SIGTERM)

    async def heal(self, processes: Processes, name: str) -> None:
        await processes.respawn(name)

    def release(self, processes: Processes, name: str) -> None:
        """Nothing is left to undo: the process is gone."""
