"""Carries out the process faults of a trial: begins each at its time, heals it at its time, and keeps what happened.

One task per fault and process. Ending the tasks early heals what can keep a process from being ended.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from dataclasses import dataclass

from benchmarks.faults import KINDS
from benchmarks.faults.process_fault import Processes


@dataclass(frozen=True)
class PlannedFault:
    """One fault on one process; scenario times. `end_ns` is None where it heals as soon as it has begun."""

    fault: str
    kind: str
    process: str
    begin_ns: int
    end_ns: int | None


@dataclass(frozen=True)
class Happened:
    """What one fault did to one process, in CLOCK_MONOTONIC. `ready_s`: from the heal until it was ready again."""

    fault: str
    process: str
    begin_ns: int
    end_ns: int
    ready_s: float


async def carry_out(
    planned: Iterable[PlannedFault], processes: Processes, start_ns: int, happened: list[Happened]
) -> None:
    """Carry out every fault; `happened` grows as they heal. Raises what a respawn raises."""
    async with asyncio.TaskGroup() as group:
        for fault in planned:
            group.create_task(_carry_out_one(fault, processes, start_ns, happened))


async def _carry_out_one(planned: PlannedFault, processes: Processes, start_ns: int, happened: list[Happened]) -> None:
    kind = KINDS[planned.kind]
    await _sleep_until(start_ns + planned.begin_ns)
    begin_ns = time.monotonic_ns()
    try:
        await kind.begin(processes, planned.process)
        if planned.end_ns is not None:
            await _sleep_until(start_ns + planned.end_ns)
        end_ns = time.monotonic_ns()
        await kind.heal(processes, planned.process)
    except BaseException:
        kind.release(processes, planned.process)
        raise
    ready_s = (time.monotonic_ns() - end_ns) / 1e9
    happened.append(Happened(planned.fault, planned.process, begin_ns, end_ns, ready_s))


async def _sleep_until(deadline_ns: int) -> None:
    await asyncio.sleep(max(deadline_ns - time.monotonic_ns(), 0) / 1e9)
