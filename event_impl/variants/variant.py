"""What a variant of the event side is: how the API announces, and how a service hears."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from event_impl.brokers.port import Output, Publishing, Subscription
from event_impl.wiring import OwnWiring
from registration.announce import Store
from registration.clock import Clock
from registration.inbox import Inbox
from registration.luck import Luck
from registration.registration import Registration
from registration.variant import Declared
from registration.work import Worker

Options = TypeVar("Options")


class Publish(Protocol):
    """Publishes `user-registered`. Raises AnnounceError: 504 where the broker did not confirm it in time, else 502.

    Not `confirmed`: return as soon as the client library has the event in its hands.
    """

    async def __call__(self, registration: Registration, *, timeout_s: float, confirmed: bool = True) -> None: ...


@dataclass(frozen=True)
class ApiTools:
    """What a variant has in the API."""

    clock: Clock
    luck: Luck
    store: Store
    publish: Publish


class Forward(Protocol):
    """Publishes an event anew, to one of the variant's own topics of this service; returns when the broker has it."""

    async def __call__(self, topic: str, registration: Registration, headers: dict[str, str]) -> None: ...


# Deliveries in hand per registration at work, beyond which a partition is paused.
_UNSETTLED_PER_SLOT = 4


@dataclass(frozen=True)
class ServiceTools:
    """What a variant has in a service.

    `open_inbox`: what the service has done, shared by all its instances. `output` makes what `forward` would publish,
    for work to return: it is published in the transaction that settles the delivery.
    """

    clock: Clock
    luck: Luck
    worker: Worker
    open_inbox: Callable[[], Inbox]
    forward: Forward
    output: Callable[[str, Registration, dict[str, str]], Output]

    @property
    def usual_unsettled(self) -> int:
        """How many deliveries of a partition may be in hand: enough to keep every slot busy, and not the whole log."""
        return _UNSETTLED_PER_SLOT * self.worker.settings.concurrency


@dataclass(frozen=True)
class Heard:
    """One delivery: `topic` is "" or the variant's own topic that it came by, `headers` what was forwarded with it."""

    registration: Registration
    number: int
    topic: str
    headers: dict[str, str]

    @property
    def key(self) -> str:
        """The event's id, the same however often it comes: what a receiver can know it by."""
        return str(self.registration.registration_id)


Register = Callable[[Registration], Awaitable[None]]
# Returns when the delivery may be settled, whatever became of the work; with what is to be published in one
# transaction with that, where the subscription is transactional.
Work = Callable[[Heard], Awaitable[Sequence[Output] | None]]


@dataclass(frozen=True)
class Hearing:
    """How a service hears. `one_at_a_time`: the next delivery is taken up when the one before it is done."""

    work: Work
    subscription: Subscription
    one_at_a_time: bool = False


@dataclass(frozen=True)
class Variant(Declared[Options, OwnWiring]):
    """A way to publish and to consume. What a factory makes lives as long as its process and may hold state.

    `publishing` says how the API's events are sent. `topics` are topics of each service's own, beside the one that all
    subscribe to; `heard_topics` are those of them that the service consumes too, `dead_letters` those in which it puts
    aside what it cannot do. `needs` names the `Capabilities` without which the variant is refused.
    """

    in_api: Callable[[Options, ApiTools], Register]
    in_service: Callable[[Options, ServiceTools], Hearing]
    publishing: Callable[[Options], Publishing]
    topics: tuple[str, ...] = ()
    heard_topics: tuple[str, ...] = ()
    dead_letters: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
