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
from typing import ClassVar, NamedTuple, Unpack, cast

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRebalanceListener, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError, ProducerFenced, for_code

from event_impl.brokers import security
from event_impl.brokers.library import (
    AdminClient,
    AdminSettings,
    Consumer,
    MembershipSettings,
    Producer,
    ProducerSettings,
    ReaderSettings,
)
from event_impl.brokers.port import BrokerError, Capabilities, Delivery, Message, Output, Publishing, Subscription
from event_impl.brokers.progress import PartitionProgress
from event_impl.brokers.security import SecurityOptions, connection
from event_impl.brokers.transactions import OffsetTransactions

_log = logging.getLogger(__name__)

# The library's request timeout is 40 s, longer than a person waits.
_ADMIN_TIMEOUT_MS = 5_000
_HEARTBEAT_MS = 1_000
_FETCH_WAIT_MS = 500
_COMMIT_RETRY_S = 0.1
_USUAL_REPLICAS = 3
_ACKS: Mapping[str, str | int] = {"all": "all", "leader": 1, "none": 0}
# How long one request may take; who waits for a message has bounds of their own.
_LEAST_REQUEST_TIMEOUT_MS = 2_000
_TRANSACTION_REQUEST_S = 10.0
_JOIN_TIMEOUT_S = 20.0
_POLL_MS = 200
_HELD_BACK_POLL_MS = 10  # while a partition is full: how soon it is seen that it has room again


class _LogPosition(NamedTuple):
    """Where a delivery stands, and in which assignment of its partition: settled later, it counts for no other one."""

    progress: PartitionProgress
    offset: int


class PatientProducer(AIOKafkaProducer):
    """A producer that goes on with a message for as long as it runs, also while its partition has no leader.

    The library (0.14) gives up a message that has waited for a leader for as long as a request may take, and counts its
    sequence number as used. The broker waits for that number, and refuses all that the producer sends from then on.
    """

    def __init__(self, **settings: Unpack[ProducerSettings]) -> None:
        super().__init__(**settings)
        self._message_accumulator._batch_ttl = math.inf


class KafkaPublisher:
    """One producer. Idempotent, a retried send is in the log once."""

    def __init__(self, producer: Producer, topic: str) -> None:
        self._producer = producer
        self._topic = topic

    async def open(self) -> None:
        try:
            await self._producer.start()
        except KafkaError as error:
            raise BrokerError(f"the producer could not start: {error!r}") from error

    async def publish(self, message: Message) -> asyncio.Future[object]:
        try:
            return await self._producer.send(self._topic, value=message.value, key=message.key, headers=message.headers)
        except KafkaError as error:
            raise BrokerError(f"the message could not be sent: {error!r}") from error

    async def close(self) -> None:
        await self._producer.stop()


