"""Kafka, through aiokafka: an idempotent producer, a consumer that commits the contiguous prefix, and an admin.

aiokafka's defaults lose records (commits on a timer what was merely handed out; reads from the end; no idempotence),
so each setting that matters is named here.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any, ClassVar

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRebalanceListener, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError, for_code

from event_impl.brokers import security
from event_impl.brokers.port import BrokerError, Capabilities, Delivery, Message
from event_impl.brokers.progress import PartitionProgress
from event_impl.brokers.security import Connection, connection

_log = logging.getLogger(__name__)

# The library's request timeout is 40 s, longer than a person waits.
_ADMIN_TIMEOUT_MS = 5_000
_SESSION_TIMEOUT_MS = 10_000
_HEARTBEAT_MS = 1_000
_FETCH_WAIT_MS = 500
_COMMIT_RETRY_S = 0.1
_USUAL_REPLICAS = 3
# How long one request may take; who waits for a message has bounds of their own.
_LEAST_REQUEST_TIMEOUT_MS = 2_000
_JOIN_TIMEOUT_S = 20.0
_POLL_MS = 200
_HELD_BACK_POLL_MS = 10  # while a partition is full: how soon it is seen that it has room again


class KafkaClient:
    """The way to one cluster, named by its bootstrap address `[protocol://]host:port` (see `security`)."""

    capabilities: ClassVar = Capabilities(
        replay=True,
        key_order=True,
        groups=True,
        partitions=None,
        lists_lag=True,
        static_membership=True,
        timer_commits=True,
        transactions=True,
        delay=False,
        dead_letter=False,
        durable=True,
    )

    def __init__(self, bootstrap: str) -> None:
        self._connection = connection(bootstrap)

    def publisher(self, topic: str, *, timeout_s: float) -> KafkaPublisher:
        return KafkaPublisher(self._connection, topic, timeout_s)

    def subscriber(
        self,
        topic: str,
        *,
        group: str,
        member: str,
        max_unsettled: int,
        on_settled: Callable[[Delivery], None],
    ) -> KafkaSubscriber:
        return KafkaSubscriber(self._connection, topic, group, member, max_unsettled, on_settled)

    def admin(self) -> KafkaAdmin:
        return KafkaAdmin(self._connection)


class PatientProducer(AIOKafkaProducer):
    """A producer that goes on with a message for as long as it runs, also while its partition has no leader.

    The library (0.14) gives up a message that has waited for a leader for as long as a request may take, and counts its
    sequence number as used. The broker waits for that number, and refuses all that the producer sends from then on.
    """

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self._message_accumulator._batch_ttl = math.inf


class KafkaPublisher:
    """acks=all and idempotent: a retried send is in the log once."""

    def __init__(self, connected: Connection, topic: str, timeout_s: float) -> None:
        self._topic = topic
        self._producer = PatientProducer(
            **connected,
            acks="all",
            enable_idempotence=True,
            linger_ms=0,
            request_timeout_ms=max(round(timeout_s * 1000), _LEAST_REQUEST_TIMEOUT_MS),
        )

    async def open(self) -> None:
        try:
            await self._producer.start()
        except KafkaError as error:
            raise BrokerError(f"the producer could not start: {error!r}") from error

    async def publish(self, message: Message, partition: int | None = None) -> asyncio.Future[object]:
        try:
            return await self._producer.send(
                self._topic, value=message.value, key=message.key, partition=partition, headers=message.headers
            )
        except KafkaError as error:
            raise BrokerError(f"the message could not be sent: {error!r}") from error

    async def close(self) -> None:
        await self._producer.stop()


class KafkaSubscriber(ConsumerRebalanceListener):
    """One member of a group, static: a respawned member of the same name resumes at once, without a rebalance."""

    _offset_reset = "earliest"
    _fetch_wait_ms = _FETCH_WAIT_MS

    def __init__(
        self,
        connected: Connection,
        topic: str,
        group: str,
        member: str,
        max_unsettled: int,
        on_settled: Callable[[Delivery], None],
    ) -> None:
        self._topic = topic
        self._max_unsettled = max_unsettled
        self._on_settled = on_settled
        self._progress: dict[int, PartitionProgress] = {}
        self._assigned = asyncio.Event()
        self._something_settled = asyncio.Event()
        self._committer: asyncio.Task[None] | None = None
        self._consumer = AIOKafkaConsumer(
            **connected,
            group_id=group,
            group_instance_id=member,
            enable_auto_commit=False,
            auto_offset_reset=self._offset_reset,
            session_timeout_ms=_SESSION_TIMEOUT_MS,
            heartbeat_interval_ms=_HEARTBEAT_MS,
            fetch_max_wait_ms=self._fetch_wait_ms,
        )

    async def open(self) -> None:
        try:
            await self._consumer.start()
            await self._join()
        except KafkaError as error:
            raise BrokerError(f"the consumer could not start: {error!r}") from error
        self._committer = asyncio.create_task(self._commit_forever())

    async def _join(self) -> None:
        self._consumer.subscribe([self._topic], listener=self)
        # A consumer without its partitions is not there yet, however well it is connected.
        try:
            async with asyncio.timeout(_JOIN_TIMEOUT_S):
                await self._assigned.wait()
        except TimeoutError:
            raise BrokerError(f"the group did not take the consumer in within {_JOIN_TIMEOUT_S:g} s") from None

    async def deliveries(self) -> AsyncIterator[Delivery]:
        while True:
            if self._committer is not None and self._committer.done():
                self._committer.result()  # what ended it, such as a full disk, must not be silent
            assigned = self._consumer.assignment()
            room = [partition for partition in assigned if self._unsettled(partition) < self._max_unsettled]
            # Asking only those with room is what pauses the others. The library's own pause throws away what it has
            # fetched, and the partition, once resumed, would wait for it anew.
            held_back = len(room) < len(assigned)
            if held_back and not room:
                await asyncio.sleep(_HELD_BACK_POLL_MS / 1000)
                continue
            # Bounded, so that what is in hand can only overshoot its limit by one poll.
            batches = await self._consumer.getmany(
                *room, timeout_ms=_HELD_BACK_POLL_MS if held_back else _POLL_MS, max_records=self._max_unsettled
            )
            for partition, records in batches.items():
                for record in records:
                    message = Message(record.key or b"", record.value or b"", list(record.headers))
                    delivery = Delivery(message, partition.partition, record.offset)
                    progress = self._progress.setdefault(partition.partition, PartitionProgress())
                    progress.hand_out(delivery)
                    yield delivery

    def settle(self, delivery: Delivery) -> None:
        progress = self._progress.get(delivery.partition)
        if progress is not None:
            progress.settle(delivery.offset)
            self._something_settled.set()

    async def close(self) -> None:
        if self._committer is not None:
            self._committer.cancel()
            with suppress(asyncio.CancelledError):
                await self._committer
        with suppress(KafkaError):
            await self._commit()
        await self._consumer.stop()

    async def on_partitions_revoked(self, revoked: Sequence[TopicPartition]) -> None:
        """Hand over what is done; what is still at work will be delivered again to the next owner."""
        with suppress(KafkaError):
            await self._commit()
        for partition in revoked:
            self._progress.pop(partition.partition, None)

    async def on_partitions_assigned(self, assigned: Sequence[TopicPartition]) -> None:
        for partition in assigned:
            self._progress[partition.partition] = PartitionProgress()
        self._assigned.set()

    def _unsettled(self, partition: TopicPartition) -> int:
        progress = self._progress.get(partition.partition)
        return progress.unsettled if progress is not None else 0

    async def _commit_forever(self) -> None:
        """Commit as work settles: one request at a time, each with all that has settled since the last."""
        while True:
            await self._something_settled.wait()
            self._something_settled.clear()
            try:
                await self._commit()
            except KafkaError as error:
                # A rebalance or a broker on its way back; the offsets stay committable and are tried again.
                _log.warning("commit failed, will be repeated: %r", error)
                await asyncio.sleep(_COMMIT_RETRY_S)
                self._something_settled.set()

    async def _commit(self) -> None:
        prefixes = {number: (progress, progress.prefix()) for number, progress in self._progress.items()}
        offsets = {
            TopicPartition(self._topic, number): done[-1].offset + 1 for number, (_, done) in prefixes.items() if done
        }
        if not offsets:
            return
        await self._consumer.commit(offsets)
        for progress, done in prefixes.values():
            for delivery in progress.committed(done[-1].offset) if done else ():
                self._on_settled(delivery)


@contextmanager
def _told_as(what: str, next_step: str = "look at the broker's log") -> Iterator[None]:
    """Whatever the library raises in here, told as the port has it."""
    try:
        yield
    except KafkaError as error:
        raise BrokerError(f"{what}: {error!r}", next_step) from error


class KafkaAdmin:
    """Topics, lag and what is left in the log, from outside the groups."""

    def __init__(self, connected: Connection) -> None:
        self._connection = connected
        self._admin = AIOKafkaAdminClient(**connected, request_timeout_ms=_ADMIN_TIMEOUT_MS)
        self._reader = AIOKafkaConsumer(
            **connected,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            request_timeout_ms=_ADMIN_TIMEOUT_MS,
        )
        self._partitions: dict[str, int] = {}
        self._coordinators: dict[str, int] = {}

    async def open(self) -> None:
        address = self._connection["bootstrap_servers"]
        with _told_as(f"no answer from the broker at {address}", security.next_step(self._connection)):
            await self._admin.start()
            await self._reader.start()

    async def create_topic(self, topic: str, partitions: int, replicas: int | None = None) -> None:
        """Make the topic, and wait until each partition has a leader."""
        self._partitions[topic] = partitions
        with _told_as(f"the topic {topic} could not be created"):
            if replicas is None:
                cluster = await self._admin.describe_cluster()
                replicas = min(_USUAL_REPLICAS, len(cluster["brokers"]))
            new = NewTopic(topic, partitions, replicas)
            answer = await self._admin.create_topics([new], timeout_ms=_ADMIN_TIMEOUT_MS)
            # The library hands a refusal back inside the answer instead of raising it.
            for _, code, *_ in answer.topic_errors:
                if code:
                    raise for_code(code)
            await self._reader.end_offsets(self._all(topic))

    async def delete_topic(self, topic: str) -> None:
        """Ask for its end; the broker removes it in its own time."""
        with _told_as(f"the topic {topic} could not be deleted"):
            await self._admin.delete_topics([topic], timeout_ms=_ADMIN_TIMEOUT_MS)

    async def lag(self, topic: str, groups: Sequence[str]) -> Mapping[str, int]:
        lags: dict[str, int] = {}
        with _told_as(f"the lag on {topic} could not be read"):
            ends = await self._reader.end_offsets(self._all(topic))
            for group in groups:
                committed = await self._committed(topic, group)
                # A commit may land between the two requests; lag is never negative.
                lags[group] = sum(max(end - committed.get(partition, 0), 0) for partition, end in ends.items())
        return lags

    async def unsettled(self, topic: str, group: str) -> Sequence[Message]:
        messages: list[Message] = []
        with _told_as(f"what {group} has left in {topic} could not be read"):
            committed = await self._committed(topic, group)
            partitions = self._all(topic)
            ends = await self._reader.end_offsets(partitions)
            behind = [partition for partition in partitions if committed.get(partition, 0) < ends[partition]]
            self._reader.assign(behind)
            for partition in behind:
                self._reader.seek(partition, committed.get(partition, 0))
                while await self._reader.position(partition) < ends[partition]:
                    batches = await self._reader.getmany(partition, timeout_ms=_ADMIN_TIMEOUT_MS)
                    records = batches.get(partition, [])
                    if not records:
                        raise BrokerError(f"the log of {topic} ended before offset {ends[partition]}")
                    messages += [Message(r.key or b"", r.value or b"", list(r.headers)) for r in records]
        return messages

    async def close(self) -> None:
        await self._reader.stop()
        await self._admin.close()

    def _all(self, topic: str) -> list[TopicPartition]:
        return [TopicPartition(topic, number) for number in range(self._partitions[topic])]

    async def _committed(self, topic: str, group: str) -> dict[TopicPartition, int]:
        # By name: the embedded broker does not know what a question about all of them means. -1: none committed.
        if group not in self._coordinators:  # asked once, not with every sample
            self._coordinators[group] = await self._admin.find_coordinator(group)
        try:
            found = await self._admin.list_consumer_group_offsets(
                group, self._coordinators[group], partitions=self._all(topic)
            )
        except KafkaError:
            del self._coordinators[group]  # it may have moved
            raise
        return {partition: meta.offset for partition, meta in found.items() if meta.offset >= 0}
