"""A service instance, the same on both sides: it hears of a registration and does its work.

How it hears is the receiver's business; it is all that the two implementations differ in here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Protocol, cast

from registration.faults import WorkFault
from registration.process import Link
from registration.work import Worker, WorkSettings


class Receiver(Protocol):
    """How a service hears of registrations."""

    @property
    def busy(self) -> int:
        """Registrations received and not yet done with."""
        ...

    async def open(self) -> None: ...

    async def close(self) -> None: ...


async def run(link: Link, make_receiver: Callable[[Link, Worker], Receiver]) -> None:
    """The role `service`: work until the harness closes the pipe."""
    settings = WorkSettings.from_dict(cast(Mapping[str, object], link.settings["work"]))
    trace = link.open_trace({"role": "service", "service": settings.service, "instance": settings.instance})
    destination = link.open_destination(settings.service)
    worker = Worker(settings, destination, trace, link.clock)
    receiver = make_receiver(link, worker)
    windows: list[asyncio.Task[None]] = []
    started = cast(int | None, link.settings.get("start_ns"))
    if started is not None:  # a successor: scenario time has begun already
        windows = _begin(link, worker, started)
    await receiver.open()
    link.ready()
    async for message in link.messages():
        match message["type"]:
            case "start":
                windows = _begin(link, worker, cast(int, message["start_ns"]))
            case "idle":
                link.send(type="idle", question=message["question"], busy=receiver.busy)
    for window in windows:
        window.cancel()
    await receiver.close()
    destination.close()
    trace.close()


def _begin(link: Link, worker: Worker, start_ns: int) -> list[asyncio.Task[None]]:
    """Scenario time begins, or has begun; from now on faults are logged as they come and go."""
    worker.start(start_ns)
    return [asyncio.create_task(_log_window(link, fault, start_ns)) for fault in worker.settings.faults]


async def _log_window(link: Link, fault: WorkFault, start_ns: int) -> None:
    """Tell the harness when a fault's window really began and ended, by this process's clock."""
    for edge, at_ns in (("begin", fault.begin_ns), ("end", fault.end_ns)):
        if start_ns + at_ns < link.clock.now_ns():
            continue  # an edge that passed before this process was there
        await link.clock.sleep_until(start_ns + at_ns)
        link.send(type="fault", fault=fault.name, edge=edge, t_ns=link.clock.now_ns())
