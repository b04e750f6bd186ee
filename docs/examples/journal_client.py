"""The way to the broker `journal` (`benchmarks/brokers/journal.py`): one line of JSON asks, one answers."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, ClassVar, cast

from event_impl.brokers.port import BrokerError, Capabilities, Delivery, Message, Output, Publishing, Subscription
from event_impl.brokers.progress import PartitionProgress

_LINE_LIMIT = 2**24  # bytes
_ALL = 2**31


class _Connection:
    """Answers come in the order of the questions."""

    def __init__(self, bootstrap: str) -> None:
        self._host, _, self._port = bootstrap.rpartition(":")
        self._asked: deque[asyncio.Future[Mapping[str, Any]]] = deque()

    async def open(self) -> None:
        try:
            reader, self._writer = await asyncio.open_connection(self._host, int(self._port), limit=_LINE_LIMIT)
        except OSError as error:
            raise BrokerError(f"no answer from the broker at {self._host}:{self._port}: {error}") from error
        self._hearing = asyncio.create_task(self._hear(reader))

    def ask(self, do: str, topic: str, **more: object) -> asyncio.Future[Mapping[str, Any]]:
        """Its future raises BrokerError where the broker refuses, or is gone."""
        answer: asyncio.Future[Mapping[str, Any]] = asyncio.get_running_loop().create_future()
        if self._hearing.done():
            answer.set_exception(BrokerError("the broker has hung up"))
            return answer
        self._asked.append(answer)
        self._writer.write(json.dumps({"do": do, "topic": topic, **more}).encode() + b"\n")
        return answer

    async def close(self) -> None:
        self._hearing.cancel()
        self._writer.close()
        with suppress(asyncio.CancelledError, ConnectionError):
            await self._hearing

    async def _hear(self, reader: asyncio.StreamReader) -> None:
        with suppress(ConnectionError):
            while line := await reader.readline():
                said, waiting = json.loads(line), self._asked.popleft()
                if waiting.done():  # the caller has gone
                    continue
                if "error" in said:
                    waiting.set_exception(BrokerError(said["error"]))
                else:
                    waiting.set_result(said)
        for waiting in self._asked:
            if not waiting.done():
                waiting.set_exception(BrokerError("the broker has hung up"))


class JournalPublisher:
    """Each message is confirmed once it is in the log."""

    def __init__(self, bootstrap: str, topic: str) -> None:
        self._connection = _Connection(bootstrap)
        self._topic = topic

    async def open(self) -> None:
        await self._connection.open()

    async def publish(self, message: Message) -> asyncio.Future[object]:
        return cast("asyncio.Future[object]", self._connection.ask("publish", self._topic, message=_written(message)))

    async def close(self) -> None:
        await self._connection.close()


class JournalSubscriber:
    """Reads everything from its group's position on, and commits the part of it that is done without a gap."""

    def __init__(
        self,
        bootstrap: str,
        topic: str,
        subscription: Subscription,
        group: str,
        on_committed: Callable[[Delivery], None],
    ) -> None:
        self._reads, self._commits = _Connection(bootstrap), _Connection(bootstrap)
        self._topic, self._subscription, self._group, self._on_committed = topic, subscription, group, on_committed
        self._progress = PartitionProgress()
        self._room, self._settled = asyncio.Event(), asyncio.Event()

    async def open(self) -> None:
        await self._reads.open()
        await self._commits.open()
        stands = await self._commits.ask("offsets", self._topic, group=self._group)
        first = stands["end"] if self._subscription.start == "latest" else 0
        self._offset: int = first if stands["committed"] is None else stands["committed"]
        self._committing = asyncio.create_task(self._commit_forever())

    async def deliveries(self) -> AsyncIterator[Delivery]:
        while True:
            while (most := self._subscription.max_unsettled - self._progress.unsettled) <= 0:
                self._room.clear()
                await self._room.wait()
            read = await self._reads.ask("read", self._topic, offset=self._offset, most=most, wait=True)
            for written in read["messages"]:
                delivery = Delivery(_message(written), self._offset)
                self._progress.hand_out(self._offset, delivery)
                self._offset += 1
                yield delivery

    def settle(self, delivery: Delivery, outputs: Sequence[Output] = ()) -> None:
        if outputs:
            raise ValueError("this broker has no transactions that outputs could be part of")
        self._progress.settle(cast(int, delivery.token))
        self._settled.set()

    async def close(self) -> None:
        self._committing.cancel()
        with suppress(asyncio.CancelledError):
            await self._committing
        with suppress(BrokerError):
            await self._commit()
        await self._reads.close()
        await self._commits.close()

    async def _commit_forever(self) -> None:
        while True:
            await self._settled.wait()
            self._settled.clear()
            await self._commit()

    async def _commit(self) -> None:
        if (last := self._progress.last_settled()) is not None:
            await self._commits.ask("commit", self._topic, group=self._group, offset=last + 1)
            for delivery in self._progress.committed(last):
                self._on_committed(delivery)
            self._room.set()


