"""The processors: how many, how fast they may go, and who else is using them right now."""

from __future__ import annotations

import os
import re
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from benchmarks.doctor.examination import Finding, note, ok

# Harness, load generator, API, three services and a broker: with fewer cores they wait for one another.
_ENOUGH_CORES = 4
_BUSY_LIMIT = 0.1  # of the usable cores, before a run has begun
_PRESSURE_LIMIT = 0.1  # of the last ten seconds
_LOOK_S = 0.5

_GOVERNOR = Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")
_PRESSURE = Path("/proc/pressure/cpu")
_QUOTA = Path("/sys/fs/cgroup/cpu.max")


@dataclass(frozen=True)
class Facts:
    """Shares are of all cores' time, in the half second of the look; None where the system does not tell.

    usable: cores that this process may run on. quota_cores: what the control group allows in sum. pressure: share of
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


def look() -> Facts:
    import psutil

    times = psutil.cpu_times_percent(_LOOK_S)
    cores = psutil.cpu_count() or 1
    cpuinfo = _text(Path("/proc/cpuinfo"))
    model = re.search(r"^model name\s*:\s*(.+)$", cpuinfo, re.MULTILINE)
    return Facts(
        model=model.group(1) if model else None,
        cores=cores,
        usable=len(os.sched_getaffinity(0)) if sys.platform == "linux" else cores,
        quota_cores=quota_cores(_text(_QUOTA)),
        governor=_text(_GOVERNOR).strip() or None,
        virtual=" hypervisor" in cpuinfo,
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


def judge(facts: Facts) -> list[Finding]:
    findings = [_cores(facts), _governor(facts), _others(facts)]
    if facts.steal is not None:
        findings.append(_steal(facts.steal))
    return findings


def _cores(facts: Facts) -> Finding:
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


def _governor(facts: Facts) -> Finding:
    if facts.governor is None:
        why = "the hypervisor's to set" if facts.virtual else "not told by this system"
        return ok("frequency", f"governor: {why}")
    if facts.governor == "performance":
        return ok("frequency", "governor: performance")
    return note(
        "frequency",
        f"governor: {facts.governor}, so a core that was idle answers later than a busy one",
        "while you measure: sudo cpupower frequency-set -g performance",
    )


def _others(facts: Facts) -> Finding:
    words = f"{facts.busy:.0%} of the cores' time is in use right now"
    if facts.pressure is not None:
        words += f"; in {facts.pressure:.0%} of the last ten seconds something waited for a core"
    if facts.busy <= _BUSY_LIMIT and (facts.pressure or 0) <= _PRESSURE_LIMIT:
        return ok("other work", words)
    return note("other work", words, "end what else is running while you measure; `top` shows it")


def _steal(steal: float) -> Finding:
    from benchmarks.analysis.validity import STEAL_LIMIT

    words = f"{steal:.1%} of the time goes to other guests of the host right now"
    if steal <= STEAL_LIMIT / 2:
        return ok("steal", words)
    return note("steal", f"{words}; above {STEAL_LIMIT:.0%} a run is not valid", "try later, or on another machine")
