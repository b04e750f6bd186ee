"""Parts `timer` and `clock`: how late a timer rings here, and whether another process has the same CLOCK_MONOTONIC.

    asked ──→ told ──→ heard      one clock: asked ≤ told ≤ heard, every time

Each exchange bounds the offset of the two clocks: told − heard ≤ offset ≤ told − asked. Together they leave an
interval.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import NamedTuple, cast

import numpy as np

from benchmarks import machine
from benchmarks.calibration.workbench import Workbench, quantiles
from benchmarks.processes.child import Child
from benchmarks.values.json_object import Json
from registration.runtime.harness import Time

_STOP_WITHIN_S = 3.0
_TIMER_MODULE = "benchmarks.load.punctuality"
_TIMER_WITHIN_S = 60.0
_SHORTEST_NS, _LONGEST_NS = 500_000, 2_000_000
_CLOCK_MODULE = "benchmarks.calibration"
_ANSWER_WITHIN_S = 5.0
_LOOKS = 10_000


async def measure_timer(bench: Workbench) -> Json:
    """`late_ms` of the generator's timer and `loop_late_ms`. Raises ChildError."""
    rings = bench.effort.rings
    bench.step(f"{rings:,} rings of two timers")
    child = await Child.spawn("timer", _TIMER_MODULE, bench.folder() / "timer.log")
    try:
        child.begin("timer", {"rings": rings, "shortest_ns": _SHORTEST_NS, "longest_ns": _LONGEST_NS})
        done = await child.expect("done", _TIMER_WITHIN_S)
    finally:
        await child.stop(_STOP_WITHIN_S)
    return {
        "pacer": done["pacer"],
        "rings": rings,
        "late_ms": _late_ms(done["late_ns"]),
        "loop_late_ms": _late_ms(done["loop_late_ns"]),
    }


def _late_ms(late_ns: object) -> dict[str, float]:
    return quantiles(np.array(cast(list[int], late_ns), dtype=np.float64) / 1e6)


class ClockReading(NamedTuple):
    """One question for the time, all in ns: our clock as we asked, the other's as it answered, ours as we heard it."""

    asked_ns: int
    told_ns: int
    heard_ns: int


async def measure_clock(bench: Workbench) -> Json:
    """Resolution, cost, source, and what the exchanges say. Raises ChildError."""
    bench.step(f"{bench.effort.exchanges:,} exchanges with another process")
    child = await Child.spawn("clock", _CLOCK_MODULE, bench.folder() / "clock.log")
    exchanges = []
    try:
        child.begin("clock", {})
        await child.expect("ready", _ANSWER_WITHIN_S)
        for _ in range(bench.effort.exchanges):
            asked_ns = time.monotonic_ns()
            child.send(Time())
            told = await child.expect("time", _ANSWER_WITHIN_S)
            exchanges.append(ClockReading(asked_ns, cast(int, told["t_ns"]), time.monotonic_ns()))
    finally:
        await child.stop(_STOP_WITHIN_S)
    return {
        "resolution_ns": time.get_clock_info("monotonic").resolution * 1e9,
        "read_ns": read_ns(time.monotonic_ns),
        "source": machine.clock_source(),
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
