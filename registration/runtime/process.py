"""What a process of a trial runs on: its clock, its luck, its port, its tasks, and the records that outlive it.

On the virtual clock another class takes its place, and everything above it is the same code
(docs/one-code-two-clocks.md).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Protocol, TypeVar

import msgspec

from registration.address import Address, this_host
from registration.call import Answer, Call, Reply
from registration.clock import Clock
from registration.effects import DESTINATIONS
from registration.effects.destination import Destination, DestinationSettings
from registration.inbox import Inbox, SqliteInbox
from registration.luck import Luck
from registration.runtime.alarm import MonotonicClock
from registration.runtime.harness import Harness, Role
from registration.runtime.http import HttpServer
from registration.runtime.in_flight import InFlightSampler
from registration.runtime.tasks import Tasks
from registration.settings import Settings
from registration.trace import NoTrace, Trace
from registration.users import SqliteUsers, Users

S = TypeVar("S", bound=Settings)


class Server(Protocol):
    """What answers calls at one address."""

    async def open(self) -> None: ...

    async def close(self) -> None: ...


class Runtime:
    """One process of a trial. What ends unexpectedly in it breaks the trial: going on would measure that."""

    clock: Clock = MonotonicClock()

    def __init__(self, settings: Settings, harness: Harness) -> None:
        self.name = settings.name
        self.luck = Luck(settings.block_seed)
        self.harness = harness
        self.tasks = Tasks(harness.broken)
        self._directory = Path(settings.directory)
        self._traced = settings.traced
        self._answering = 0

    @property
    def busy(self) -> int:
        """How much is in hand: calls that are being answered, and tasks."""
        return self._answering + self.tasks.count

    @property
    def trace_path(self) -> Path:
        return self._directory / f"{self.name.replace('/', '-')}.trace"

    def open_trace(self, header: dict[str, object]) -> Trace:
        """This process's trace, its name and host in the header; one that keeps nothing where the settings say so."""
        if not self._traced:
            return NoTrace()
        return Trace(self.trace_path, {"process": self.name, "host": this_host(), **header})

    def open_users(self) -> Users:
        return SqliteUsers(self._directory)

    async def open_destination(self, service: str, settings: DestinationSettings) -> Destination:  # noqa: ARG002
        """Where the effects of a service go. Raises RoleError where it cannot be reached."""
        destination = DESTINATIONS[settings.kind](settings)
        await destination.open()
        return destination

    def open_inbox(self, service: str) -> Inbox:
        """What a service has done, for the variant that keeps a record of it."""
        return SqliteInbox(self._directory, service)

    def serve(self, path: str, answer: Answer, address: Address) -> Server:
        """Bind the port; calls are answered once the server is open. Raises RoleError where it cannot be had."""

        async def counted(call: Call, entered_ns: int) -> Reply:
            self._answering += 1
            try:
                return await answer(call, entered_ns)
            except Exception as error:
                self.harness.broken(error)
                raise
            finally:
                self._answering -= 1

        return self._listen(path, counted, address)

    def _listen(self, path: str, answer: Answer, address: Address) -> Server:
        return HttpServer(path, answer, address, self.clock)

    def watch_in_flight(self, count: Callable[[], int]) -> None:
        """Keep a second witness of what this process has in hand (`registration.runtime.in_flight`), to its end."""
        InFlightSampler(self.trace_path.with_suffix(".inflight"), count).open()


MakeRuntime = Callable[[Settings, Harness], Runtime]


def role(settings: type[S], run: Callable[[S, Runtime], Awaitable[None]], make_runtime: MakeRuntime) -> Role:
    """A role of a trial's process. Playing it raises what `run` raises; ValidationError where settings do not fit."""

    async def play(text: bytes, harness: Harness) -> None:
        own = msgspec.json.decode(text, type=settings)
        await run(own, make_runtime(own, harness))

    return play
