"""A service instance, the same on both sides: it hears of a registration and does its work.

How it hears is the receiver's business; it is all that the two implementations differ in here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from registration.faults import WorkFault
from registration.runtime.harness import Idle, Start
from registration.runtime.process import Runtime
from registration.settings import ServiceSettings
from registration.work import Worker


class Receiver(Protocol):
    """How a service hears of registrations."""

    async def open(self) -> None: ...

    async def close(self) -> None: ...


async def run(settings: ServiceSettings, runtime: Runtime, make_receiver: Callable[[Worker], Receiver]) -> None:
    """The role `service`: work until the harness closes the pipe."""
    work = settings.work
    trace = runtime.open_trace({"role": "service", "service": work.service, "instance": work.instance})
    destination = await runtime.open_destination(work.service, settings.destination)
    worker = Worker(work, destination, trace, runtime.clock, lambda: runtime.harness.send(type="probed"))
    receiver = make_receiver(worker)
    if settings.start_ns is not None:  # a successor: scenario time has begun already
        _begin(runtime, worker, settings.start_ns)
    await receiver.open()
    runtime.harness.ready()
    async for question in runtime.harness.questions():
        match question:
            case Start(start_ns):
                _begin(runtime, worker, start_ns)
            case Idle(number):
                runtime.harness.send(type="idle", question=number, busy=runtime.busy)
    await runtime.tasks.close()
    await receiver.close()
    await destination.close()
    trace.close()


def _begin(runtime: Runtime, worker: Worker, start_ns: int) -> None:
    """Scenario time begins, or has begun; from now on faults are logged as they come and go."""
    worker.start(start_ns)
    for fault in worker.settings.faults:
        runtime.tasks.serve(_log_window(runtime, fault, start_ns))


async def _log_window(runtime: Runtime, fault: WorkFault, start_ns: int) -> None:
    """Report when a fault's window really began and ended, by this process's clock."""
    for edge, at_ns in (("begin", fault.begin_ns), ("end", fault.end_ns)):
        if start_ns + at_ns < runtime.clock.now_ns():
            continue  # an edge that passed before this process was up
        await runtime.clock.sleep_until(start_ns + at_ns)
        runtime.harness.send(type="fault", fault=fault.name, edge=edge, t_ns=runtime.clock.now_ns())
