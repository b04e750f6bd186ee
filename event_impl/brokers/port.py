"""What a broker must be able to do for the event side; everything that speaks to one stands behind these ports."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol

Headers = list[tuple[str, bytes]]


class BrokerError(Exception):
    """The broker refused, or could not be reached. `next_step` tells the person what to try."""

    def __init__(self, message: str, next_step: str = "look at the broker's log") -> None:
        super().__init__(message)
        self.next_step = next_step


@dataclass(frozen=True)
class Message:
    """What is published. Messages of one key keep their order."""

    key: bytes
    value: bytes
    headers: Headers


@dataclass(frozen=True)
class Delivery:
    """A message in a consumer's hands, and its place in the log."""

    message: Message
    partition: int
    offset: int


@dataclass(frozen=True)
class Capabilities:
    """What a kind of broker can do. Validation refuses what asks for more, and the contract suite holds each to it.

    replay: a group that comes later reads what was published before. key_order: messages of one key come in the order
    in which they were published. groups: several members share what a group hears. partitions: how many each topic has,
    whatever is asked; None: as asked. lists_lag: what a group has still to settle can be listed as records that wait.
    static_membership: a member that comes back under its name resumes at once. timer_commits: a consumer may settle by
    a timer what it was merely handed. transactions: settling and publishing can be one step. delay: a message can be
    held back by the broker. dead_letter: the broker sets aside by itself what is never settled.
    durable: what it has acknowledged survives the end of its process.
    """

    replay: bool
    key_order: bool
    groups: bool
    partitions: int | None
    lists_lag: bool
    static_membership: bool
    timer_commits: bool
    transactions: bool
    delay: bool
    dead_letter: bool
    durable: bool


class Publisher(Protocol):
    """Publishes to one topic."""

    async def open(self) -> None: ...

    async def publish(self, message: Message, partition: int | None = None) -> asyncio.Future[object]:
        """Hand the message over. The future ends when the broker has it, or with the library's own error.

        Raises BrokerError where the message is not even taken.
        """
        ...

    async def close(self) -> None: ...


class Subscriber(Protocol):
    """One member of a group. Deliveries may come in any order of partitions; each is settled once its work is done."""

    async def open(self) -> None: ...

    def deliveries(self) -> AsyncIterator[Delivery]: ...

    def settle(self, delivery: Delivery) -> None: ...

    async def close(self) -> None: ...


class Admin(Protocol):
    """Makes topics and looks at groups from outside."""

    async def open(self) -> None: ...

    async def create_topic(self, topic: str, partitions: int, replicas: int | None = None) -> None:
        """Make it, with `replicas` of each partition; None: three, or one a node where there are fewer nodes."""

    async def delete_topic(self, topic: str) -> None: ...

    async def lag(self, topic: str, groups: Sequence[str]) -> Mapping[str, int]:
        """Records past the committed offset, summed over partitions, by group."""
        ...

    async def unsettled(self, topic: str, group: str) -> Sequence[Message]:
        """The messages past a group's committed offsets."""
        ...

    async def close(self) -> None: ...


class Client(Protocol):
    """The way to one broker of one kind."""

    capabilities: ClassVar[Capabilities]

    def __init__(self, bootstrap: str) -> None: ...

    def publisher(self, topic: str, *, timeout_s: float) -> Publisher: ...

    def subscriber(
        self,
        topic: str,
        *,
        group: str,
        member: str,
        max_unsettled: int,
        on_settled: Callable[[Delivery], None],
    ) -> Subscriber: ...

    def admin(self) -> Admin: ...
