"""Injects the faults of processes: begins each at its time, heals it at its time, and keeps what happened.

Faults in a service's work need nobody to heal them: the service knows their window (`registration.faults`).

One task per fault and process. Ending the tasks early releases what a fault would keep from being ended.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from benchmarks.faults import Fault, Processes, ProcessKind
from benchmarks.faults.fault import FaultedVariant
from registration.clock import Clock


@dataclass(frozen=True)
class PlannedFault:
    """One fault on one process."""

    fault: ProcessKind
    process: str


@dataclass(frozen=True)
class FaultRecord:
    """What one fault did to one process; instants of the clock. `ready_s`: from the heal until it was ready again."""

    fault: str
    process: str
    begin_ns: int
    end_ns: int
    ready_s: float


def planned_faults(faults: Iterable[Fault], variant: FaultedVariant, processes: Sequence[str]) -> list[PlannedFault]:
    """Those of `faults` that meet the processes of a trial of `variant`, one entry for each process."""
    return [
        PlannedFault(fault, name)
        for fault in faults
        if isinstance(fault, ProcessKind) and fault.concerns(variant)
        for name in processes
        if fault.is_on(name)
    ]


async def carry_out(
    planned: Iterable[PlannedFault], processes: Processes, clock: Clock, start_ns: int, records: list[FaultRecord]
) -> None:
    """Carry out every fault; scenario time 0 is `start_ns` of `clock`, and `records` grows as they heal.

    Raises what a respawn raises.
    """
    # One after the other on the same process: where one ends as the next begins, the first heals first.
    turns: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
    async with asyncio.TaskGroup() as group:
        for one in planned:
            group.create_task(_carry_out_one(one, processes, clock, start_ns, turns[one.process], records))


async def _carry_out_one(
    planned: PlannedFault,
    processes: Processes,
    clock: Clock,
    start_ns: int,
    turn: asyncio.Lock,
    records: list[FaultRecord],
) -> None:
    fault, name = planned.fault, planned.process
    await clock.sleep_until(start_ns + fault.begin_ns)
    async with turn:
        begin_ns = clock.now_ns()
        try:
            await fault.begin(processes, name)
            if fault.lasts:
                await fault.during(processes, name, clock, start_ns + fault.end_ns)
            end_ns = clock.now_ns()
            await fault.heal(processes, name)
        except BaseException:
            fault.release(processes, name)
            raise
        records.append(FaultRecord(fault.name, name, begin_ns, end_ns, (clock.now_ns() - end_ns) / 1e9))
