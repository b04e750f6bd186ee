"""One request of a client to the broker in memory, and its answer, which may come later."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

from aiokafka.errors import KafkaError

from event_impl.brokers.memory.platform import Args, Caller

T = TypeVar("T")


class Pending(Protocol):
    """A request, whatever its answer is."""

    @property
    def caller(self) -> Caller: ...

    def carry_out(self) -> None: ...

    def fail(self, error: KafkaError) -> None: ...


class BrokerRequest(Generic[T]):
    """Who asks, and the future that the answer ends."""

    __slots__ = ("answer", "caller")

    def __init__(self, caller: Caller) -> None:
        self.caller = caller
        self.answer: asyncio.Future[T] = asyncio.get_running_loop().create_future()

    def carry_out(self) -> None:
        raise NotImplementedError

    def reply(self, value: T) -> None:
        self.caller.hear(_end, self.answer, value)

    def fail(self, error: KafkaError) -> None:
        self.caller.hear(_fail, self.answer, error)


class PromptRequest(BrokerRequest[T]):
    """Answered by what its handler returns."""

    __slots__ = ("args", "handler")

    def __init__(self, caller: Caller, handler: Callable[[*Args], T], *args: *Args) -> None:
        super().__init__(caller)
        self.handler: Callable[..., T] = handler
        self.args: tuple[object, ...] = args

    def carry_out(self) -> None:
        try:
            value = self.handler(*self.args)
        except KafkaError as error:
            self.fail(error)
        else:
            self.reply(value)


class PatientRequest(BrokerRequest[T]):
    """Answered by its handler, which is given it, in its own time."""

    __slots__ = ("args", "handler")

    def __init__(self, caller: Caller, handler: Callable[[BrokerRequest[T], *Args], None], *args: *Args) -> None:
        super().__init__(caller)
        self.handler: Callable[..., None] = handler
        self.args: tuple[object, ...] = args

    def carry_out(self) -> None:
        try:
            self.handler(self, *self.args)
        except KafkaError as error:
            self.fail(error)


def _end(answer: asyncio.Future[T], value: T) -> None:
    if not answer.done():
        answer.set_result(value)


def _fail(answer: asyncio.Future[T], error: KafkaError) -> None:
    if not answer.done():
        answer.set_exception(error)
