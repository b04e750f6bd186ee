"""Processes on a core of their own, and the CPU they take."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def on_core(core: int) -> Iterator[None]:
    """What is started within stays on this core. Go reads it as its number of processors."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def cpu_s(pid: int) -> float:
    """CPU time of a living process, its threads included (clock_getcpuclockid(3), which Python does not offer)."""
    return time.clock_gettime_ns((~pid << 3) | 2) / 1e9


class Command:
    """A tool that is only started and waited for. What it prints is in `said.txt` and `complaints.txt`."""

    def __init__(self, argv: Sequence[str], directory: Path, core: int) -> None:
        with (
            (directory / "said.txt").open("wb") as said,
            (directory / "complaints.txt").open("wb") as complaints,
            on_core(core),
        ):
            self._process = subprocess.Popen(
                argv, cwd=directory, stdin=subprocess.DEVNULL, stdout=said, stderr=complaints
            )
        self.pid = self._process.pid

    def see_through(self) -> str:
        """There is nothing to say."""
        return ""
