"""The broker inside librdkafka, a stand-in in memory: addressed like Kafka, except for what it cannot do.

It makes a topic when it is asked about it, always of four partitions. Its groups take in one member and no second one,
and after a crash they keep that member's successor waiting for many seconds. So no consumer joins a group here: the one
consumer of each takes all partitions, and the group's name only keeps its offsets.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import ClassVar

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import OffsetOutOfRangeError

from event_impl.brokers.kafka import KafkaAdmin, KafkaClient, KafkaSubscriber
from event_impl.brokers.library import MembershipSettings
from event_impl.brokers.port import BrokerError, Capabilities, Delivery, Subscription

PARTITIONS = 4


class EventsDroppedError(BrokerError):
    """It keeps 5 MB and 10,000 messages a partition, and throws the oldest away, read or not."""

    def __init__(self) -> None:
        super().__init__(
            "the embedded broker has dropped events that nobody had consumed yet",
            "make the run shorter or the backlog smaller, or leave --broker out: a real Kafka keeps every event",
        )


class EmbeddedSubscriber(KafkaSubscriber):
    """The only member of its group. It resumes at the group's offsets, and nowhere else."""

    _consumer: AIOKafkaConsumer

    async def _join(self) -> None:
        partitions = [TopicPartition(self._topic, number) for number in range(PARTITIONS)]
        self._consumer.assign(partitions)
        ends = await self._consumer.end_offsets(partitions) if self._subscription.start == "latest" else {}
        for partition in partitions:
            committed = await self._consumer.committed(partition)
            self._consumer.seek(partition, ends.get(partition, 0) if committed is None else committed)

    async def deliveries(self) -> AsyncIterator[Delivery]:
        try:
            async for delivery in super().deliveries():
                yield delivery
        except OffsetOutOfRangeError as error:
            raise EventsDroppedError from error


class EmbeddedAdmin(KafkaAdmin):
    """Topics need no creating; offsets are read from outside as on Kafka."""

    async def create_topic(self, topic: str, partitions: int, replicas: int | None = None) -> None:  # noqa: ARG002
        if partitions != PARTITIONS:
            raise BrokerError(f"the embedded broker makes topics of {PARTITIONS} partitions, not of {partitions}")
        self._partitions[topic] = partitions
        await self._reader.end_offsets(self._all(topic))


class EmbeddedClient(KafkaClient):
    """The way to the embedded broker, named by its bootstrap address `host:port`."""

    # No groups, so no member holds a place in one; transactions are not tried on it.
    capabilities: ClassVar[Capabilities] = replace(
        KafkaClient.capabilities,
        groups=False,
        partitions=PARTITIONS,
        lists_lag=False,
        static_membership=False,
        transactions=False,
        durable=False,
    )
    _subscriber = EmbeddedSubscriber
    _admin = EmbeddedAdmin

    def _membership(self, subscription: Subscription, group: str, member: str) -> MembershipSettings:
        return super()._membership(subscription, group, member) | {
            # A gap in the log is an error: `_join` says where to begin.
            "auto_offset_reset": "none",
            # A fetch that waits is answered when its time is over, not when something arrives.
            "fetch_max_wait_ms": 5,
        }
