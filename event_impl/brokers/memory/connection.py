"""A client's connection to the broker in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

from aiokafka.errors import KafkaError

from event_impl.brokers.memory.broker import MemoryBroker
from event_impl.brokers.memory.platform import Args
from event_impl.brokers.memory.requests import BrokerRequest

RETRY_S = 0.1  # the library's, between two tries

T = TypeVar("T")


class BrokerConnection:
    """Of one client, in the process that makes it.

    Raises KafkaError, when awaited: KafkaConnectionError, RequestTimedOutError, or what the broker says.
    """

    def __init__(self, broker: MemoryBroker, timeout_ms: int) -> None:
        self.broker = broker
        self.caller = broker.platform.caller()
        self._timeout_ns = timeout_ms * 1_000_000

    def ask(self, handler: Callable[[*Args], T], *args: *Args) -> asyncio.Future[T]:
        """Have the broker do something, and answer with what that returns."""
        request: BrokerRequest[T] = BrokerRequest(self.caller)
        return self._send(request, lambda: request.answer_with(handler, *args))

    def wait_for(self, handler: Callable[[BrokerRequest[T], *Args], None], *args: *Args) -> asyncio.Future[T]:
        """Have the broker do something, and answer in its own time."""
        request: BrokerRequest[T] = BrokerRequest(self.caller)
        return self._send(request, lambda: request.hand_to(handler, *args))

    def _send(self, request: BrokerRequest[T], carry_out: Callable[[], None]) -> asyncio.Future[T]:
        self.broker.take_in(request, carry_out, self._timeout_ns)
        return request.answer

    async def ask_until_answered(
        self, handler: Callable[[*Args], T], *args: *Args, give_up_at_ns: int | None = None
    ) -> T:
        """Ask again while the broker is away, up to an instant where one is given."""
        while True:
            try:
                return await self.ask(handler, *args)
            except KafkaError as error:
                late = give_up_at_ns is not None and self.broker.platform.now_ns() >= give_up_at_ns
                if late or not error.retriable:
                    raise
            await asyncio.sleep(RETRY_S)
