"""One request of a client to the broker in memory, and its answer, which may come later."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Generic, TypeVar

from aiokafka.errors import KafkaError

from event_impl.brokers.memory.platform import Args, Caller

T = TypeVar("T")


class BrokerRequest(Generic[T]):
    """The caller, and the future that the answer completes."""

    __slots__ = ("answer", "caller")

    def __init__(self, caller: Caller) -> None:
        self.caller = caller
        self.answer: asyncio.Future[T] = asyncio.get_running_loop().create_future()

    def answer_with(self, handler: Callable[[*Args], T], *args: *Args) -> None:
        """What the handler returns, or the KafkaError that it raises, is the answer."""
        try:
            value = handler(*args)
        except KafkaError as error:
            self.fail(error)
        else:
            self.reply(value)

    def hand_to(self, handler: Callable[[BrokerRequest[T], *Args], None], *args: *Args) -> None:
        """The handler answers it in its own time, or raises a KafkaError."""
        try:
            handler(self, *args)
        except KafkaError as error:
            self.fail(error)

    def reply(self, value: T) -> None:
        self.caller.hear(_end, self.answer, value)

    def fail(self, error: KafkaError) -> None:
        self.caller.hear(_fail, self.answer, error)


def _end(answer: asyncio.Future[T], value: T) -> None:
    if not answer.done():
        answer.set_result(value)


def _fail(answer: asyncio.Future[T], error: KafkaError) -> None:
    if not answer.done():
        answer.set_exception(error)
