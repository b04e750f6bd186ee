"""Where a scenario of the contract takes place: a broker of some kind, and members that can be frozen and killed.

Real: each member is a child process that gets SIGSTOP and SIGKILL. Virtual: a virtual process, in no time.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import uuid
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import part

from event_impl.brokers import client_of
from event_impl.brokers.memory import MemoryBroker
from event_impl.brokers.port import Admin, Capabilities, Message, Publisher, Publishing, Subscriber, Subscription
from virtual import Process, VirtualLoop, VirtualPlatform
from virtual.loop import NS_PER_S

POLL_S = 0.02
WITHIN_S = 15.0  # of a real broker on a busy machine; what is compared are orders of events, not times
SCENARIO_S = 60


class Member(ABC):
    """One life of one consumer."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.said: list[Mapping[str, Any]] = []

    def heard(self, what: str) -> list[Any]:
        return [said[what] for said in self.said if what in said]

    def values(self) -> list[int]:
        return [int(value) for value in self.heard("value")]

    def settle(self, *numbers: int) -> None:
        self.order({"settle": numbers})

    @abstractmethod
    def order(self, order: Mapping[str, Any]) -> None: ...

    @abstractmethod
    def stop(self) -> None: ...

    @abstractmethod
    def go_on(self) -> None: ...

    @abstractmethod
    def kill(self) -> None: ...

    @abstractmethod
    async def gone(self) -> None:
        """Wait until nothing is left of it."""


@dataclass
class World(ABC):
    """A broker of some kind with one topic in it."""

    kind: str
    bootstrap: str
    topic: str = field(default_factory=lambda: f"contract-{uuid.uuid4().hex[:12]}")
    members: list[Member] = field(default_factory=list)

    @property
    def can(self) -> Capabilities:
        return client_of(self.kind).capabilities

    async def open(self, partitions: int) -> None:
        client = client_of(self.kind)(self.bootstrap)
        self.partitions = self.can.partitions or partitions
        self.admin: Admin = client.admin()
        await self.admin.open()
        await self.admin.create_topic(self.topic, self.partitions)
        self.publisher: Publisher = client.publisher(self.topic, Publishing(5.0))
        await self.publisher.open()

    async def close(self) -> None:
        for member in self.members:
            member.kill()
            await member.gone()
        await self.publisher.close()
        await self.admin.close()

    async def join(
        self,
        name: str,
        *,
        group: str = "g",
        topic: str = "",
        settles: bool = True,
        out: str = "",
        waits: bool = True,
        **subscription: object,
    ) -> Member:
        """Start a consumer, and wait until it has joined."""
        settings = {
            "kind": self.kind,
            "bootstrap": self.bootstrap,
            "topic": topic or self.topic,
            "out": out,
            "group": self.group(group),
            "name": name,
            "settles": settles,
            "subscription": {"max_unsettled": 100, "session_timeout_s": 6.0, **subscription},
        }
        member = await self.start(name, settings)
        self.members.append(member)
        if waits:
            await self.until(lambda: bool(member.heard("joined")))
        return member

    def subscriber(self, subscription: Subscription) -> Subscriber:
        """One that nobody opens: for what a kind refuses at once."""
        group, ignore = self.group("g"), lambda _: None
        return client_of(self.kind)(self.bootstrap).subscriber(
            self.topic, subscription, group=group, member="nobody", on_committed=ignore, on_revoked=ignore
        )

    @abstractmethod
    async def start(self, name: str, settings: Mapping[str, Any]) -> Member: ...

    @abstractmethod
    def stop_broker(self) -> None: ...

    @abstractmethod
    def wake_broker(self) -> None: ...

    def group(self, name: str) -> str:
        """Groups of their own, on a broker that several scenarios share."""
        return f"{self.topic}-{name}"

    async def publish(self, numbers: Sequence[int], keys: int = 7) -> None:
        """Publish numbers, of a few keys in turn, and wait until the broker has all."""
        sent = [await self.publisher.publish(message(number, keys)) for number in numbers]
        await asyncio.gather(*sent)

    async def backlog(self, group: str = "g") -> int:
        return (await self.admin.backlog(self.topic, [self.group(group)]))[self.group(group)]

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(WITHIN_S):
            while not condition():
                await asyncio.sleep(POLL_S)

    async def until_backlog(self, size: int) -> None:
        async with asyncio.timeout(WITHIN_S):
            while await self.backlog() != size:
                await asyncio.sleep(POLL_S)


