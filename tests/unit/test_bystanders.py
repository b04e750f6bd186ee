"""What else is busy is said before a run."""

import asyncio
import os
import subprocess
import sys

import pytest

from benchmarks import bystanders


def test_our_own_children_are_no_bystanders() -> None:
    loop = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        assert loop.pid not in {process.pid for process, _ in bystanders._cpu_times_s()}
        assert os.getppid() in {process.pid for process, _ in bystanders._cpu_times_s()}
    finally:
        loop.kill()
        loop.wait()


@pytest.mark.parametrize(
    ("shares", "line"),
    [
        ({}, ""),
        ({"cargo": 0.87}, "busy: cargo 87 %; the run continues, and the result says what that costs"),
        (
            {"a": 1.9, "b": 1.0, "c": 0.5, "d": 0.3},
            "busy: a 190 %, b 100 %, c 50 %; the run continues, and the result says what that costs",
        ),
    ],
)
def test_the_line_names_three_at_most(shares: dict[str, float], line: str) -> None:
    assert bystanders.busy_line(shares) == line


class Process:
    """Stands in for one of psutil's; `cpu_s` is what it has taken at each look."""

    def __init__(self, name: str, *cpu_s: float) -> None:
        self._name, self._cpu_s = name, iter(cpu_s)

    def name(self) -> str:
        return self._name

    def cpu_s(self) -> float:
        return next(self._cpu_s)


def test_shares_are_of_a_core_by_name_and_small_ones_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    looks = [
        Process("cc1", 1.0, 1.05),
        Process("cc1", 2.0, 2.06),
        Process("bash", 9.0, 9.001),
        Process("new", 0.0, 5.0),
    ]
    rounds = iter([looks[:3], looks])
    monkeypatch.setattr(bystanders, "_cpu_times_s", lambda: [(each, each.cpu_s()) for each in next(rounds)])
    assert asyncio.run(bystanders.busy_programs(0.1)) == {"cc1": pytest.approx(1.1)}
