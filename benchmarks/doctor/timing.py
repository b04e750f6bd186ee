"""How exactly times can be kept here: the processors, what else uses them, the clock, and waking from sleep."""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from benchmarks import machine
from benchmarks.doctor.examination import Finding, note, ok
from benchmarks.words.numbers import rough_percent
from registration.runtime.timerfd import has_timerfd

# Harness, load generator, API, three services and a broker: with fewer cores they wait for one another.
_ENOUGH_CORES = 4
_BUSY_LIMIT = 0.1  # of the usable cores, before a run has begun
_PRESSURE_LIMIT = 0.1  # of the last ten seconds
_LOOK_S = 0.5

_PRESSURE = Path("/proc/pressure/cpu")
_QUOTA = Path("/sys/fs/cgroup/cpu.max")


@dataclass(frozen=True)
class ProcessorFacts:
    """Shares are of all cores' time, in the half second of the look; None where the system does not say.

    usable: cores that this process may run on. quota_cores: what the control group allows in all. pressure: share of
    the last ten seconds in which some task waited for a core.
    """

    model: str | None
    cores: int
    usable: int
    quota_cores: float | None
    governor: str | None
    virtual: bool
    busy: float
    steal: float | None
    pressure: float | None


def look_at_processors() -> ProcessorFacts:
    import psutil

    times = psutil.cpu_times_percent(_LOOK_S)
    cores = psutil.cpu_count() or 1
    return ProcessorFacts(
        model=machine.cpu_model(),
        cores=cores,
        usable=len(os.sched_getaffinity(0)) if sys.platform == "linux" else cores,
        quota_cores=quota_cores(_text(_QUOTA)),
        governor=machine.frequency_governor(),
        virtual=bool(machine.is_virtual()),
        busy=1 - (times.idle + getattr(times, "iowait", 0.0)) / 100,
        steal=times.steal / 100 if hasattr(times, "steal") else None,
        pressure=pressure(_text(_PRESSURE)),
    )


def quota_cores(text: str) -> float | None:
    """Cores' worth of time from the text of `cpu.max`: `200000 100000` is 2.0, `max 100000` no limit."""
    quota, _, period = text.strip().partition(" ")
    return int(quota) / int(period) if quota.isdigit() and period.isdigit() else None


def pressure(text: str) -> float | None:
    """The share of `some avg10` in the text of a file of /proc/pressure."""
    found = re.search(r"^some avg10=([0-9.]+)", text, re.MULTILINE)
    return float(found.group(1)) / 100 if found else None


def _text(path: Path) -> str:
    with suppress(OSError):
        return path.read_text(encoding="utf-8", errors="replace")
    return ""


def judge_processors(facts: ProcessorFacts) -> list[Finding]:
    findings = [_cores(facts), _governor(facts), _others(facts)]
    if facts.steal is not None:
        findings.append(_steal(facts.steal))
    return findings


def _cores(facts: ProcessorFacts) -> Finding:
    usable = min(facts.usable, facts.quota_cores or facts.usable)
    words = f"{facts.cores}, {'all' if usable == facts.cores else f'{usable:g}'} usable"
    if facts.model:
        words += f" ({facts.model})"
    if usable >= _ENOUGH_CORES:
        return ok("cores", words)
    return note(
        "cores",
        f"{words}: eight processes and more share them, so high rates show this machine rather than the design",
        "keep the rate low enough for each run to call itself valid; compare ratios, not absolute figures",
    )


def _governor(facts: ProcessorFacts) -> Finding:
    if facts.governor is None:
        why = "set by the hypervisor" if facts.virtual else "not known on this system"
        return ok("frequency", f"governor: {why}")
    if facts.governor == "performance":
        return ok("frequency", "governor: performance")
    return note(
        "frequency",
        f"governor: {facts.governor}, so a core that was idle answers later than a busy one",
        "while you measure: sudo cpupower frequency-set -g performance",
    )


def _others(facts: ProcessorFacts) -> Finding:
    words = f"{rough_percent(facts.busy)} of the cores' time is in use right now"
    if facts.pressure is not None:
        words += f"; in {rough_percent(facts.pressure)} of the last ten seconds something waited for a core"
    if facts.busy <= _BUSY_LIMIT and (facts.pressure or 0) <= _PRESSURE_LIMIT:
        return ok("other work", words)
    return note("other work", words, "end what else is running while you measure; `top` shows it")


def _steal(steal: float) -> Finding:
    from benchmarks.analysis.overload import STEAL_LIMIT

    words = f"{rough_percent(steal)} of the time goes to other guests of the host right now"
    if steal <= STEAL_LIMIT / 2:
        return ok("steal", words)
    return note(
        "steal", f"{words}; above {rough_percent(STEAL_LIMIT)} a run is disturbed", "try later, or on another machine"
    )


_COARSE_S = 1e-6
_NAPS = 100
_NAP_NS = 2_000_000
# Read through a device rather than by the processor itself: each reading of the clock costs a microsecond and more.
_SLOW_SOURCES = frozenset({"hpet", "acpi_pm", "jiffies", "pit"})


@dataclass(frozen=True)
class ClockFacts:
    """late_ms: how late each of a series of naps ended, in ascending order."""

    resolution_s: float
    source: str | None
    timerfd: bool
    late_ms: Sequence[float]


def look_at_clocks() -> ClockFacts:
    return ClockFacts(
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


def judge_clocks(facts: ClockFacts) -> list[Finding]:
    return [_clock(facts), _timer(facts), _punctuality(facts.late_ms)]


def _clock(facts: ClockFacts) -> Finding:
    words = f"CLOCK_MONOTONIC, resolution {facts.resolution_s * 1e9:g} ns"
    if facts.source:
        words += f", from {facts.source}"
    if facts.source in _SLOW_SOURCES:
        return note("clock", f"{words}, which is slow to read", "see /sys/devices/system/clocksource for a faster one")
    if facts.resolution_s > _COARSE_S:
        return note(
            "clock", f"{words}: steps of that size show in each latency", "do not trust a latency below ten steps"
        )
    return ok("clock", words)


def _timer(facts: ClockFacts) -> Finding:
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
