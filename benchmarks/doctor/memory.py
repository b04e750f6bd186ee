"""Memory: whether all the processes of a run fit beside each other."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from benchmarks.doctor.examination import Finding, missing, note, ok

# Eight Python processes and a broker of 256 MB heap.
_NEEDED_MB = 800
_ENOUGH_MB = 2_000
_GROUP = Path("/sys/fs/cgroup")


@dataclass(frozen=True)
class Facts:
    """available_mb: what can be had without swapping. group_left_mb: what the control group leaves; None: no limit."""

    total_mb: float
    available_mb: float
    group_left_mb: float | None


def look() -> Facts:
    import psutil

    found = psutil.virtual_memory()
    left = None
    with suppress(OSError, ValueError):  # "max" is no number
        limit = int((_GROUP / "memory.max").read_text(encoding="ascii"))
        left = (limit - int((_GROUP / "memory.current").read_text(encoding="ascii"))) / 2**20
    return Facts(found.total / 2**20, found.available / 2**20, left)


def judge(facts: Facts) -> list[Finding]:
    left_mb = min(facts.available_mb, facts.group_left_mb if facts.group_left_mb is not None else facts.available_mb)
    words = f"{left_mb:,.0f} MB can be had, of {facts.total_mb:,.0f} MB"
    if left_mb < _NEEDED_MB:
        return [missing("memory", f"{words}; a run with a broker needs about {_NEEDED_MB} MB", "end other programs")]
    if left_mb < _ENOUGH_MB:
        return [note("memory", f"{words}: enough for one instance of each service", "end other programs for more")]
    return [ok("memory", words)]
