import ssl
from collections.abc import Sequence

from aiokafka import OffsetAndMetadata, TopicPartition

class NewTopic:
    name: str
    num_partitions: int
    def __init__(self, name: str, num_partitions: int, replication_factor: int) -> None: ...

class CreateTopicsResponse:
    topic_errors: Sequence[tuple[str, int, str]]

class AIOKafkaAdminClient:
    def __init__(
        self,
        *,
        bootstrap_servers: str,
        security_protocol: str = ...,
        ssl_context: ssl.SSLContext | None = ...,
        sasl_mechanism: str = ...,
        sasl_plain_username: str | None = ...,
        sasl_plain_password: str | None = ...,
        request_timeout_ms: int = ...,
    ) -> None: ...
    async def start(self) -> None: ...
    async def close(self) -> None: ...
    async def create_topics(self, new_topics: Sequence[NewTopic], timeout_ms: int | None = ...) -> CreateTopicsResponse: ...
    async def describe_cluster(self) -> dict[str, list[object]]: ...
    async def find_coordinator(self, group_id: str) -> int: ...
    async def delete_topics(self, topics: Sequence[str], timeout_ms: int | None = ...) -> object: ...
    async def list_consumer_group_offsets(
        self, group_id: str, group_coordinator_id: int | None = ..., partitions: Sequence[TopicPartition] | None = ...
    ) -> dict[TopicPartition, OffsetAndMetadata]: ...
