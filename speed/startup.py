"""How long a person waits for nothing: prints the waits around a run. A benchmark, not a test: it asserts nothing.

    python speed/startup.py [repeats]

Needs a warm cache (`bench broker fetch`). Every time is CLOCK_MONOTONIC, which is the same in each process.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

TREE = Path(__file__).resolve().parents[1]
BENCH = [sys.executable, str(TREE / "cli.py")]

GOALS = {
    "command to first arrival of the first warm-up, Kafka included": 6.0,
    "end of a drain to the next warm-up": 3.0,
    "bench --help": 0.2,
}


def waits_of_a_run() -> dict[str, list[float]]:
    """Seconds, from one short run of both sides."""
    with tempfile.TemporaryDirectory() as directory:
        out = Path(directory) / "run"
        typed_ns = time.monotonic_ns()
        command = [
            "run",
            "baseline",
            "--quick",
            "--repeat-invalid",
            "0",
            "--variant",
            "events",
            "--variant",
            "sync",
            "--duration",
            "3s",
        ]
        subprocess.run([*BENCH, *command, "--out", str(out)], check=True, capture_output=True)
        trials = [json.loads(path.read_text()) for path in sorted(out.glob("trials/*/trial.json"))]
        firsts_ns = [
            trial["start_ns"] + int(np.load(path.parent / "raw" / "schedule.npy")["intended_ns"][0])
            for trial, path in zip(trials, sorted(out.glob("trials/*/trial.json")), strict=True)
        ]
        warmup_ns = 1_000_000_000  # of --quick
        drained_ns = [trial["start_ns"] + trial["duration_ns"] + round(trial["drain_s"] * 1e9) for trial in trials]
    first, drain, _ = GOALS
    return {
        first: [(firsts_ns[0] - typed_ns) / 1e9],
        # The half second of quiet that proves the drain's end belongs to the wait.
        drain: [(trials[n + 1]["start_ns"] - warmup_ns - drained_ns[n]) / 1e9 for n in range(len(trials) - 1)],
    }


def wait_for_help() -> float:
    began_s = time.monotonic()
    subprocess.run([*BENCH, "--help"], check=True, capture_output=True)
    return time.monotonic() - began_s


def main() -> None:
    repeats = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    measured: dict[str, list[float]] = {name: [] for name in GOALS}
    for _ in range(repeats):
        for name, seconds in waits_of_a_run().items():
            measured[name] += seconds
        measured["bench --help"].append(wait_for_help())
    for name, seconds in measured.items():
        spread = f"{min(seconds):.2f} … {max(seconds):.2f}"
        print(f"{name}: median {statistics.median(seconds):.2f} s ({spread}, n = {len(seconds)}; goal {GOALS[name]:g})")


if __name__ == "__main__":
    main()
