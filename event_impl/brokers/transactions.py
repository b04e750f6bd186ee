"""Offsets and outputs in one transaction: consume, process, produce.

assigned → a producer for each partition: its predecessor is fenced, what that had open is aborted → positions are read
settled  → begin · outputs · offset · commit
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError, ProducerFenced

from event_impl.brokers.library import Producer
from event_impl.brokers.port import Output

_log = logging.getLogger(__name__)

_RETRY_S = 0.1


class OffsetTransactions:
    """One member's transactions, by a producer for each partition of the topic that it has.

    The library's commits in a transaction carry no generation of the group, so the broker cannot know whether a member
    that commits still has the partition. Hence one transactional id per partition: its next owner fences the last one.
    """

    def __init__(self, make_producer: Callable[[str], Producer], group: str, topic: str) -> None:
        self._make_producer = make_producer
        self._group = group
        self._topic = topic
        self._producers: dict[int, Producer] = {}

    async def take(self, partitions: Iterable[int]) -> None:
        """Fence the last owners of these partitions. From then on their committed offsets are final."""
        await asyncio.gather(*(self._take(number) for number in partitions))

    async def let_go(self) -> None:
        """Leave all partitions to their next owners."""
        producers, self._producers = self._producers, {}
        await asyncio.gather(*(producer.stop() for producer in producers.values()))

    async def commit(self, number: int, offset: int, outputs: Sequence[Output]) -> None:
        """Publish the outputs and commit the offset of a partition, both or neither.

        Raises ProducerFenced where another member has the partition, and any other KafkaError where it may be tried
        again.
        """
        producer = self._producers.get(number)
        if producer is None:
            raise ProducerFenced
        try:
            await producer.begin_transaction()
            sent = [
                await producer.send(
                    output.topic, value=output.message.value, key=output.message.key, headers=output.message.headers
                )
                for output in outputs
            ]
            await asyncio.gather(*sent)
            await producer.send_offsets_to_transaction({TopicPartition(self._topic, number): offset}, self._group)
            await producer.commit_transaction()
        except ProducerFenced:
            await self._producers.pop(number).stop()
            raise
        except KafkaError:
            # A new producer aborts what this one has open, and goes on where this one may be unable to.
            await producer.stop()
            await self._take(number)
            raise

    async def _take(self, number: int) -> None:
        while True:
            producer = self._make_producer(f"{self._group}/{self._topic}/{number}")
            try:
                await producer.start()
            except KafkaError as error:
                _log.warning("no producer for partition %d yet, it will be tried again: %r", number, error)
                await producer.stop()
                await asyncio.sleep(_RETRY_S)
            else:
                self._producers[number] = producer
                return
