"""aiokafka's admin client, as far as `KafkaAdmin` uses it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from aiokafka import OffsetAndMetadata, TopicPartition
from aiokafka.admin import NewTopic
from aiokafka.errors import TopicAlreadyExistsError

from event_impl.brokers.memory.broker import MemoryBroker
from event_impl.brokers.memory.connection import BrokerConnection

_NONE_COMMITTED = -1


@dataclass(frozen=True)
class Created:
    """The answer to a request for topics: for each its name, the code of its error (0: none) and a message."""

    topic_errors: Sequence[tuple[str, int, str]]


class MemoryAdmin:
    """Topics and committed offsets, of the one broker there is."""

    def __init__(self, broker: MemoryBroker, *, request_timeout_ms: int, **_: object) -> None:
        self._broker = broker
        self._connection = BrokerConnection(broker, request_timeout_ms)

    async def start(self) -> None:
        await self._connection.ask(self._broker.exists)

    async def close(self) -> None:
        pass

    async def create_topics(self, new_topics: Sequence[NewTopic], timeout_ms: int) -> Created:  # noqa: ARG002
        errors = []
        for new in new_topics:
            made = await self._connection.ask(self._broker.create_topic, new.name, new.num_partitions)
            errors.append((new.name, 0 if made else TopicAlreadyExistsError.errno, ""))
        return Created(errors)

    async def delete_topics(self, topics: Sequence[str], timeout_ms: int) -> None:  # noqa: ARG002
        for topic in topics:
            await self._connection.ask(self._broker.delete_topic, topic)

    async def describe_cluster(self) -> dict[str, list[object]]:
        await self._connection.ask(self._broker.exists)
        return {"brokers": [self._broker]}

    async def find_coordinator(self, group_id: str) -> int:  # noqa: ARG002
        return 0

    async def list_consumer_group_offsets(
        self,
        group_id: str,
        group_coordinator_id: int,  # noqa: ARG002
        *,
        partitions: Sequence[TopicPartition],
    ) -> Mapping[TopicPartition, OffsetAndMetadata]:
        def committed() -> Mapping[TopicPartition, OffsetAndMetadata]:
            found = self._broker.group(group_id).committed
            return {place: OffsetAndMetadata(found.get(place, _NONE_COMMITTED), "") for place in partitions}

        return await self._connection.ask(committed)
