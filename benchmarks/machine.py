"""What this machine and this installation are: the facts that figures depend on and that do not change within a run."""

from __future__ import annotations

import platform
from contextlib import suppress
from importlib import metadata
from pathlib import Path


def cpu_model() -> str | None:
    """The processor's name, as the system has it."""
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or None


def python() -> str:
    """The implementation and version of Python: `CPython 3.11.7`."""
    return f"{platform.python_implementation()} {platform.python_version()}"


def version() -> str:
    """The version of the installed distribution."""
    try:
        return metadata.version("sync-vs-events")
    except metadata.PackageNotFoundError:  # a tree on PYTHONPATH
        return "unknown"


def clock_source() -> str | None:
    """What the kernel reads the time from; None where it does not say."""
    return _line_of("/sys/devices/system/clocksource/clocksource0/current_clocksource")


def frequency_governor() -> str | None:
    """How the kernel chooses the first core's frequency; None where it does not say, or the hypervisor chooses it."""
    return _line_of("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")


def is_virtual() -> bool | None:
    """Whether this is a guest of a hypervisor; None where the system does not say."""
    with suppress(OSError):
        return " hypervisor" in Path("/proc/cpuinfo").read_text()
    return None


def _line_of(path: str) -> str | None:
    with suppress(OSError):
        return Path(path).read_text(encoding="ascii").strip() or None
    return None