class KafkaSubscriber(ConsumerRebalanceListener):
    """One member of a group."""

    def __init__(
        self,
        consumer: Consumer,
        topic: str,
        subscription: Subscription,
        on_committed: Callable[[Delivery], None],
        on_revoked: Callable[[Sequence[Delivery]], None],
        transactions: OffsetTransactions | None = None,
    ) -> None:
        self._consumer = consumer
        self._topic = topic
        self._transactions = transactions
        self._subscription = subscription
        self._on_committed = on_committed
        self._on_revoked = on_revoked
        self._progress: dict[int, PartitionProgress] = {}
        self._assigned = asyncio.Event()
        self._something_settled = asyncio.Event()
        self._committer: asyncio.Task[None] | None = None
        self._committing = asyncio.Lock()  # transactions, one round at a time

    async def open(self) -> None:
        try:
            await self._consumer.start()
            await self._join()
        except KafkaError as error:
            raise BrokerError(f"the consumer could not start: {error!r}") from error
        if self._subscription.commit == "settled":
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
            room = [
                partition for partition in assigned if self._unsettled(partition) < self._subscription.max_unsettled
            ]
            # Asking only those with room is what pauses the others. The library's own pause throws away what it has
            # fetched, and the partition, once resumed, would wait for it anew.
            held_back = len(room) < len(assigned)
            if held_back and not room:
                await asyncio.sleep(_HELD_BACK_POLL_MS / 1000)
                continue
            # Bounded, so that what is in hand can only overshoot its limit by one poll.
            batches = await self._consumer.getmany(
                *room,
                timeout_ms=_HELD_BACK_POLL_MS if held_back else _POLL_MS,
                max_records=self._subscription.max_unsettled,
            )
            # Taken at once: while one is handed out, the partition of the next may be given to somebody else.
            taken = [(self._progress.setdefault(p.partition, PartitionProgress()), p, rs) for p, rs in batches.items()]
            for progress, partition, records in taken:
                for record in records:
                    if self._progress.get(partition.partition) is not progress:
                        break
                    message = Message(record.key or b"", record.value or b"", list(record.headers))
                    delivery = Delivery(message, _LogPosition(progress, record.offset))
                    progress.hand_out(record.offset, delivery)
                    yield delivery

    def settle(self, delivery: Delivery, outputs: Sequence[Output] = ()) -> None:
        if outputs and self._transactions is None:
            raise ValueError("outputs need a transactional subscription")
        # Of an assignment that has ended, the progress is one that nobody looks at any more.
        place = cast(_LogPosition, delivery.token)
        if self._subscription.commit == "timer":
            place.progress.forget(place.offset)
            self._on_committed(delivery)
        else:
            place.progress.settle(place.offset, outputs)
            self._something_settled.set()

    async def close(self) -> None:
        if self._committer is not None:
            async with self._committing:  # not in the middle of a transaction
                self._committer.cancel()
            with suppress(asyncio.CancelledError):
                await self._committer
        with suppress(KafkaError):
            await self._commit()
        await self._consumer.stop()
        if self._transactions is not None:
            await self._transactions.let_go()

    async def on_partitions_revoked(self, revoked: Sequence[TopicPartition]) -> None:
        """Hand over what is done; what is still at work will be delivered again to the next owner."""
        with suppress(KafkaError):
            await self._commit()
        ended = [self._progress.pop(partition.partition, PartitionProgress()) for partition in revoked]
        if self._subscription.commit == "settled":  # else what is in hand counts as done
            self._on_revoked([delivery for progress in ended for delivery in progress.in_hand()])
        if self._transactions is not None:
            await self._transactions.let_go()

    async def on_partitions_assigned(self, assigned: Sequence[TopicPartition]) -> None:
        if self._transactions is not None:
            await self._transactions.take([partition.partition for partition in assigned])
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
        if self._transactions is not None:
            async with self._committing:
                await self._commit_in_transactions(self._transactions)
        elif self._subscription.commit == "settled":  # else the library does
            settled = self._settled()
            if settled:
                offsets = {TopicPartition(self._topic, number): last + 1 for number, _, last in settled}
                await self._consumer.commit(offsets)
            for _, progress, last in settled:
                self._tell_settled(progress, last)

    async def _commit_in_transactions(self, transactions: OffsetTransactions) -> None:
        async def commit(number: int, progress: PartitionProgress, last: int) -> None:
            try:
                await transactions.commit(number, last + 1, progress.outputs(last))
            except ProducerFenced:
                # Another member has the partition, as the group will tell: what is in hand comes again there.
                _log.warning("partition %d is another member's: nothing more of it is committed here", number)
                self._progress[number] = PartitionProgress()
                self._on_revoked(progress.in_hand())
            else:
                self._tell_settled(progress, last)

        # Each to its end: one that is broken off would stay open.
        outcomes = await asyncio.gather(*(commit(*found) for found in self._settled()), return_exceptions=True)
        for error in outcomes:
            if error is not None:
                raise error

    def _settled(self) -> list[tuple[int, PartitionProgress, int]]:
        """The partitions of which something may be committed, each with the offset up to which it may."""
        found = [(number, progress, progress.last_settled()) for number, progress in self._progress.items()]
        return [(number, progress, last) for number, progress, last in found if last is not None]

    def _tell_settled(self, progress: PartitionProgress, last: int) -> None:
        for delivery in progress.committed(last):
            self._on_committed(delivery)


@contextmanager
def _told_as(what: str, next_step: str = "look at the broker's log") -> Iterator[None]:
    """Whatever the library raises in here, told as the port has it."""
    try:
        yield
    except KafkaError as error:
        raise BrokerError(f"{what}: {error!r}", next_step) from error