def message(number: int, keys: int = 7) -> Message:
    return Message(b"key-%d" % (number % keys), b"%d" % number, [])


Scenario = Callable[[World], Awaitable[None]]


# On the clock


class RealMember(Member):
    """A child process."""

    def __init__(self, name: str, child: asyncio.subprocess.Process) -> None:
        super().__init__(name)
        self._child = child
        self._hearing = asyncio.create_task(self._hear())

    async def _hear(self) -> None:
        assert self._child.stdout is not None
        async for line in self._child.stdout:
            self.said.append(json.loads(line))

    def order(self, order: Mapping[str, Any]) -> None:
        assert self._child.stdin is not None
        self._child.stdin.write(json.dumps(order).encode() + b"\n")

    def stop(self) -> None:
        self._child.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self._child.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        with suppress(ProcessLookupError):
            self._child.kill()

    async def gone(self) -> None:
        await self._child.wait()
        await self._hearing


@dataclass
class RealWorld(World):
    """A broker of a process of its own."""

    pid: int = 0

    async def start(self, name: str, settings: Mapping[str, Any]) -> Member:
        child = await asyncio.create_subprocess_exec(
            sys.executable,
            part.__file__,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        )
        member = RealMember(name, child)
        member.order(settings)
        return member

    def stop_broker(self) -> None:
        os.kill(self.pid, signal.SIGSTOP)

    def wake_broker(self) -> None:
        os.kill(self.pid, signal.SIGCONT)


def run_real(kind: str, bootstrap: str, pid: int, scenario: Scenario, partitions: int) -> None:
    async def take_place() -> None:
        world = RealWorld(kind, bootstrap, pid=pid)
        await world.open(partitions)
        try:
            async with asyncio.timeout(SCENARIO_S):
                await scenario(world)
        finally:
            world.wake_broker()
            await world.close()

    asyncio.run(take_place())


# In no time


class VirtualMember(Member):
    """A virtual process."""

    def __init__(self, process: Process, settings: Mapping[str, Any]) -> None:
        super().__init__(process.name)
        self._process = process
        self._orders: asyncio.Queue[Mapping[str, Any]] = asyncio.Queue()
        process.spawn(part.take_part(settings, self._given(), self._say))

    def _say(self, said: Mapping[str, Any]) -> None:
        if self._process.reach():
            self.said.append(said)

    async def _given(self) -> AsyncIterator[Mapping[str, Any]]:
        while True:
            yield await self._orders.get()

    def order(self, order: Mapping[str, Any]) -> None:
        self._process.hear(self._orders.put_nowait, order)

    def stop(self) -> None:
        self._process.stop()

    def go_on(self) -> None:
        self._process.go_on()

    def kill(self) -> None:
        self._process.kill()

    async def gone(self) -> None:
        pass


@dataclass
class VirtualWorld(World):
    """A broker in memory."""

    broker: MemoryBroker = field(kw_only=True)
    loop: VirtualLoop = field(kw_only=True)

    async def start(self, name: str, settings: Mapping[str, Any]) -> Member:
        return VirtualMember(Process(self.loop, name), settings)

    def stop_broker(self) -> None:
        self.broker.stop()

    def wake_broker(self) -> None:
        self.broker.go_on()


def run_virtual(kind: str, scenario: Scenario, partitions: int) -> None:
    loop = VirtualLoop()
    broker = MemoryBroker(VirtualPlatform(loop))
    world = VirtualWorld(kind, broker.address, broker=broker, loop=loop)

    async def take_place() -> None:
        await world.open(partitions)
        await scenario(world)
        await world.close()

    task = Process(loop, "test").spawn(take_place())
    try:
        loop.run(SCENARIO_S * NS_PER_S, task.done)
        assert task.done(), f"still going on at {loop.time():g} s"
        task.result()
        loop.check()
    finally:
        loop.close()
