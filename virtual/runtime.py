"""What a virtual process runs on: a `registration.runtime.process.Runtime` whose harness is the virtual trial."""

from __future__ import annotations

import asyncio
import uuid
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable

from registration.address import Address
from registration.call import Answer
from registration.clock import Clock
from registration.effects.destination import Destination, DestinationSettings
from registration.inbox import Inbox
from registration.runtime.harness import ControlMessage, Harness, Question
from registration.runtime.process import Runtime, Server
from registration.settings import Settings
from registration.trace import Trace, TraceRecord
from registration.users import Users
from virtual.network import MemoryServer, Network
from virtual.process import Process
from virtual.records import MemoryDestination, MemoryInbox, MemoryTrace, MemoryUsers, UserTable


class World:
    """What the processes of one virtual trial share, and what outlives them."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.network = Network()
        self.users = UserTable()
        self.traces: dict[str, list[TraceRecord]] = defaultdict(list)  # by process
        self.effects: dict[str, Counter[uuid.UUID]] = defaultdict(Counter)  # by service
        self.inboxes: dict[str, set[str]] = defaultdict(set)  # by service
        self.problems: list[BaseException] = []


class VirtualHarness(Harness):
    """`hear` is given each line of the process. `say` and `end` are the trial's."""

    def __init__(self, world: World, process: Process, hear: Callable[[str, ControlMessage], None]) -> None:
        self.world = world
        self.process = process
        self._hear = hear
        self._asked: asyncio.Queue[Question | None] = asyncio.Queue()

    def send(self, **message: object) -> None:
        if self.process.alive:
            self._hear(self.process.name, message)

    def ready(self) -> None:
        self.send(type="ready")

    def broken(self, error: BaseException) -> None:
        self.world.problems.append(error)

    async def questions(self) -> AsyncIterator[Question]:
        while (question := await self._asked.get()) is not None:
            yield question

    def say(self, question: Question) -> None:
        """A line of the harness."""
        self.process.hear(self._asked.put_nowait, question)

    def end(self) -> None:
        """The end of the input: the process is to exit in order."""
        self.process.hear(self._asked.put_nowait, None)


class VirtualRuntime(Runtime):
    """What the process writes goes to the world that it is in."""

    harness: VirtualHarness

    def __init__(self, settings: Settings, harness: Harness) -> None:
        super().__init__(settings, harness)
        self._world, self._process = self.harness.world, self.harness.process
        self.clock = self._world.clock

    def open_trace(self, _header: dict[str, object]) -> Trace:
        return MemoryTrace(self._process, self.clock, self._world.traces[self.name])

    def open_users(self) -> Users:
        return MemoryUsers(self._process, self._world.users)

    async def open_destination(self, service: str, _settings: DestinationSettings) -> Destination:
        return MemoryDestination(self._process, self._world.effects[service])

    def open_inbox(self, service: str) -> Inbox:
        return MemoryInbox(self._process, self._world.inboxes[service])

    def watch_in_flight(self, _count: Callable[[], int]) -> None:
        """Nothing is sampled: the samples are a witness of the real apparatus."""

    def _listen(self, _path: str, answer: Answer, address: Address) -> Server:
        return MemoryServer(self._world.network, answer, address, self.clock)
