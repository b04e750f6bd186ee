"""One run of one generator against a fresh server: what the server saw, what it cost, what the generator tells."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import numpy as np
import psutil

from beside.exact import Times
from beside.loads import Load, Told, Tool
from beside.processes import cpu_s, on_core

_SPARE_S = 60.0
"""What a tool may take to start, to let its last requests end, and to write its results."""

_SERVER = Path(__file__).with_name("server.py")


QUIET_CORES = 0.1
"""What the rest of the machine may do during a run that is to count as undisturbed."""


@dataclass(frozen=True)
class Cores:
    """Where the two run, and how often a run that a neighbour disturbed is made again."""

    generator: int
    server: int
    patience: int = 0


@dataclass(frozen=True)
class Freeze:
    """The server stands still (SIGSTOP) for `for_s`, `after_s` after its first request."""

    after_s: float
    for_s: float


@dataclass(frozen=True)
class Measured:
    """Times are CLOCK_MONOTONIC ns. `seen_ns` are the server's receive times, shape (n,).

    `cpu_s` is the generator's whole process, start and end included; `load_cpu_s` what it took from the first request
    that the server got until its end. `server_busy` is the share of its core that the server took meanwhile, and
    `others_cores` how many cores the rest of the machine kept busy during the run.
    """

    told: Told
    seen_ns: Times
    cpu_s: float
    load_cpu_s: float
    server_busy: float
    others_cores: float
    frozen_ns: int | None
    woken_ns: int | None


class Server:
    """The server's process, and what has to happen at the first request."""

    def __init__(self, delay_ms: float, directory: Path, core: int) -> None:
        self._stamps = directory / "stamps"
        argv = [sys.executable, "-P", str(_SERVER), str(delay_ms), str(self._stamps)]
        with on_core(core):
            self._process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self._process.stdout is not None
        self.port = int(self._process.stdout.readline())
        self.pid = self._process.pid

    def __enter__(self) -> Server:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if self._process.returncode is None:
            self._process.kill()
            self._process.wait()

    def wait_for_first(self) -> bool:
        """Whether there was one: False where the server ended before."""
        assert self._process.stdout is not None
        return self._process.stdout.readline() == b"first\n"

    def end(self) -> Times:
        """What it saw."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()
        return np.fromfile(self._stamps, np.int64)


class Watch(threading.Thread):
    """Takes the CPU clocks at the first request and freezes the server, beside the thread that waits for the tool."""

    def __init__(self, server: Server, generator_pid: int, freeze: Freeze | None) -> None:
        super().__init__(daemon=True)
        self._server = server
        self._generator_pid = generator_pid
        self._freeze = freeze
        self.generator_cpu_s = self.server_cpu_s = 0.0
        self.frozen_ns: int | None = None
        self.woken_ns: int | None = None

    def run(self) -> None:
        if not self._server.wait_for_first():
            return
        self.generator_cpu_s, self.server_cpu_s = cpu_s(self._generator_pid), cpu_s(self._server.pid)
        if self._freeze is None:
            return
        time.sleep(self._freeze.after_s)
        self.frozen_ns = time.monotonic_ns()
        os.kill(self._server.pid, signal.SIGSTOP)
        time.sleep(self._freeze.for_s)
        self.woken_ns = time.monotonic_ns()
        os.kill(self._server.pid, signal.SIGCONT)


def measure(tool: Tool, load: Load, cores: Cores, delay_ms: float = 0, freeze: Freeze | None = None) -> Measured:
    """Run it, again while it is disturbed and there is patience; the quietest run, whatever its figures.

    Raises RuntimeError with what the tool said where it failed.
    """
    quietest = _measure_once(tool, load, cores, delay_ms, freeze)
    for _ in range(cores.patience):
        if quietest.others_cores <= QUIET_CORES:
            break
        again = _measure_once(tool, load, cores, delay_ms, freeze)
        quietest = min(quietest, again, key=lambda run: run.others_cores)
    return quietest


def _measure_once(tool: Tool, load: Load, cores: Cores, delay_ms: float, freeze: Freeze | None) -> Measured:
    with (
        tempfile.TemporaryDirectory(prefix="generators-") as name,
        Server(delay_ms, Path(name), cores.server) as server,
    ):
        directory = Path(name)
        began_s, machine_s, before_s = time.monotonic(), _machine_cpu_s(), cpu_s(server.pid)
        process = tool.start(load, server.port, directory, cores.generator)
        watch = Watch(server, process.pid, freeze)
        watch.start()
        limit = threading.Timer(load.duration_s + _SPARE_S, os.kill, (process.pid, signal.SIGKILL))
        limit.daemon = True
        limit.start()
        said = process.see_through()
        _, status, used = os.wait4(process.pid, 0)
        limit.cancel()
        server_cpu_s = cpu_s(server.pid)
        total_s = used.ru_utime + used.ru_stime
        others_s = _machine_cpu_s() - machine_s - total_s - (server_cpu_s - before_s)
        lasted_s = time.monotonic() - began_s
        if status != 0:
            said += (directory / "complaints.txt").read_text()[-2_000:]
            raise RuntimeError(f"{tool.name} ended with {os.waitstatus_to_exitcode(status)}: {said}")
        seen_ns = server.end()
        watch.join()
        if len(seen_ns) < 2:
            raise RuntimeError(f"{tool.name} sent {len(seen_ns)} requests")
        return Measured(
            told=tool.told(load, directory),
            seen_ns=seen_ns,
            cpu_s=total_s,
            load_cpu_s=total_s - watch.generator_cpu_s,
            server_busy=(server_cpu_s - watch.server_cpu_s) / (float(seen_ns[-1] - seen_ns[0]) / 1e9),
            others_cores=max(0.0, others_s / lasted_s),
            frozen_ns=watch.frozen_ns,
            woken_ns=watch.woken_ns,
        )


def _machine_cpu_s() -> float:
    """What all cores have worked since the machine was started, work taken away by a hypervisor included."""
    times = psutil.cpu_times()
    return float(times.user + times.nice + times.system + times.irq + times.softirq + times.steal)
