"""aiokafka's consumer, as far as `KafkaSubscriber` and `KafkaAdmin` use it.

```
subscribe → [revoke → join → assigned → positions → heartbeats, commits by a timer, until a rebalance] again and again
getmany   → what the logs of its partitions hold past its positions; it waits for what comes, and out a rebalance
```
What the library fetches ahead is all that is in the log: its limit of 1 MiB a partition is not modelled.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress

from aiokafka import ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import (
    CommitFailedError,
    IllegalGenerationError,
    IllegalStateError,
    KafkaError,
    RebalanceInProgressError,
    UnknownMemberIdError,
)

from event_impl.brokers.memory.broker import MemoryBroker
from event_impl.brokers.memory.connection import RETRY_S, BrokerConnection
from event_impl.brokers.memory.log import Record

_log = logging.getLogger(__name__)

_NO_GENERATION = -1
# Deadlines are whole nanoseconds: two floats that differ by less than one would be set again and again.
_NS_PER_MS = 1_000_000
_NS_PER_S = 1_000_000_000


class MemoryConsumer:
    """One member of a group, or a reader of the partitions that it is given."""

    def __init__(
        self,
        broker: MemoryBroker,
        *,
        enable_auto_commit: bool,
        auto_offset_reset: str,
        group_id: str = "",
        group_instance_id: str | None = None,
        auto_commit_interval_ms: int = 5_000,
        session_timeout_ms: int = 10_000,
        heartbeat_interval_ms: int = 3_000,
        request_timeout_ms: int = 40_000,
        isolation_level: str = "read_uncommitted",
        **_: object,
    ) -> None:
        self._broker = broker
        self._connection = BrokerConnection(broker, request_timeout_ms)
        self._group = broker.group(group_id)
        self._now_ns = broker.platform.now_ns
        self._name = group_instance_id
        self._from_end = auto_offset_reset == "latest"
        self._only_committed = isolation_level == "read_committed"
        self._session_ns = session_timeout_ms * _NS_PER_MS
        self._heartbeat_ns = heartbeat_interval_ms * _NS_PER_MS
        self._commit_every_ns = auto_commit_interval_ms * _NS_PER_MS if enable_auto_commit else None
        self._commit_at_ns = 0
        self._member, self._generation = "", _NO_GENERATION
        self._topics: Sequence[str] = ()
        self._listener: ConsumerRebalanceListener | None = None
        self._positions: dict[TopicPartition, int] = {}  # of what it is assigned, in order
        self._logs: dict[TopicPartition, list[Record]] = {}
        self._behind: dict[TopicPartition, None] = {}  # partitions with something to read, in the order of its arrival
        self._in_place = asyncio.Event()
        self._must_rejoin = asyncio.Event()
        self._waiter: asyncio.Future[None] | None = None
        self._coordinating: asyncio.Task[None] | None = None

    async def start(self) -> None:
        await self._connection.ask(self._broker.exists)
        if self._commit_every_ns is not None:
            self._commit_at_ns = self._now_ns() + self._commit_every_ns

    async def stop(self) -> None:
        if self._coordinating is not None:
            self._coordinating.cancel()
            with suppress(asyncio.CancelledError):
                await self._coordinating
            with suppress(KafkaError):
                if self._commit_every_ns is not None:
                    await self._commit(self._positions)
                if self._name is None:  # a static member does not say that it leaves
                    await self._connection.ask(self._group.leave, self._member)
        self._take_up({})

    # What it reads

    def subscribe(self, topics: Sequence[str], *, listener: ConsumerRebalanceListener | None = None) -> None:
        self._topics, self._listener = topics, listener
        self._coordinating = asyncio.create_task(self._coordinate())
        self._coordinating.add_done_callback(self._break_off)

    def assign(self, partitions: Sequence[TopicPartition]) -> None:
        self._take_up(dict.fromkeys(partitions, 0))

    def assignment(self) -> list[TopicPartition]:
        # In order, unlike the library's set, whose order is that of the interpreter's hash seed.
        return list(self._positions)

    def seek(self, partition: TopicPartition, offset: int) -> None:
        self._take_up({**self._positions, partition: offset})

    async def position(self, partition: TopicPartition) -> int:
        return self._positions[partition]

    async def end_offsets(self, partitions: Sequence[TopicPartition]) -> Mapping[TopicPartition, int]:
        return await self._connection.ask(self._broker.ends, partitions)

    async def getmany(
        self, *partitions: TopicPartition, timeout_ms: int = 0, max_records: int | None = None
    ) -> dict[TopicPartition, list[Record]]:
        loop = asyncio.get_running_loop()
        give_up_at_ns = self._now_ns() + timeout_ms * _NS_PER_MS
        while True:
            # What is read while partitions change hands may be another member's.
            await self._in_place.wait()
            if self._coordinating is not None and self._coordinating.done():
                self._coordinating.result()
            found = self._read(partitions, max_records)
            if found or self._now_ns() >= give_up_at_ns:
                return found
            self._waiter = loop.create_future()
            timer = loop.call_at(give_up_at_ns / _NS_PER_S, self._look)
            try:
                await self._waiter
            finally:
                self._waiter = None
                timer.cancel()

    def arrived(self, partition: TopicPartition) -> None:
        """A log that it reads has grown."""
        self._behind[partition] = None
        if self._waiter is not None:
            self._connection.caller.hear(self._look)

    def _look(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _break_off(self, ended: asyncio.Task[None]) -> None:
        """The coordination has failed: code that waits for records must learn of it."""
        if not ended.cancelled():
            _log.error("the consumer has left its group", exc_info=ended.exception())
        self._in_place.set()
        self._look()

    def _read(
        self, partitions: tuple[TopicPartition, ...], max_records: int | None
    ) -> dict[TopicPartition, list[Record]]:
        found: dict[TopicPartition, list[Record]] = {}
        for partition in list(self._behind):
            if partitions and partition not in partitions:
                continue
            log, at = self._logs[partition], self._positions[partition]
            end = len(log) if max_records is None else at + max_records
            if self._only_committed:
                records, at = _committed(log, at, end - at)
            else:
                records = log[at:end]
                at += len(records)
            self._positions[partition] = at
            if at == len(log):
                del self._behind[partition]
            if records:
                found[partition] = records
            if max_records is not None:
                max_records -= len(records)
                if not max_records:
                    break
        return found

    def _take_up(self, positions: Mapping[TopicPartition, int]) -> None:
        for partition in self._positions:
            self._broker.read_no_more(self, partition)
        self._positions = dict(positions)
        self._logs = {partition: self._broker.log(partition) for partition in positions}
        self._behind = {partition: None for partition, at in positions.items() if at < len(self._logs[partition])}
        for partition in positions:
            self._broker.read(self, partition)
        self._in_place.set()

    # Its group

    async def commit(self, offsets: Mapping[TopicPartition, int] | None = None) -> None:
        if offsets is None:
            offsets = dict(self._positions)
        for partition in offsets:
            if partition not in self._positions:
                raise IllegalStateError(f"partition {partition} is not assigned")
        try:
            await self._commit(offsets)
        except (UnknownMemberIdError, IllegalGenerationError) as error:
            raise CommitFailedError from error

    async def _commit(self, offsets: Mapping[TopicPartition, int]) -> None:
        while offsets:
            try:
                await self._connection.ask(self._group.commit, self._member, self._generation, dict(offsets))
                return
            except (UnknownMemberIdError, IllegalGenerationError):
                self._forget_membership()
                raise
            except KafkaError as error:
                if not error.retriable:
                    raise
            await asyncio.sleep(RETRY_S)

    def _forget_membership(self) -> None:
        self._member, self._generation = "", _NO_GENERATION
        self._must_rejoin.set()

    async def _coordinate(self) -> None:
        while True:
            await self._give_up()
            await self._join()
            await self._stay()

    async def _give_up(self) -> None:
        self._in_place.clear()
        if self._commit_every_ns is not None:
            with suppress(KafkaError):
                await self._commit(self._positions)
        if self._listener is not None:
            await self._listener.on_partitions_revoked(self.assignment())

    async def _join(self) -> None:
        share = await self._until_in()
        if self._listener is not None:
            await self._listener.on_partitions_assigned(share)
        self._take_up(await self._connection.ask_until_answered(self._group.positions, share, self._from_end))

    async def _until_in(self) -> Sequence[TopicPartition]:
        while True:
            try:
                given = await self._connection.wait_for(
                    self._group.join, self._member, self._name, self._topics, self._session_ns
                )
                self._member, self._generation = given.member, given.generation
                # As in the library: what a commit learnt while the group kept it waiting is out of date.
                self._must_rejoin.clear()
                return list(given.share)
            except UnknownMemberIdError:
                self._forget_membership()
            except KafkaError as error:
                if not error.retriable:
                    raise
                await asyncio.sleep(RETRY_S)

    async def _stay(self) -> None:
        """Beat and commit by the timer, until the group asks for another round or no longer knows this member."""
        beat_at_ns = self._now_ns() + self._heartbeat_ns
        while True:
            every_ns = self._commit_every_ns
            next_at_ns = beat_at_ns if every_ns is None else min(beat_at_ns, self._commit_at_ns)
            with suppress(TimeoutError):
                async with asyncio.timeout_at(next_at_ns / _NS_PER_S):
                    await self._must_rejoin.wait()
            if self._must_rejoin.is_set():
                return
            if every_ns is not None and self._now_ns() >= self._commit_at_ns:
                self._commit_at_ns = self._now_ns() + every_ns
                with suppress(KafkaError):
                    await self._commit(self._positions)
            if self._now_ns() >= beat_at_ns:
                beat_at_ns = self._now_ns() + self._heartbeat_ns
                try:
                    await self._connection.ask(self._group.heartbeat, self._member, self._generation)
                except RebalanceInProgressError:
                    return
                except (UnknownMemberIdError, IllegalGenerationError):
                    self._forget_membership()
                    return
                except KafkaError:
                    beat_at_ns = self._now_ns() + round(RETRY_S * _NS_PER_S)


def _committed(log: Sequence[Record], at: int, most: int) -> tuple[list[Record], int]:
    """What the log holds from a position on, and the position after it: no further than an open transaction."""
    found: list[Record] = []
    while at < len(log) and len(found) < most:
        transaction = log[at].transaction
        if transaction is not None and transaction.committed is None:
            break
        if transaction is None or transaction.committed:
            found.append(log[at])
        at += 1
    return found, at
