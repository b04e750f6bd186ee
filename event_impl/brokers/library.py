"""What the Kafka client uses of aiokafka: the surface that another kind of broker can stand in for."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from aiokafka import ConsumerRebalanceListener, OffsetAndMetadata, TopicPartition
from aiokafka.admin import NewTopic

from event_impl.brokers.port import Headers
from event_impl.brokers.security import SecurityOptions


class ProducerSettings(SecurityOptions):
    """What a producer is made with."""

    acks: str | int
    enable_idempotence: bool
    linger_ms: int
    request_timeout_ms: int
    transactional_id: str | None


class MembershipSettings(SecurityOptions):
    """What a member of a group is made with."""

    group_id: str
    group_instance_id: str | None
    enable_auto_commit: bool
    auto_commit_interval_ms: int
    auto_offset_reset: str
    session_timeout_ms: int
    heartbeat_interval_ms: int
    fetch_max_wait_ms: int
    isolation_level: str


class AdminSettings(SecurityOptions):
    """What an admin client is made with."""

    request_timeout_ms: int


class ReaderSettings(AdminSettings):
    """What a consumer outside the groups is made with."""

    enable_auto_commit: bool
    auto_offset_reset: str


class LogRecord(Protocol):
    """A message in a log."""

    @property
    def offset(self) -> int: ...
    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...
    @property
    def headers(self) -> Sequence[tuple[str, bytes]]: ...


class Producer(Protocol):
    """`AIOKafkaProducer`."""

    async def start(self) -> None: ...
    async def stop(self) -> None: ...
    async def send(self, topic: str, *, value: bytes, key: bytes, headers: Headers) -> asyncio.Future[object]: ...
    async def begin_transaction(self) -> None: ...
    async def send_offsets_to_transaction(self, offsets: Mapping[TopicPartition, int], group_id: str) -> None: ...
    async def commit_transaction(self) -> None: ...


class Consumer(Protocol):
    """`AIOKafkaConsumer`."""

    async def start(self) -> None: ...
    async def stop(self) -> None: ...
    def subscribe(self, topics: Sequence[str], *, listener: ConsumerRebalanceListener | None = None) -> None: ...
    def assign(self, partitions: Sequence[TopicPartition]) -> None: ...
    def assignment(self) -> Collection[TopicPartition]: ...
    def seek(self, partition: TopicPartition, offset: int) -> None: ...
    async def position(self, partition: TopicPartition) -> int: ...
    async def getmany(
        self, *partitions: TopicPartition, timeout_ms: int = 0, max_records: int | None = None
    ) -> Mapping[TopicPartition, Sequence[LogRecord]]: ...
    async def commit(self, offsets: Mapping[TopicPartition, int] | None = None) -> None: ...
    async def end_offsets(self, partitions: Sequence[TopicPartition]) -> Mapping[TopicPartition, int]: ...


class CreateTopicsResponse(Protocol):
    """For each topic its name, the code of its error (0: none) and more."""

    @property
    def topic_errors(self) -> Sequence[tuple[str, int, str]]: ...


class AdminClient(Protocol):
    """`AIOKafkaAdminClient`."""

    async def start(self) -> None: ...
    async def close(self) -> None: ...
    async def create_topics(self, new_topics: Sequence[NewTopic], timeout_ms: int) -> CreateTopicsResponse: ...
    async def delete_topics(self, topics: Sequence[str], timeout_ms: int) -> object: ...
    async def describe_cluster(self) -> Mapping[str, Sequence[object]]: ...
    async def find_coordinator(self, group_id: str) -> int: ...
    async def list_consumer_group_offsets(
        self, group_id: str, group_coordinator_id: int, *, partitions: Sequence[TopicPartition]
    ) -> Mapping[TopicPartition, OffsetAndMetadata]: ...
