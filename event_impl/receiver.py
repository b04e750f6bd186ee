"""How a service learns of registrations: it consumes the topic, at its own pace, as one member of its group.

delivery → receive → [same key before it] → variant → [queue → work, until it succeeds] → settle → offset committed

A rebalance takes away what is not committed: what has begun is finished and not settled, what has not begun is dropped.
Both come again, here or elsewhere, as deliveries of their own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial

from event_impl.brokers import client_of
from event_impl.brokers.messages import message_of
from event_impl.brokers.port import Delivery, Output, Publishing, Subscriber, own_group
from event_impl.variants import VARIANTS
from event_impl.variants.variant import Heard, ServiceTools
from event_impl.wiring import ServiceWiring
from registration import event
from registration.registration import Registration
from registration.runtime.process import Runtime
from registration.variant import chosen
from registration.work import Revoked, Worker

_FORWARD_TIMEOUT_S = 10.0


class Receiver:
    """A subscriber in front of one worker. What was received is done, whether or not anyone waits."""

    def __init__(self, wiring: ServiceWiring, runtime: Runtime, worker: Worker) -> None:
        variant, options = chosen(VARIANTS, wiring)
        inbox = partial(runtime.open_inbox, wiring.work.service)
        self._worker = worker
        tools = ServiceTools(runtime.clock, runtime.luck, worker, inbox, self._forward, self._output)
        self._hearing = variant.in_service(options, tools)
        self._tasks = runtime.tasks
        self._in_hand: dict[Delivery, tuple[Registration, int]] = {}
        self._last_of_key: dict[tuple[str, bytes], asyncio.Task[None]] = {}  # of each topic
        self._own_topics = wiring.own_topics
        client = client_of(wiring.broker)(wiring.bootstrap)
        self._publishers = {
            name: client.publisher(topic, Publishing(_FORWARD_TIMEOUT_S)) for name, topic in wiring.own_topics.items()
        }
        # "" is the topic that all services share.
        topics = {"": wiring.topic, **{name: wiring.own_topics[name] for name in variant.heard_topics}}
        self._subscribers = {
            name: client.subscriber(
                topic,
                self._hearing.subscription,
                group=own_group(wiring.group, name),
                member=runtime.name.replace("/", "-"),
                on_committed=self._record_committed,
                on_revoked=self._forget,
            )
            for name, topic in topics.items()
        }

    async def open(self) -> None:
        """Join the group; from then on events come. Raises BrokerError where the broker does not answer."""
        for publisher in self._publishers.values():
            await publisher.open()
        for subscriber in self._subscribers.values():
            await subscriber.open()
        for name, subscriber in self._subscribers.items():
            self._tasks.serve(self._consume(name, subscriber))

    async def close(self) -> None:
        for subscriber in self._subscribers.values():
            await subscriber.close()
        for publisher in self._publishers.values():
            await publisher.close()

    async def _consume(self, topic: str, subscriber: Subscriber) -> None:
        async for delivery in subscriber.deliveries():
            task = self._hear(topic, subscriber, delivery)
            if self._hearing.one_at_a_time:
                await asyncio.wait([task])

    def _hear(self, topic: str, subscriber: Subscriber, delivery: Delivery) -> asyncio.Task[None]:
        message = delivery.message
        registration = event.parse(message.value, message.headers).registration
        number = self._worker.receive(registration)
        self._in_hand[delivery] = (registration, number)
        headers = {name: value.decode() for name, value in message.headers}
        heard = Heard(registration, number, topic, headers)
        before = self._last_of_key.get((topic, message.key))
        task = self._tasks.start(self._work(subscriber, delivery, heard, before))
        self._last_of_key[topic, message.key] = task
        return task

    async def _work(
        self, subscriber: Subscriber, delivery: Delivery, heard: Heard, before: asyncio.Task[None] | None
    ) -> None:
        if before is not None:
            # Events of one user are processed in the order of their log.
            await asyncio.wait([before])
        try:
            outputs = await self._hearing.work(heard)
        except Revoked:
            pass
        else:
            subscriber.settle(delivery, outputs or ())
        key = (heard.topic, delivery.message.key)
        if self._last_of_key.get(key) is asyncio.current_task():
            del self._last_of_key[key]

    async def _forward(self, topic: str, registration: Registration, headers: dict[str, str]) -> None:
        await (await self._publishers[topic].publish(self._output(topic, registration, headers).message))

    def _output(self, topic: str, registration: Registration, headers: dict[str, str]) -> Output:
        return Output(self._own_topics[topic], message_of(event.UserRegistered(registration), headers))

    def _record_committed(self, delivery: Delivery) -> None:
        held = self._in_hand.pop(delivery, None)
        if held is not None:  # None: the group took it away meanwhile
            self._worker.settled(*held)

    def _forget(self, deliveries: Sequence[Delivery]) -> None:
        """The group has taken them away: what has begun is finished and never settled here, the rest is dropped."""
        for delivery in deliveries:
            held = self._in_hand.pop(delivery, None)
            if held is not None:
                self._worker.revoke(held[1])
