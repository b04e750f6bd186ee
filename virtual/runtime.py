"""What a virtual process stands on: a `registration.runtime.process.Runtime` whose harness is the virtual trial."""

from __future__ import annotations

import asyncio
import uuid
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

from registration.call import Answer
from registration.clock import Clock
from registration.effects import Destination
from registration.inbox import Inbox
from registration.runtime.process import ControlMessage, Runtime, Sampler, Server
from registration.trace import Trace
from registration.users import Users
from virtual.network import MemoryServer, Network
from virtual.process import Process
from virtual.records import ArrivalRow, MemoryDestination, MemoryInbox, MemoryTrace, MemoryUsers, UserTable


class World:
    """What the processes of one virtual trial share, and what outlives them."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.network = Network()
        self.users = UserTable()
        self.traces: dict[str, list[ArrivalRow]] = defaultdict(list)  # by process
        self.effects: dict[str, Counter[uuid.UUID]] = defaultdict(Counter)  # by service
        self.inboxes: dict[str, set[str]] = defaultdict(set)  # by service
        self.problems: list[BaseException] = []


class VirtualRuntime(Runtime):
    """`hear` is told each message of the process. `say` and `end` are the harness's."""

    def __init__(
        self, world: World, process: Process, settings: ControlMessage, hear: Callable[[str, Mapping[str, Any]], None]
    ) -> None:
        self.settings = settings
        self.clock = world.clock
        self._world = world
        self._process = process
        self._hear = hear
        self._inbox: asyncio.Queue[ControlMessage | None] = asyncio.Queue()

    def open_trace(self, header: Mapping[str, object]) -> Trace:  # noqa: ARG002 - a file's business
        return MemoryTrace(self._process, self.clock, self._world.traces[self.name])

    def open_users(self) -> Users:
        return MemoryUsers(self._process, self._world.users)

    def open_destination(self, service: str) -> Destination:
        return MemoryDestination(self._process, self._world.effects[service])

    def open_inbox(self, service: str) -> Inbox:
        return MemoryInbox(self._process, self._world.inboxes[service])

    def serve(self, path: str, answer: Answer, port: int, host: str) -> Server:  # noqa: ARG002
        return MemoryServer(self._world.network, answer, port, self.clock)

    def sample_in_flight(self, count: Callable[[], int]) -> Sampler:  # noqa: ARG002 - a witness of the apparatus
        return _NoSampler()

    def send(self, **message: object) -> None:
        if self._process.alive:
            self._hear(self.name, message)

    def ready(self) -> None:
        self.send(type="ready")

    def broken(self, error: BaseException) -> None:
        self._world.problems.append(error)

    async def messages(self) -> AsyncIterator[ControlMessage]:
        while (message := await self._inbox.get()) is not None:
            yield message

    def say(self, **message: object) -> None:
        """A message of the harness."""
        self._process.hear(self._inbox.put_nowait, message)

    def end(self) -> None:
        """The end of the input: the process is to exit in order."""
        self._process.hear(self._inbox.put_nowait, None)


class _NoSampler:
    def open(self) -> None:
        pass

    def close(self) -> None:
        pass
