"""The clock that everything is timed with, and how punctually this machine wakes a process."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from benchmarks import machine
from benchmarks.doctor.examination import Finding, note, ok
from registration.runtime.timerfd import has_timerfd

_COARSE_S = 1e-6
_NAPS = 100
_NAP_NS = 2_000_000
# Read through a device rather than by the processor itself: each look at the clock costs a microsecond and more.
_SLOW_SOURCES = frozenset({"hpet", "acpi_pm", "jiffies", "pit"})


@dataclass(frozen=True)
class Facts:
    """late_ms: how late each of a series of naps ended, in ascending order."""

    resolution_s: float
    source: str | None
    timerfd: bool
    late_ms: Sequence[float]


def look() -> Facts:
    return Facts(
        resolution_s=time.get_clock_info("monotonic").resolution,
        source=machine.clock_source(),
        timerfd=has_timerfd(),
        late_ms=lateness_ms(time.monotonic_ns, time.sleep),
    )


def lateness_ms(clock_ns: Callable[[], int], sleep: Callable[[float], None]) -> list[float]:
    """Nap a hundred times for two milliseconds: by how much each nap was too long, in ascending order."""
    late = []
    for _ in range(_NAPS):
        due_ns = clock_ns() + _NAP_NS
        sleep(_NAP_NS / 1e9)
        late.append((clock_ns() - due_ns) / 1e6)
    return sorted(late)


def judge(facts: Facts) -> list[Finding]:
    return [_clock(facts), _timer(facts), _punctuality(facts.late_ms)]


def _clock(facts: Facts) -> Finding:
    words = f"CLOCK_MONOTONIC, resolution {facts.resolution_s * 1e9:g} ns"
    if facts.source:
        words += f", from {facts.source}"
    if facts.source in _SLOW_SOURCES:
        return note("clock", f"{words}, which is slow to read", "see /sys/devices/system/clocksource for a faster one")
    if facts.resolution_s > _COARSE_S:
        return note("clock", f"{words}: steps that large show in each latency", "believe no latency below ten steps")
    return ok("clock", words)


def _timer(facts: Facts) -> Finding:
    if facts.timerfd:
        return ok("timer", "timerfd: arrivals are sent within about 0.1 ms of their time")
    return note(
        "timer",
        "no timerfd, so arrivals are paced by the event loop",
        "look at schedule_delay_ms before you read small latencies",
    )


def _punctuality(late_ms: Sequence[float]) -> Finding:
    from benchmarks.analysis.validity import DELAY_LIMIT_MS

    middle, worst = late_ms[len(late_ms) // 2], late_ms[-2]  # of a hundred: the median, and what 1 % exceed
    words = f"a nap ends {middle:.2f} ms late (p50), {worst:.2f} ms (p99)"
    if worst <= DELAY_LIMIT_MS / 2:
        return ok("waking", words)
    return note(
        "waking",
        f"{words}; a run whose arrivals are sent more than {DELAY_LIMIT_MS:g} ms late (p99) is not valid",
        "end what else is running, or take a machine with more cores",
    )
