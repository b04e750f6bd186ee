"""Part `clock`: whether another process has the same CLOCK_MONOTONIC, and what a look at it costs.

    asked ──→ told ──→ heard      one clock: asked ≤ told ≤ heard, every time

Each exchange bounds the offset of the two clocks: told − heard ≤ offset ≤ told − asked. Together they leave an
interval.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import NamedTuple, cast

from benchmarks.calibration.workbench import Workbench
from benchmarks.doctor.clocks import clock_source
from benchmarks.processes.child import Child
from benchmarks.values.json_object import Json
from registration.runtime.harness import Harness, Time

_MODULE = "benchmarks.calibration"
_ANSWER_S = 5.0
_GRACE_S = 3.0
_LOOKS = 10_000


class ClockReading(NamedTuple):
    """One question for the time, all in ns: our clock as we asked, the other's as it answered, ours as we heard it."""

    asked_ns: int
    told_ns: int
    heard_ns: int


async def answer(_settings: bytes, harness: Harness) -> None:
    """The role `clock`: tell the time to whoever asks."""
    harness.send(type="ready")
    async for _ in harness.questions():
        harness.send(type="time", t_ns=time.monotonic_ns())


async def measure(bench: Workbench) -> Json:
    """Resolution, cost, source, and what the exchanges say. Raises ChildError."""
    bench.step(f"{bench.effort.exchanges:,} exchanges with another process")
    child = await Child.spawn("clock", _MODULE, bench.folder() / "clock.log")
    exchanges = []
    try:
        child.begin("clock", {})
        await child.expect("ready", _ANSWER_S)
        for _ in range(bench.effort.exchanges):
            asked_ns = time.monotonic_ns()
            child.send(Time())
            told = await child.expect("time", _ANSWER_S)
            exchanges.append(ClockReading(asked_ns, cast(int, told["t_ns"]), time.monotonic_ns()))
    finally:
        await child.stop(_GRACE_S)
    return {
        "resolution_ns": time.get_clock_info("monotonic").resolution * 1e9,
        "read_ns": read_ns(time.monotonic_ns),
        "source": clock_source(),
        **consistency(exchanges),
    }


def read_ns(clock_ns: Callable[[], int]) -> float:
    """What one look at the clock costs, in ns."""
    began_ns = clock_ns()
    for _ in range(_LOOKS):
        clock_ns()
    return (clock_ns() - began_ns) / _LOOKS


def consistency(exchanges: Sequence[ClockReading]) -> Json:
    """How many answers lay outside, the interval that is left for the offset, and whether one clock explains them."""
    outside = sum(not each.asked_ns <= each.told_ns <= each.heard_ns for each in exchanges)
    low_ns = max(each.told_ns - each.heard_ns for each in exchanges)
    high_ns = min(each.told_ns - each.asked_ns for each in exchanges)
    return {
        "exchanges": len(exchanges),
        "outside": outside,
        "offset_us": [low_ns / 1e3, high_ns / 1e3],
        "one_clock": outside == 0,
    }
