"""aiokafka's producer, as far as `KafkaPublisher` uses it.

```
send → broker up and nothing waiting: in the log at once → confirmed
       else: its partition's batch, with room for 16 KiB → one request at a time, tried again → confirmed
```
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import TypeVar

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError, KafkaTimeoutError
from aiokafka.partitioner import murmur2

from event_impl.brokers.memory.broker import Life, MemoryBroker
from event_impl.brokers.memory.connection import BrokerConnection
from event_impl.brokers.memory.log import Unsent, Writer
from event_impl.brokers.memory.platform import Args
from event_impl.brokers.port import Headers

T = TypeVar("T")

_BATCH_BYTES = 16_384
_RECORD_BYTES = 30  # what a record takes beside key, value and headers, about


class MemoryProducer:
    """Idempotent, it tries for ever and logs each message once; else it tries until its timeout, some of it twice."""

    def __init__(
        self,
        broker: MemoryBroker,
        *,
        acks: str | int,
        enable_idempotence: bool,
        linger_ms: int,
        request_timeout_ms: int,
        transactional_id: str | None = None,
        **_: object,
    ) -> None:
        self._broker = broker
        self._connection = BrokerConnection(broker, request_timeout_ms)
        self._unacknowledged = acks == 0
        self._id = next(broker.producers) if enable_idempotence else 0
        self._linger_s = linger_ms / 1000
        self._timeout_s = request_timeout_ms / 1000
        self._counts: dict[str, int] = {}
        self._sequences: dict[TopicPartition, int] = defaultdict(int)
        self._waiting: list[tuple[Unsent, asyncio.Future[object]]] = []
        self._waiting_bytes: dict[TopicPartition, int] = defaultdict(int)
        self._drained: asyncio.Future[None] | None = None
        self._sending: asyncio.Task[None] | None = None
        self._transactional_id = transactional_id
        self._writer: Writer | None = None

    async def start(self) -> None:
        if self._transactional_id is None:
            await self._connection.ask(self._broker.exists)
        else:
            self._writer = await self._connection.ask(self._broker.write_as, self._transactional_id)

    async def send(self, topic: str, value: bytes, key: bytes, headers: Headers) -> asyncio.Future[object]:
        if topic not in self._counts:
            self._counts[topic] = await self._retried(self._broker.partition_count, topic)
        place = TopicPartition(topic, (murmur2(key) & 0x7FFFFFFF) % self._counts[topic])
        at_once = self._sending is None and not self._linger_s and self._broker.life is Life.UP
        if not at_once:
            await self._find_room(
                place, len(key) + len(value) + _RECORD_BYTES + sum(len(n) + len(v) for n, v in headers)
            )
        self._sequences[place] += 1
        unsent = Unsent(place, self._sequences[place], key, value, headers)
        sent: asyncio.Future[object] = asyncio.get_running_loop().create_future()
        if not at_once:
            self._waiting.append((unsent, sent))
            if self._sending is None:
                self._sending = asyncio.create_task(self._send_what_waits())
        elif self._connection.caller.reach():
            self._broker.append_one(self._id, unsent, self._writer)
            self._connection.caller.hear(_confirm, sent)
        return sent

    async def begin_transaction(self) -> None:
        """It has begun: whatever comes after the last commit is in the next transaction."""

    async def send_offsets_to_transaction(self, offsets: Mapping[TopicPartition, int], group_id: str) -> None:
        assert self._writer is not None, "a transaction needs a transactional id"
        await self._retried(self._broker.add_offsets, self._writer, group_id, offsets, for_ever=True)

    async def commit_transaction(self) -> None:
        assert self._writer is not None, "a transaction needs a transactional id"
        await self._retried(self._broker.commit, self._writer, for_ever=True)

    async def stop(self) -> None:
        if self._sending is not None:
            await self._sending

    async def _find_room(self, place: TopicPartition, size: int) -> None:
        try:
            async with asyncio.timeout(self._timeout_s):
                while self._waiting_bytes[place] and self._waiting_bytes[place] + size > _BATCH_BYTES:
                    if self._drained is None:
                        self._drained = asyncio.get_running_loop().create_future()
                    await asyncio.shield(self._drained)
        except TimeoutError:
            raise KafkaTimeoutError from None
        self._waiting_bytes[place] += size

    async def _send_what_waits(self) -> None:
        while self._waiting:
            await asyncio.sleep(self._linger_s)
            batch, self._waiting = self._waiting, []
            self._waiting_bytes.clear()
            if self._drained is not None:
                self._drained.set_result(None)
                self._drained = None
            error = await self._try_until_sent([unsent for unsent, _ in batch])
            for _, sent in batch:
                if not sent.done():
                    if error is None:
                        sent.set_result(None)
                    else:
                        sent.set_exception(error)
        self._sending = None

    async def _try_until_sent(self, unsent: list[Unsent]) -> KafkaError | None:
        if self._unacknowledged and self._broker.life is not Life.GONE:
            self._connection.ask(self._broker.append, self._id, unsent, None).cancel()  # the answer alone
            return None
        try:
            await self._retried(self._broker.append, self._id, unsent, self._writer, for_ever=bool(self._id))
        except KafkaError as error:
            return error
        return None

    async def _retried(self, handler: Callable[[*Args], T], *args: *Args, for_ever: bool = False) -> T:
        give_up_at_ns = None if for_ever else self._broker.platform.now_ns() + round(self._timeout_s * 1e9)
        return await self._connection.ask_until_answered(handler, *args, give_up_at_ns=give_up_at_ns)


def _confirm(sent: asyncio.Future[object]) -> None:
    if not sent.done():
        sent.set_result(None)