class JournalAdmin:
    """Makes topics and looks at groups from outside."""

    def __init__(self, bootstrap: str) -> None:
        self._connection = _Connection(bootstrap)

    async def open(self) -> None:
        await self._connection.open()

    async def create_topic(self, topic: str, partitions: int, replicas: int | None = None) -> None:  # noqa: ARG002
        if partitions != 1:
            raise BrokerError(f"this broker makes topics of 1 partitions, not of {partitions}")
        await self._connection.ask("create", topic)

    async def delete_topic(self, topic: str) -> None:
        await self._connection.ask("delete", topic)

    async def backlog(self, topic: str, groups: Sequence[str]) -> Mapping[str, int]:
        asked = {group: await self._connection.ask("offsets", topic, group=group) for group in groups}
        return {group: stands["end"] - (stands["committed"] or 0) for group, stands in asked.items()}

    async def unfinished(self, topic: str, group: str) -> Sequence[Message]:
        stands = await self._connection.ask("offsets", topic, group=group)
        left = await self._connection.ask("read", topic, offset=stands["committed"] or 0, most=_ALL, wait=False)
        return [_message(written) for written in left["messages"]]

    async def close(self) -> None:
        await self._connection.close()


class JournalClient:
    """The way to one journal, named by its address `host:port`."""

    capabilities: ClassVar[Capabilities] = Capabilities(
        replay=True,
        key_order=True,
        groups=False,
        partitions=1,
        lists_lag=True,
        static_membership=False,
        timer_commits=False,
        transactions=False,
        delay=False,
        dead_letter=False,
        durable=False,
    )

    def __init__(self, bootstrap: str) -> None:
        self._bootstrap = bootstrap

    def publisher(self, topic: str, publishing: Publishing) -> JournalPublisher:  # noqa: ARG002
        return JournalPublisher(self._bootstrap, topic)

    def subscriber(
        self,
        topic: str,
        subscription: Subscription,
        *,
        group: str,
        member: str,  # noqa: ARG002
        on_committed: Callable[[Delivery], None],
        on_revoked: Callable[[Sequence[Delivery]], None],  # noqa: ARG002
    ) -> JournalSubscriber:
        if subscription.commit == "timer":
            raise BrokerError("this broker does not commit by a timer")
        if subscription.transactional:
            raise BrokerError("this broker has no transactions")
        return JournalSubscriber(self._bootstrap, topic, subscription, group, on_committed)

    def admin(self) -> JournalAdmin:
        return JournalAdmin(self._bootstrap)


def _written(message: Message) -> list[object]:
    """As in JSON: each byte is a character."""
    headers = [[name, value.decode("latin-1")] for name, value in message.headers]
    return [message.key.decode("latin-1"), message.value.decode("latin-1"), headers]


def _message(written: Sequence[Any]) -> Message:
    key, value, headers = written
    return Message(
        key.encode("latin-1"), value.encode("latin-1"), [(name, text.encode("latin-1")) for name, text in headers]
    )
