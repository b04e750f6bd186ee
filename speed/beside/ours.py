"""Our own load generator, by the way a run takes: `python -m benchmarks.load`, Locust's runner included."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

import benchmarks
from benchmarks.load.rows import Outcome, read
from benchmarks.planning.arrivals import schedule
from benchmarks.scenario import load_text
from beside.loads import PATH, Closed, Load, Open, Told, quantiles
from beside.processes import on_core

TREE = Path(benchmarks.__file__).parents[1]
"""The tree that is measured: the one this process imports, hence that of PYTHONPATH."""

_LEAD_NS = 200_000_000
_TIMEOUT_MS = 10_000


class Generator:
    """The process and what the harness says to it."""

    def __init__(self, settings: dict[str, object], directory: Path, core: int) -> None:
        with (directory / "complaints.txt").open("wb") as complaints, on_core(core):
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "benchmarks.load"],
                cwd=directory,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=complaints,
                env={**os.environ, "PYTHONPATH": str(TREE)},
            )
        self.pid = self._process.pid
        self._say({"role": "load", "settings": settings})

    def see_through(self) -> str:
        assert self._process.stdin is not None
        try:
            broke_off = self._hear("ready")
            self._say({"type": "start", "start_ns": time.monotonic_ns() + _LEAD_NS})
            return broke_off or self._hear("done")
        except BrokenPipeError:
            return "it ended early: "
        finally:
            self._process.stdin.close()

    def _say(self, message: dict[str, object]) -> None:
        assert self._process.stdin is not None
        os.write(self._process.stdin.fileno(), json.dumps(message).encode() + b"\n")

    def _hear(self, kind: str) -> str:
        """Read until it says `kind`: nothing, else what it said instead."""
        assert self._process.stdout is not None
        for line in self._process.stdout:
            message = json.loads(line)
            if message["type"] == kind:
                return ""
            if message["type"] != "progress":
                return f"{message} "
        return f"it ended before it was {kind}: "


class Ours:
    """The Tool. It counts latency from the intended time; beside the peers, from the send too."""

    name = "bench"

    def can(self, load: Load) -> bool:
        return isinstance(load, Open) or load.rate_per_s is None

    def start(self, load: Load, port: int, directory: Path, core: int) -> Generator:
        settings: dict[str, object] = {
            "addresses": [["127.0.0.1", port]],
            "path": PATH,
            "keys": None,
            "block_seed": "1",
            "timeout_ms": _TIMEOUT_MS,
            "rows": str(directory / "load.rows"),
        }
        if isinstance(load, Closed):
            span = {"warmup_ms": 0, "duration_ms": load.duration_s * 1000}
            settings |= {"executor": "constant-vus", "vus": load.connections, "max_in_flight": load.connections, **span}
        else:
            np.save(directory / "schedule.npy", schedule_of(load))
            settings |= {"executor": "open", "schedule": str(directory / "schedule.npy")}
            settings["max_in_flight"] = load.most_in_flight
        return Generator(settings, directory, core)

    def told(self, load: Load, directory: Path) -> Told:
        rows = read(directory / "load.rows")
        answered = rows[rows["outcome"] == Outcome.ACKED]
        return Told(
            requests=len(rows),
            failed=len(rows) - len(answered),
            latency_ms=quantiles((answered["answered_ns"] - answered["intended_ns"]) / 1e6),
            from_send_ms=quantiles((answered["answered_ns"] - answered["sent_ns"]) / 1e6),
            delay_ms=quantiles((answered["sent_ns"] - answered["intended_ns"]) / 1e6),
        )


def schedule_of(load: Open) -> np.ndarray:
    """The arrivals of a run with this load, SCHEDULE_DTYPE, shape (n,)."""
    workload = f"{{rate: {load.rate_per_s:g}, duration: {load.duration_s:g}s, warmup: 0s, arrivals: {load.arrivals}}}"
    return schedule(
        load_text(f"version: 1\nname: generators\nworkload: {workload}\n", "generators").workload, load.seed
    )
