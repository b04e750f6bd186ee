"""Which other programs are busy on this machine: what a run says before it begins.

process times, half a second apart → those that are not ours → by name, the busiest first
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterator

import psutil

from benchmarks.words.numbers import NBSP

SPAN_S = 0.5
LEAST_SHARE = 0.25  # of a core
_MOST_NAMED = 3


async def busy_programs(span_s: float = SPAN_S) -> dict[str, float]:
    """The shares of a core that programs outside this process's tree take, the largest first.

    Those with the same name are taken together, and what takes less than a quarter of a core is left out.
    """
    begin = dict(_cpu_times_s())
    await asyncio.sleep(span_s)
    shares: dict[str, float] = defaultdict(float)
    for process, now_s in _cpu_times_s():
        if process in begin:
            shares[_name(process)] += (now_s - begin[process]) / span_s
    most_first = sorted(shares.items(), key=lambda item: -item[1])
    return {name: share for name, share in most_first if name and share >= LEAST_SHARE}


def busy_line(shares: dict[str, float]) -> str:
    """What to say of them in one line; empty where nothing is busy."""
    named = [f"{name} {100 * share:.0f}{NBSP}%" for name, share in list(shares.items())[:_MOST_NAMED]]
    return f"busy: {', '.join(named)}; going on, the result says what that costs" if named else ""


def _cpu_times_s() -> Iterator[tuple[psutil.Process, float]]:
    """Of every process but ours; one that ends meanwhile is left out."""
    this = psutil.Process()
    ours = {this.pid, *(child.pid for child in this.children(recursive=True))}
    for process in psutil.process_iter():
        if process.pid in ours:
            continue
        try:
            times = process.cpu_times()
        except psutil.Error:
            continue
        yield process, times.user + times.system


def _name(process: psutil.Process) -> str:
    try:
        return process.name()
    except psutil.Error:
        return ""
