"""What a broker must be able to do for the event side; all code that speaks to one is behind these ports."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, Protocol

from registration.runtime.role import RoleError

Headers = list[tuple[str, bytes]]


class BrokerError(RoleError):
    """The broker refused, or could not be reached; a process that cannot do without it cannot do its part."""

    def __init__(self, message: str, next_step: str = "look at the broker's log") -> None:
        super().__init__(message, next_step)


@dataclass(frozen=True)
class Message:
    """What is published. Messages of one key keep their order."""

    key: bytes
    value: bytes
    headers: Headers


@dataclass(frozen=True)
class Output:
    """A message that is published in the transaction that settles what caused it."""

    topic: str
    message: Message


@dataclass(frozen=True, eq=False)
class Delivery:
    """A message in a consumer's hands. Each is unique: one that comes again is another delivery."""

    message: Message
    token: object  # what the client knows it by; nothing else reads it


@dataclass(frozen=True)
class Publishing:
    """How messages are published. Callers decide how long they wait; `timeout_s` bounds what the library does on."""

    timeout_s: float
    acks: Literal["all", "leader", "none"] = "all"
    idempotent: bool = True  # a retried message is in the log once; needs the acknowledgement of all
    linger_s: float = 0.0  # how long a message waits for others to share its request


@dataclass(frozen=True)
class Subscription:
    """How a consumer joins its group and commits.

    Committed as it settles, nothing is lost and some of it may be done twice; committed by a timer, what was handed out
    counts as done. A static member that comes back under its name within its session has its partitions at once; a
    dynamic one joins anew, and its killed predecessor's wait for the end of its session.
    """

    max_unsettled: int  # in hand per partition, beyond which no more of it is handed out
    commit: Literal["settled", "timer"] = "settled"
    commit_interval_s: float = 5.0  # of the timer
    membership: Literal["static", "dynamic"] = "static"
    start: Literal["earliest", "latest"] = "earliest"  # where a group that has committed nothing begins
    session_timeout_s: float = 10.0
    read_committed: bool = False  # skip what aborted transactions wrote, and wait for those that are open
    transactional: bool = False  # what is settled is committed in a transaction, together with its outputs

    def __post_init__(self) -> None:
        if self.transactional and self.commit != "settled":
            raise ValueError("a transaction commits what is settled, not what a timer finds")


@dataclass(frozen=True)
class Capabilities:
    """What a kind of broker can do. Validation refuses scenarios that need more; the contract suite tests each kind.

    replay: a group that comes later reads what was published before. key_order: messages of one key come in the order
    in which they were published. groups: several members share what a group hears. partitions: how many each topic has,
    whatever is asked; None: as asked. lists_lag: what a group has still to settle can be listed as records that wait.
    static_membership: a member that comes back under its name within its session resumes at once. timer_commits: a
    consumer may settle by a timer what it was merely handed. transactions: settling and publishing can be one step.
    delay: a message can be held back by the broker. dead_letter: the broker sets aside by itself what is never settled.
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


def own_group(group: str, topic: str) -> str:
    """The group in which a service of `group` hears a topic of its own; a group for each, so that none moves another.

    `topic` is the variant's name for it; "" is the topic that all share.
    """
    return f"{group}-{topic}" if topic else group


class Publisher(Protocol):
    """Publishes to one topic."""

    async def open(self) -> None: ...

    async def publish(self, message: Message) -> asyncio.Future[object]:
        """Hand the message over. The future ends when the broker has it, or with the library's own error.

        Raises BrokerError where the message is not even taken.
        """
        ...

    async def close(self) -> None: ...


class Subscriber(Protocol):
    """One member of a group. Deliveries may come in any order of partitions; each is settled once its work is done."""

    async def open(self) -> None: ...

    def deliveries(self) -> AsyncIterator[Delivery]: ...

    def settle(self, delivery: Delivery, outputs: Sequence[Output] = ()) -> None:
        """Its work is done. One that was revoked meanwhile is ignored: it comes again, here or elsewhere.

        `outputs` need a transactional subscription: either they are published and it is committed, or neither is.
        """
        ...

    async def close(self) -> None: ...


class Admin(Protocol):
    """Makes topics and looks at groups from outside."""

    async def open(self) -> None: ...

    async def create_topic(self, topic: str, partitions: int, replicas: int | None = None) -> None:
        """Make it, with `replicas` of each partition; None: three, or one a node where there are fewer nodes."""

    async def delete_topic(self, topic: str) -> None: ...

    async def backlog(self, topic: str, groups: Sequence[str]) -> Mapping[str, int]:
        """How many messages of the topic each group still has to finish."""
        ...

    async def unfinished(self, topic: str, group: str) -> Sequence[Message] | None:
        """The messages that a group still has to finish; None: this kind of broker cannot tell."""
        ...

    async def close(self) -> None: ...


class BrokerClient(Protocol):
    """The way to one broker of one kind."""

    capabilities: ClassVar[Capabilities]

    def __init__(self, bootstrap: str) -> None: ...

    def publisher(self, topic: str, publishing: Publishing) -> Publisher: ...

    def subscriber(
        self,
        topic: str,
        subscription: Subscription,
        *,
        group: str,
        member: str,
        on_committed: Callable[[Delivery], None],
        on_revoked: Callable[[Sequence[Delivery]], None],
    ) -> Subscriber:
        """A member of a group.

        `on_committed` hears of each delivery that will not come again, once the broker knows; `on_revoked` of those in
        hand that were taken away: they will come again, here or elsewhere, whatever becomes of them now.
        Raises BrokerError where the subscription needs what this kind cannot do.
        """
        ...

    def admin(self) -> Admin: ...
