"""`events`: reply when the broker has the event; failing work is retried in place, and holds the offsets behind it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from tenacity import AsyncRetrying, retry_if_exception_type, wait_exponential

from event_impl.brokers.port import Message
from registration.registration import Registration
from registration.work import Worker, WorkError

# 100 ms, 200 ms, … 2 s, and no end: an event that cannot be worked on blocks its partition rather than being lost.
_FIRST_WAIT_S = 0.1
_LONGEST_WAIT_S = 2.0


class Events:
    """At least once: an offset is committed only past applied work."""

    async def announce(self, publish: Callable[[Message], Awaitable[None]], message: Message) -> None:
        await publish(message)

    async def work(self, worker: Worker, registration: Registration, delivery: int) -> None:
        retrying = AsyncRetrying(
            retry=retry_if_exception_type(WorkError),
            wait=wait_exponential(multiplier=_FIRST_WAIT_S, max=_LONGEST_WAIT_S),
        )
        async for attempt in retrying:
            with attempt:
                await worker.perform(registration, delivery, attempt.retry_state.attempt_number)
