"""What a variant of the event side decides."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol

from event_impl.brokers.port import Message
from registration.registration import Registration
from registration.work import Worker


class Variant(Protocol):
    """The two ends of the wire: telling in the API, working in the consumer."""

    async def announce(self, publish: Callable[[Message], Awaitable[None]], message: Message) -> None: ...

    async def work(self, worker: Worker, registration: Registration, delivery: int) -> None: ...