class KafkaAdmin:
    """Topics, lag and what is left in the log, from outside the groups."""

    def __init__(self, connected: SecurityOptions, admin: AdminClient, reader: Consumer) -> None:
        self._connection = connected
        self._admin = admin
        self._reader = reader
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

    async def backlog(self, topic: str, groups: Sequence[str]) -> Mapping[str, int]:
        lags: dict[str, int] = {}
        with _told_as(f"the lag on {topic} could not be read"):
            ends = await self._reader.end_offsets(self._all(topic))
            for group in groups:
                committed = await self._committed(topic, group)
                # A commit may land between the two requests; lag is never negative.
                lags[group] = sum(max(end - committed.get(partition, 0), 0) for partition, end in ends.items())
        return lags

    async def unfinished(self, topic: str, group: str) -> Sequence[Message]:
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


class KafkaClient:
    """The way to one cluster, named by its bootstrap address `[protocol://]host:port` (see `security`)."""

    capabilities: ClassVar[Capabilities] = Capabilities(
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
    _subscriber: type[KafkaSubscriber] = KafkaSubscriber
    _admin: type[KafkaAdmin] = KafkaAdmin

    def __init__(self, bootstrap: str) -> None:
        self._connection = connection(bootstrap)

    def publisher(self, topic: str, publishing: Publishing) -> KafkaPublisher:
        return KafkaPublisher(self._producer(publishing), topic)

    def _producer(self, publishing: Publishing, transactional_id: str | None = None) -> Producer:
        return self._make_producer(
            **self._connection,
            acks=_ACKS[publishing.acks],
            enable_idempotence=publishing.idempotent,
            linger_ms=round(publishing.linger_s * 1000),
            request_timeout_ms=max(round(publishing.timeout_s * 1000), _LEAST_REQUEST_TIMEOUT_MS),
            transactional_id=transactional_id,
        )

    def subscriber(
        self,
        topic: str,
        subscription: Subscription,
        *,
        group: str,
        member: str,
        on_committed: Callable[[Delivery], None],
        on_revoked: Callable[[Sequence[Delivery]], None],
    ) -> KafkaSubscriber:
        transactions = None
        if subscription.transactional:
            if not self.capabilities.transactions:
                raise BrokerError("this kind of broker has no transactions", "choose another broker or variant")
            publishing = Publishing(_TRANSACTION_REQUEST_S)
            transactions = OffsetTransactions(lambda id_: self._producer(publishing, id_), group, topic)
        consumer = self._make_consumer(**self._membership(subscription, group, member))
        return self._subscriber(consumer, topic, subscription, on_committed, on_revoked, transactions)

    def admin(self) -> KafkaAdmin:
        settings: AdminSettings = {**self._connection, "request_timeout_ms": _ADMIN_TIMEOUT_MS}
        reader = self._make_reader(**settings, enable_auto_commit=False, auto_offset_reset="earliest")
        return self._admin(self._connection, self._make_admin(**settings), reader)

    def _membership(self, subscription: Subscription, group: str, member: str) -> MembershipSettings:
        session_ms = round(subscription.session_timeout_s * 1000)
        return {
            **self._connection,
            "group_id": group,
            "group_instance_id": member if subscription.membership == "static" else None,
            "enable_auto_commit": subscription.commit == "timer",
            "auto_commit_interval_ms": round(subscription.commit_interval_s * 1000),
            "auto_offset_reset": subscription.start,
            "session_timeout_ms": session_ms,
            "heartbeat_interval_ms": min(_HEARTBEAT_MS, session_ms // 3),
            "fetch_max_wait_ms": _FETCH_WAIT_MS,
            "isolation_level": "read_committed" if subscription.read_committed else "read_uncommitted",
        }

    # The library, for another kind of broker to stand in for.

    def _make_producer(self, **settings: Unpack[ProducerSettings]) -> Producer:
        return (PatientProducer if settings["enable_idempotence"] else AIOKafkaProducer)(**settings)

    def _make_consumer(self, **settings: Unpack[MembershipSettings]) -> Consumer:
        return AIOKafkaConsumer(**settings)

    def _make_reader(self, **settings: Unpack[ReaderSettings]) -> Consumer:
        return AIOKafkaConsumer(**settings)

    def _make_admin(self, **settings: Unpack[AdminSettings]) -> AdminClient:
        return AIOKafkaAdminClient(**settings)
