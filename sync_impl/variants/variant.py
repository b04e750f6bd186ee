"""What a variant of the direct side is: how the API calls, and what a service makes of a call."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from registration.announce import Store
from registration.call import Call
from registration.clock import Clock
from registration.inbox import Inbox
from registration.luck import Luck
from registration.registration import Registration
from registration.variant import Declared
from registration.work import Worker
from sync_impl.wiring import OwnWiring

Options = TypeVar("Options")


@dataclass(frozen=True)
class Calling:
    """How calls are made: by the client that httpx gives its users, or by the bare transport below it."""

    bare_transport: bool = False


class CallService(Protocol):
    """Calls one service, its instances in turn. Raises AnnounceError: 504 where no answer came in time, else 502."""

    async def __call__(
        self,
        service: str,
        registration: Registration,
        *,
        timeout_s: float,
        attempt: int = 1,
        deadline_ns: int | None = None,
        idempotency_key: str = "",
    ) -> None: ...


@dataclass(frozen=True)
class ApiTools:
    """What a variant has in the API.

    `in_background` does what the reply does not wait for; where that fails with an AnnounceError, the log says so.
    """

    clock: Clock
    luck: Luck
    services: Sequence[str]
    store: Store
    call: CallService
    in_background: Callable[[Coroutine[object, None, None]], None]


@dataclass(frozen=True)
class ServiceTools:
    """What a variant has in a service. `open_inbox`: what the service has done, shared by all its instances."""

    clock: Clock
    luck: Luck
    worker: Worker
    open_inbox: Callable[[], Inbox]


Register = Callable[[Registration], Awaitable[None]]
# One call and the number of its delivery. Raises WorkError.
Work = Callable[[Call, int], Awaitable[None]]


def as_called(_options: object, tools: ServiceTools) -> Work:
    """Do the work, as the attempt that the call names."""

    async def work(call: Call, delivery: int) -> None:
        await tools.worker.perform(call.registration, delivery, call.attempt, call.idempotency_key)

    return work


@dataclass(frozen=True)
class Variant(Declared[Options, OwnWiring]):
    """A way to call. What a factory makes lives as long as its process and may hold state.

    `calling` says how calls are made.
    """

    in_api: Callable[[Options, ApiTools], Register]
    in_service: Callable[[Options, ServiceTools], Work] = as_called
    calling: Callable[[Options], Calling] = lambda _options: Calling()
