"""Processor time and memory of each process and of the whole machine, sampled while a trial runs.

    resources row = t_ns (scenario time), process, cpu_ms (cumulative), rss_mb

Rows of the machine have a time of their own in `cpu_ms`, and no memory:

    machine            steal of all cores: what a hypervisor gave to somebody else
    machine:busy       all cores' work for any process, interrupts left out: nobody's, and mostly our own packets
    machine:pressure   time in which a task that could have run had to wait for a core (Linux PSI, `some`)

A machine that does not report one of them has no such rows.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from benchmarks.trial_result import BUSY, PRESSURE, STEAL

SAMPLE_PERIOD_S = 0.5
_PRESSURE_FILE = Path("/proc/pressure/cpu")
BYTES_PER_MB = 2**20


@dataclass
class Sampler:
    """Samples the processes in `pids` (name → pid) until it is cancelled. `rows`: (t_ns absolute, process, …)."""

    pids: Mapping[str, int]
    rows: list[tuple[int, str, float, float | None]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._processes = {}
        for name, pid in self.pids.items():
            with suppress(psutil.NoSuchProcess):  # it has just died, which is reported elsewhere
                self._processes[name] = psutil.Process(pid)
        # What earlier processes of a name have used: a respawned one goes on counting where they ended.
        self._before_ms = dict.fromkeys(self.pids, 0.0)

    def gone(self, name: str, cpu_ms: float) -> None:
        """The process of this name has ended after `cpu_ms`, says the kernel; no sample saw the last of it."""
        self._processes.pop(name, None)
        self._before_ms[name] += cpu_ms

    def back(self, name: str, pid: int) -> None:
        """Another process has taken over the name."""
        self._processes[name] = psutil.Process(pid)

    async def run(self) -> None:
        """One sample every half second."""
        while True:
            self.sample()
            await asyncio.sleep(SAMPLE_PERIOD_S)

    def sample(self) -> None:
        """Append a row per process; one that has gone has none."""
        t_ns = time.monotonic_ns()
        for name, process in self._processes.items():
            try:
                with process.oneshot():
                    cpu_ms, rss_mb = self._total_ms(name, process), process.memory_info().rss / BYTES_PER_MB
            except psutil.Error:
                continue
            self.rows.append((t_ns, name, cpu_ms, rss_mb))
        self.rows += [(t_ns, name, total_ms, None) for name, total_ms in machine_ms().items()]

    def cpu_ms(self) -> dict[str, float]:
        """Cumulative processor time by process, now."""
        times = dict(self._before_ms)
        for name, process in self._processes.items():
            with suppress(psutil.Error):
                times[name] = self._total_ms(name, process)
        return times

    def rss_mb_max(self) -> dict[str, float]:
        """The largest resident set seen, by process."""
        largest: dict[str, float] = {}
        for _, name, _, rss_mb in self.rows:
            if rss_mb is not None:
                largest[name] = max(largest.get(name, 0.0), rss_mb)
        return largest

    def _total_ms(self, name: str, process: psutil.Process) -> float:
        return self._before_ms[name] + _cpu_ms(process)


def _cpu_ms(process: psutil.Process) -> float:
    times = process.cpu_times()
    return (times.user + times.system) * 1000


def machine_ms(pressure_file: Path = _PRESSURE_FILE) -> dict[str, float]:
    """The machine's cumulative times by the name of their row, as far as this machine reports them."""
    times = psutil.cpu_times()
    busy_s = times.user + times.system + getattr(times, "nice", 0.0)
    told = {STEAL: float(getattr(times, "steal", 0.0)) * 1000, BUSY: busy_s * 1000}
    with suppress(OSError, ValueError, IndexError):  # a kernel without PSI, or with it switched off (psi=0)
        some = pressure_file.read_text(encoding="ascii").splitlines()[0]
        told[PRESSURE] = int(some.rpartition("total=")[2]) / 1000
    return told
