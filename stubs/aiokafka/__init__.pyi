# What this project uses of aiokafka, which ships no types.
import abc
import asyncio
import ssl
from collections.abc import Mapping, Sequence
from typing import NamedTuple

class TopicPartition(NamedTuple):
    topic: str
    partition: int

class OffsetAndMetadata(NamedTuple):
    offset: int
    metadata: str

class ConsumerRecord:
    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]]

class ConsumerRebalanceListener(abc.ABC):
    @abc.abstractmethod
    async def on_partitions_revoked(self, revoked: Sequence[TopicPartition]) -> None: ...
    @abc.abstractmethod
    async def on_partitions_assigned(self, assigned: Sequence[TopicPartition]) -> None: ...

class _MessageAccumulator:
    _batch_ttl: float

class AIOKafkaProducer:
    _message_accumulator: _MessageAccumulator

    def __init__(
        self,
        *,
        bootstrap_servers: str,
        security_protocol: str = ...,
        ssl_context: ssl.SSLContext | None = ...,
        sasl_mechanism: str = ...,
        sasl_plain_username: str | None = ...,
        sasl_plain_password: str | None = ...,
        acks: str | int = ...,
        enable_idempotence: bool = ...,
        linger_ms: int = ...,
        request_timeout_ms: int = ...,
        transactional_id: str | None = ...,
    ) -> None: ...
    async def begin_transaction(self) -> None: ...
    async def send_offsets_to_transaction(self, offsets: Mapping[TopicPartition, int], group_id: str) -> None: ...
    async def commit_transaction(self) -> None: ...
    async def start(self) -> None: ...
    async def stop(self) -> None: ...
    async def send(
        self,
        topic: str,
        value: bytes | None = ...,
        key: bytes | None = ...,
        partition: int | None = ...,
        timestamp_ms: int | None = ...,
        headers: Sequence[tuple[str, bytes]] | None = ...,
    ) -> asyncio.Future[object]: ...

class AIOKafkaConsumer:
    def __init__(
        self,
        *topics: str,
        bootstrap_servers: str,
        security_protocol: str = ...,
        ssl_context: ssl.SSLContext | None = ...,
        sasl_mechanism: str = ...,
        sasl_plain_username: str | None = ...,
        sasl_plain_password: str | None = ...,
        group_id: str | None = ...,
        group_instance_id: str | None = ...,
        enable_auto_commit: bool = ...,
        auto_commit_interval_ms: int = ...,
        isolation_level: str = ...,
        auto_offset_reset: str = ...,
        session_timeout_ms: int = ...,
        heartbeat_interval_ms: int = ...,
        fetch_max_wait_ms: int = ...,
        request_timeout_ms: int = ...,
    ) -> None: ...
    async def start(self) -> None: ...
    async def stop(self) -> None: ...
    def subscribe(self, topics: Sequence[str], *, listener: ConsumerRebalanceListener | None = ...) -> None: ...
    def assign(self, partitions: Sequence[TopicPartition]) -> None: ...
    def assignment(self) -> set[TopicPartition]: ...
    def seek(self, partition: TopicPartition, offset: int) -> None: ...
    async def committed(self, partition: TopicPartition) -> int | None: ...
    async def position(self, partition: TopicPartition) -> int: ...
    async def getmany(
        self, *partitions: TopicPartition, timeout_ms: int = ..., max_records: int | None = ...
    ) -> dict[TopicPartition, list[ConsumerRecord]]: ...
    async def commit(self, offsets: Mapping[TopicPartition, int] | None = ...) -> None: ...
    async def end_offsets(self, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, int]: ...
