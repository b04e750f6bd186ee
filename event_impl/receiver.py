"""How a service hears of registrations: it consumes the topic, at its own pace, as one member of its group.

delivery → receive → [same key before it] → [queue → work, until it succeeds] → settle → offset committed
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import cast

from event_impl.brokers import CLIENTS
from event_impl.brokers.port import BrokerError, Delivery, Subscription
from event_impl.variants import VARIANTS
from registration import event, luck
from registration.process import GRACEFUL_S, Link, RoleError
from registration.registration import Registration
from registration.work import Worker

_log = logging.getLogger(__name__)

# Deliveries in hand per registration at work, beyond which a partition is paused.
_UNSETTLED_PER_SLOT = 4


class Receiver:
    """A subscriber in front of one worker. What was received is done, whoever waits."""

    def __init__(self, link: Link, worker: Worker) -> None:
        self._link = link
        self._worker = worker
        self._variant = VARIANTS[cast(str, link.settings["variant"])]
        self._in_hand: dict[Delivery, tuple[Registration, int]] = {}  # what, and the worker's number of it
        self._last_of_key: dict[bytes, asyncio.Task[None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._consuming: asyncio.Task[None] | None = None
        client = CLIENTS[cast(str, link.settings["broker"])](cast(str, link.settings["bootstrap"]))
        self._subscriber = client.subscriber(
            cast(str, link.settings["topic"]),
            Subscription(_UNSETTLED_PER_SLOT * worker.settings.concurrency),
            group=cast(str, link.settings["group"]),
            member=link.name.replace("/", "-"),
            on_settled=self._record_settled,
            on_revoked=self._forget,
        )

    @property
    def busy(self) -> int:
        """Deliveries in hand whose work is not done."""
        return len(self._tasks)

    async def open(self) -> None:
        """Join the group; from then on events come. Raises RoleError where the broker does not answer."""
        try:
            await self._subscriber.open()
        except BrokerError as error:
            raise RoleError(str(error), "look at the broker's log") from error
        self._consuming = asyncio.create_task(self._consume())
        self._consuming.add_done_callback(self._report_if_broken)

    async def close(self) -> None:
        if self._consuming is not None:
            self._consuming.cancel()
            await asyncio.wait([self._consuming])  # how it ended was reported when it did
        if self._tasks:
            # As long as an HTTP server gives its callers; what is not done by then comes again to the successor.
            await asyncio.wait(self._tasks, timeout=GRACEFUL_S)
        for task in self._tasks:
            task.cancel()
        await self._subscriber.close()

    async def _consume(self) -> None:
        async for delivery in self._subscriber.deliveries():
            registration = event.parse(delivery.message.value, delivery.message.headers).registration
            if luck.is_probe(registration.registration_id):
                self._link.send(type="probed")
                self._subscriber.settle(delivery)
                continue
            self._begin(delivery, registration)

    def _begin(self, delivery: Delivery, registration: Registration) -> None:
        number = self._worker.receive(registration)
        self._in_hand[delivery] = (registration, number)
        key = delivery.message.key
        task = asyncio.create_task(self._handle(delivery, registration, number, self._last_of_key.get(key)))
        self._last_of_key[key] = task
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(self._report_if_broken)

    async def _handle(
        self, delivery: Delivery, registration: Registration, number: int, before: asyncio.Task[None] | None
    ) -> None:
        if before is not None:
            # Events of one user are worked on in the order of the log.
            await asyncio.wait([before])
        await self._variant.work(self._worker, registration, number)
        if self._last_of_key.get(delivery.message.key) is asyncio.current_task():
            del self._last_of_key[delivery.message.key]
        self._subscriber.settle(delivery)

    def _report_if_broken(self, task: asyncio.Task[None]) -> None:
        """Failing work is retried and ends no task; what does is a fault of the apparatus, such as a full disk."""
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("the receiver is broken", exc_info=error)
            self._link.broken(error)

    def _record_settled(self, delivery: Delivery) -> None:
        held = self._in_hand.pop(delivery, None)
        if held is not None:  # None: a probe
            self._worker.settled(*held)

    def _forget(self, revoked: Sequence[Delivery]) -> None:
        for delivery in revoked:
            self._in_hand.pop(delivery, None)
