"""How a service hears of registrations: it consumes the topic, at its own pace, as one member of its group.

delivery → receive → [same key before it] → variant → [queue → work, until it succeeds] → settle → offset committed
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from functools import partial
from typing import cast

from event_impl.brokers import client_for
from event_impl.brokers.messages import message_of
from event_impl.brokers.port import Delivery, Output, Publishing, Subscriber, own_group
from event_impl.variants import VARIANTS
from event_impl.variants.variant import Heard, ServiceTools
from registration import event, luck
from registration.registration import Registration
from registration.runtime.process import Runtime
from registration.runtime.role import GRACEFUL_S
from registration.variant import chosen
from registration.work import Worker

_log = logging.getLogger(__name__)

_FORWARD_TIMEOUT_S = 10.0


class Receiver:
    """A subscriber in front of one worker. What was received is done, whoever waits."""

    def __init__(self, runtime: Runtime, worker: Worker) -> None:
        self._runtime = runtime
        self._worker = worker
        self._in_hand: dict[Delivery, tuple[Registration, int]] = {}
        self._last_of_key: dict[tuple[str, bytes], asyncio.Task[None]] = {}  # of each topic
        self._tasks: set[asyncio.Task[None]] = set()
        self._consuming: list[asyncio.Task[None]] = []
        variant, options = chosen(VARIANTS, runtime.settings)
        inbox = partial(runtime.open_inbox, worker.settings.service)
        tools = ServiceTools(runtime.clock, runtime.luck, worker, inbox, self._forward, self._output)
        client = client_for(runtime.settings)
        topic = cast(str, runtime.settings["topic"])
        # The variant's own topics of this service, by the name that it gives them; "" is the one that all share.
        self._own = own = cast(Mapping[str, str], runtime.settings.get("own_topics", {}))
        self._hearing = variant.in_service(options, tools)
        self._publishers = {name: client.publisher(full, Publishing(_FORWARD_TIMEOUT_S)) for name, full in own.items()}
        self._subscribers = {
            name: client.subscriber(
                full_name,
                self._hearing.subscription,
                group=own_group(cast(str, runtime.settings["group"]), name),
                member=runtime.name.replace("/", "-"),
                on_settled=self._record_settled,
                on_revoked=self._forget,
            )
            for name, full_name in {"": topic, **{name: own[name] for name in variant.heard_topics}}.items()
        }

    @property
    def busy(self) -> int:
        """Deliveries in hand whose work is not done."""
        return len(self._tasks)

    async def open(self) -> None:
        """Join the group; from then on events come. Raises BrokerError where the broker does not answer."""
        for publisher in self._publishers.values():
            await publisher.open()
        for subscriber in self._subscribers.values():
            await subscriber.open()
        for topic, subscriber in self._subscribers.items():
            consuming = asyncio.create_task(self._consume(topic, subscriber))
            consuming.add_done_callback(self._report_if_broken)
            self._consuming.append(consuming)

    async def close(self) -> None:
        for consuming in self._consuming:
            consuming.cancel()
            await asyncio.wait([consuming])  # how it ended was reported when it did
        if self._tasks:
            # As long as an HTTP server gives its callers; what is not done by then comes again to the successor.
            await asyncio.wait(self._tasks, timeout=GRACEFUL_S)
        for task in self._tasks:
            task.cancel()
        for subscriber in self._subscribers.values():
            await subscriber.close()
        for publisher in self._publishers.values():
            await publisher.close()

    async def _consume(self, topic: str, subscriber: Subscriber) -> None:
        async for delivery in subscriber.deliveries():
            registration = event.parse(delivery.message.value, delivery.message.headers).registration
            if luck.is_probe(registration.registration_id):
                self._runtime.send(type="probed")
                subscriber.settle(delivery)
                continue
            task = self._begin(topic, subscriber, delivery, registration)
            if self._hearing.one_at_a_time:
                await asyncio.wait([task])

    def _begin(
        self, topic: str, subscriber: Subscriber, delivery: Delivery, registration: Registration
    ) -> asyncio.Task[None]:
        number = self._worker.receive(registration)
        self._in_hand[delivery] = (registration, number)
        key = (topic, delivery.message.key)
        headers = {name: value.decode() for name, value in delivery.message.headers}
        heard = Heard(registration, number, topic, headers)
        task = asyncio.create_task(self._handle(subscriber, delivery, heard, self._last_of_key.get(key)))
        self._last_of_key[key] = task
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(self._report_if_broken)
        return task

    async def _handle(
        self, subscriber: Subscriber, delivery: Delivery, heard: Heard, before: asyncio.Task[None] | None
    ) -> None:
        if before is not None:
            # Events of one user are worked on in the order of their log.
            await asyncio.wait([before])
        outputs = await self._hearing.work(heard)
        key = (heard.topic, delivery.message.key)
        if self._last_of_key.get(key) is asyncio.current_task():
            del self._last_of_key[key]
        subscriber.settle(delivery, outputs or ())

    async def _forward(self, topic: str, registration: Registration, headers: dict[str, str]) -> None:
        await (await self._publishers[topic].publish(self._output(topic, registration, headers).message))

    def _output(self, topic: str, registration: Registration, headers: dict[str, str]) -> Output:
        return Output(self._own[topic], message_of(event.UserRegistered(registration), headers))

    def _report_if_broken(self, task: asyncio.Task[None]) -> None:
        """Failing work is the variant's business; what ends a task is a fault of the apparatus, such as a full disk."""
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("the receiver is broken", exc_info=error)
            self._runtime.broken(error)

    def _record_settled(self, delivery: Delivery) -> None:
        held = self._in_hand.pop(delivery, None)
        if held is not None:  # None: a probe
            self._worker.settled(*held)

    def _forget(self, deliveries: Sequence[Delivery]) -> None:
        """The group has given them to another member: what has begun is finished, and never settled by this one."""
        for delivery in deliveries:
            self._in_hand.pop(delivery, None)
