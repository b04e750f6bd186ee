"""A client's connection to the broker in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from aiokafka.errors import KafkaError

from event_impl.brokers.memory.broker import MemoryBroker

RETRY_S = 0.1  # the library's, between two tries


class BrokerConnection:
    """Of one client, in the process that makes it."""

    def __init__(self, broker: MemoryBroker, timeout_ms: int) -> None:
        self.broker = broker
        self.station = broker.host.caller()
        self._timeout_ns = timeout_ms * 1_000_000

    def ask(self, handler: Callable[..., object], *args: object) -> asyncio.Future[Any]:
        """Raises KafkaError, when awaited: KafkaConnectionError, RequestTimedOutError, or what the broker says."""
        return self.broker.request(self.station, self._timeout_ns, handler, *args)

    async def ask_until_answered(
        self, handler: Callable[..., object], *args: object, give_up_at_ns: int | None = None
    ) -> Any:
        """Ask again while the broker is away, up to an instant where one is given. Raises KafkaError."""
        while True:
            try:
                return await self.ask(handler, *args)
            except KafkaError as error:
                late = give_up_at_ns is not None and self.broker.host.now_ns() >= give_up_at_ns
                if late or not error.retriable:
                    raise
            await asyncio.sleep(RETRY_S)
