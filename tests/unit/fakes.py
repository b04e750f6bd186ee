"""Fakes behind the project's own ports: a broker in memory, a runtime to a harness that only listens."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from event_impl.brokers.port import BrokerError, Delivery, Message, Output, Publishing, Subscription
from event_impl.brokers.progress import PartitionProgress
from registration.runtime.harness import Harness
from registration.runtime.process import Runtime
from registration.settings import Settings


class FakeHarness(Harness):
    """Keeps what it hears in `sent`."""

    def __init__(self) -> None:
        super().__init__(asyncio.StreamReader())
        self.sent: list[dict[str, object]] = []

    def send(self, **message: object) -> None:
        self.sent.append(message)

    def types_sent(self) -> list[object]:
        return [message["type"] for message in self.sent]


class FakeRuntime(Runtime):
    """Stands on a harness that only listens."""

    harness: FakeHarness

    def __init__(self, directory: Path, name: str = "email/0") -> None:
        super().__init__(Settings(name=name, directory=str(directory), block_seed=1, variant=""), FakeHarness())


@dataclass
class FakePublisher:
    """Appends to the log at once; a test breaks it by setting one of the three flags."""

    log: list[Message]
    silent: bool = False  # takes messages and never confirms them
    refuses: bool = False  # takes no message
    fails: bool = False  # takes messages and fails to deliver them
    open_fails: bool = False
    unconfirmed: list[asyncio.Future[object]] = field(default_factory=list)

    async def open(self) -> None:
        if self.open_fails:
            raise BrokerError("no answer")

    async def publish(self, message: Message) -> asyncio.Future[object]:
        if self.refuses:
            raise BrokerError("the message is too large")
        future: asyncio.Future[object] = asyncio.get_running_loop().create_future()
        if self.fails:
            future.set_exception(ConnectionError("the leader is gone"))
        elif self.silent:
            self.unconfirmed.append(future)
        else:
            self.log.append(message)
            future.set_result(None)
        return future

    async def close(self) -> None:
        pass


class FakeSubscriber:
    """Delivers what a test puts in, and commits the settled prefix at once."""

    def __init__(
        self,
        subscription: Subscription,
        on_committed: Callable[[Delivery], None],
        on_revoked: Callable[[Sequence[Delivery]], None],
    ) -> None:
        self.subscription = subscription
        self.on_revoked = on_revoked
        self.committed: list[int] = []
        self.open_fails = False
        self._on_committed = on_committed
        self._progress = PartitionProgress()
        self._queue: asyncio.Queue[Delivery] = asyncio.Queue()
        self._end = 0

    def put(self, message: Message) -> None:
        """Append a message to the one partition there is."""
        self._queue.put_nowait(Delivery(message, self._end))
        self._end += 1

    async def open(self) -> None:
        if self.open_fails:
            raise BrokerError("no answer")

    async def deliveries(self) -> AsyncIterator[Delivery]:
        while True:
            delivery = await self._queue.get()
            self._progress.hand_out(cast(int, delivery.token), delivery)
            yield delivery

    def settle(self, delivery: Delivery, outputs: Sequence[Output] = ()) -> None:
        self._progress.settle(cast(int, delivery.token), outputs)
        if (last := self._progress.last_settled()) is not None:
            for forgotten in self._progress.committed(last):
                self.committed.append(cast(int, forgotten.token))
                self._on_committed(forgotten)

    def revoke(self) -> None:
        """Take away all that is in hand; what settles later counts for nothing."""
        revoked, self._progress = self._progress.in_hand(), PartitionProgress()
        self.on_revoked(revoked)

    async def close(self) -> None:
        pass


class FakeAdmin:
    """A broker seen from outside: nothing waits."""

    async def open(self) -> None:
        pass

    async def create_topic(self, topic: str, partitions: int, replicas: int | None = None) -> None:
        pass

    async def backlog(self, topic: str, groups: Sequence[str]) -> Mapping[str, int]:
        return dict.fromkeys(groups, 0)

    async def unfinished(self, topic: str, group: str) -> Sequence[Message]:
        return []

    async def close(self) -> None:
        pass


class FakeClient:
    """The way to a broker in memory. `made` is the last one made, for the test to find its parts."""

    made: FakeClient

    def __init__(self, bootstrap: str) -> None:
        self.bootstrap = bootstrap
        self.the_publisher = FakePublisher([])
        self.the_subscriber: FakeSubscriber
        FakeClient.made = self

    def publisher(self, topic: str, publishing: Publishing) -> FakePublisher:
        return self.the_publisher

    def subscriber(
        self,
        topic: str,
        subscription: Subscription,
        *,
        group: str,
        member: str,
        on_committed: Callable[[Delivery], None],
        on_revoked: Callable[[Sequence[Delivery]], None],
    ) -> FakeSubscriber:
        self.the_subscriber = FakeSubscriber(subscription, on_committed, on_revoked)
        return self.the_subscriber

    def admin(self) -> FakeAdmin:
        return FakeAdmin()
