"""A service instance, the same on both sides: it hears of a registration and does its work.

How it hears is the receiver's business; it is all that the two implementations differ in here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Protocol, cast

from registration.faults import WorkFault
from registration.runtime.process import Runtime
from registration.work import Worker, WorkSettings


class Receiver(Protocol):
    """How a service hears of registrations."""

    @property
    def busy(self) -> int:
        """Registrations received and not yet done with."""
        ...

    async def open(self) -> None: ...

    async def close(self) -> None: ...


async def run(runtime: Runtime, make_receiver: Callable[[Runtime, Worker], Receiver]) -> None:
    """The role `service`: work until the harness closes the pipe."""
    settings = WorkSettings.from_dict(cast(Mapping[str, object], runtime.settings["work"]))
    trace = runtime.open_trace({"role": "service", "service": settings.service, "instance": settings.instance})
    destination = runtime.open_destination(settings.service)
    worker = Worker(settings, destination, trace, runtime.clock)
    receiver = make_receiver(runtime, worker)
    windows: list[asyncio.Task[None]] = []
    started = cast(int | None, runtime.settings.get("start_ns"))
    if started is not None:  # a successor: scenario time has begun already
        windows = _begin(runtime, worker, started)
    await receiver.open()
    runtime.ready()
    async for message in runtime.messages():
        match message["type"]:
            case "start":
                windows = _begin(runtime, worker, cast(int, message["start_ns"]))
            case "idle":
                runtime.send(type="idle", question=message["question"], busy=receiver.busy)
    for window in windows:
        window.cancel()
    await receiver.close()
    destination.close()
    trace.close()


def _begin(runtime: Runtime, worker: Worker, start_ns: int) -> list[asyncio.Task[None]]:
    """Scenario time begins, or has begun; from now on faults are logged as they come and go."""
    worker.start(start_ns)
    return [asyncio.create_task(_log_window(runtime, fault, start_ns)) for fault in worker.settings.faults]


async def _log_window(runtime: Runtime, fault: WorkFault, start_ns: int) -> None:
    """Tell the harness when a fault's window really began and ended, by this process's clock."""
    for edge, at_ns in (("begin", fault.begin_ns), ("end", fault.end_ns)):
        if start_ns + at_ns < runtime.clock.now_ns():
            continue  # an edge that passed before this process was there
        await runtime.clock.sleep_until(start_ns + at_ns)
        runtime.send(type="fault", fault=fault.name, edge=edge, t_ns=runtime.clock.now_ns())
