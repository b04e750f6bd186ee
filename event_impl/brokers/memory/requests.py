"""One request of a client to the broker in memory, and its answer, which may come later."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final

from aiokafka.errors import KafkaError

from event_impl.brokers.memory.host import Station

LATER: Final = object()  # what a request returns that is answered later


class BrokerRequest:
    """One request of a client, and the future that its answer ends."""

    __slots__ = ("answer", "args", "handler", "station")

    def __init__(
        self, station: Station, answer: asyncio.Future[Any], handler: Callable[..., object], args: tuple[Any, ...]
    ) -> None:
        self.station = station
        self.answer = answer
        self.handler = handler
        self.args = args

    def carry_out(self) -> None:
        try:
            value = self.handler(self, *self.args)
        except KafkaError as error:
            self.fail(error)
        else:
            if value is not LATER:
                self.reply(value)

    def reply(self, value: object) -> None:
        self.station.hear(_end, self.answer, value)

    def fail(self, error: KafkaError) -> None:
        self.station.hear(_fail, self.answer, error)


def _end(answer: asyncio.Future[Any], value: object) -> None:
    if not answer.done():
        answer.set_result(value)


def _fail(answer: asyncio.Future[Any], error: KafkaError) -> None:
    if not answer.done():
        answer.set_exception(error)
