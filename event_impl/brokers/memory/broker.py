"""The broker: logs, groups, and what becomes of requests while it stands still or is gone.

```
request → up: carried out at once → the caller hears the answer
          stopped: held in its socket until it resumes; the caller gives up after its own timeout
          gone: the connection is lost, and with it what was held; logs, offsets and groups are on the disk
```
"""

from __future__ import annotations

import itertools
import weakref
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import Enum
from typing import TypeVar

from aiokafka import TopicPartition
from aiokafka.errors import KafkaConnectionError, KafkaError, RequestTimedOutError, UnknownTopicOrPartitionError

from event_impl.brokers.memory.group import Group
from event_impl.brokers.memory.log import Reader, Record, Transaction, Unsent, Writer, open_of
from event_impl.brokers.memory.platform import Args, AsyncioPlatform, Platform
from event_impl.brokers.memory.requests import BrokerRequest

_BROKERS: weakref.WeakValueDictionary[str, MemoryBroker] = weakref.WeakValueDictionary()
_numbers = itertools.count(1)
T = TypeVar("T")


class Life(Enum):
    """What state the broker is in."""

    UP = "up"
    STOPPED = "stopped"
    GONE = "gone"


class MemoryBroker:
    """One broker, found by its address as long as it is referred to. What is in it outlives its clients' processes."""

    def __init__(self, platform: Platform | None = None) -> None:
        self.platform = platform or AsyncioPlatform()
        self.address = f"memory:{next(_numbers)}"
        self.life = Life.UP
        self.producers = itertools.count(1)
        self._logs: dict[TopicPartition, list[Record]] = {}
        self._partitions: dict[str, int] = {}
        self._groups: dict[str, Group] = {}
        self._sequences: dict[tuple[int, TopicPartition], int] = {}
        self._writers: dict[str, Writer] = {}
        self._readers: dict[TopicPartition, list[Reader]] = {}
        self._held: list[tuple[Callable[[], None], Callable[[KafkaError], None]]] = []  # how to carry out, and to fail
        self._overdue: list[Callable[[], object]] = []
        self._lives = 1
        _BROKERS[self.address] = self

    @staticmethod
    def at(address: str) -> MemoryBroker:
        """The broker at an address. LookupError: there is none."""
        if address not in _BROKERS:
            raise LookupError(f"no broker in memory at {address!r}")
        return _BROKERS[address]

    # Its life

    def stop(self) -> None:
        """SIGSTOP: requests wait in its sockets, and its timers for their turn."""
        if self.life is Life.UP:
            self.life = Life.STOPPED

    def go_on(self) -> None:
        """SIGCONT: first the timers that fell due, then what came in.

        So one that stood still for longer than a session puts its members out. In Kafka the two race (measured: it put
        them out in 2 of 3 cases).
        """
        if self.life is not Life.STOPPED:
            return
        self.life = Life.UP
        held, self._held = self._held, []
        overdue, self._overdue = self._overdue, []
        for callback in overdue:
            callback()
        for carry_out, _ in held:
            carry_out()

    def kill(self) -> None:
        """SIGKILL: its connections are lost; what it had acknowledged is on the disk."""
        if self.life is Life.GONE:
            return
        self.life = Life.GONE
        self._lives += 1
        lost = [fail for _, fail in self._held]
        self._held, self._overdue = [], []
        for group in self._groups.values():
            lost += [request.fail for request in group.lose_requests()]
        for fail in lost:
            fail(KafkaConnectionError("the broker is gone"))

    def start_again(self) -> None:
        """A new process on the same disk; it gives each member of its groups a new session."""
        if self.life is Life.GONE:
            self.life = Life.UP
            for group in self._groups.values():
                group.load()

    def at_ns(self, when_ns: int, callback: Callable[[*Args], object], *args: *Args) -> None:
        """A timer of this life of it."""
        self.platform.at_ns(when_ns, self._fall_due, self._lives, callback, *args)

    def _fall_due(self, life: int, callback: Callable[[*Args], object], *args: *Args) -> None:
        if life != self._lives:
            return
        if self.life is Life.STOPPED:
            self._overdue.append(lambda: callback(*args))
        else:
            callback(*args)

    # Requests

    def take_in(self, request: BrokerRequest[T], carry_out: Callable[[], None], timeout_ns: int) -> None:
        """Carry it out, hold it, or let it fail; its answer ends with what comes of it."""
        if not request.caller.reach():
            return  # no caller waits for it
        if self.life is Life.UP:
            carry_out()
        elif self.life is Life.STOPPED:
            self._held.append((carry_out, request.fail))
            self.platform.at_ns(self.platform.now_ns() + timeout_ns, request.fail, RequestTimedOutError())
        else:
            request.fail(KafkaConnectionError("connection refused"))

    def exists(
        self,
    ) -> None:
        """Nothing but an answer."""

    def append(self, producer: int, unsent: Sequence[Unsent], writer: Writer | None) -> None:
        """Put messages into their logs; those of a producer (0: of none) that are in there already are left out."""
        for message in unsent:
            self.append_one(producer, message, writer)

    def append_one(self, producer: int, message: Unsent, writer: Writer | None) -> None:
        """As `append`; UnknownTopicOrPartitionError where there is no such log, ProducerFenced where it is too late."""
        partition = message.partition
        log = self.log(partition)
        if producer:
            if self._sequences.get((producer, partition), 0) >= message.sequence:
                return
            self._sequences[producer, partition] = message.sequence
        transaction = None
        if writer is not None:
            transaction = open_of(writer)
            transaction.partitions[partition] = None
        log.append(Record(len(log), message.key, message.value, message.headers, transaction))
        self._tell(partition)

    def _tell(self, partition: TopicPartition) -> None:
        for reader in self._readers.get(partition, ()):
            reader.arrived(partition)

    def log(self, partition: TopicPartition) -> list[Record]:
        """The log of a partition; each reader keeps its own position."""
        found = self._logs.get(partition)
        if found is None:
            raise UnknownTopicOrPartitionError(partition)
        return found

    def partition_count(self, topic: str) -> int:
        if topic not in self._partitions:
            raise UnknownTopicOrPartitionError(topic)
        return self._partitions[topic]

    def partitions_of(self, topics: Iterable[str]) -> list[TopicPartition]:
        """All partitions of some topics, in order; a topic that does not exist has none."""
        counts = {topic: self._partitions.get(topic, 0) for topic in sorted(topics)}
        return [TopicPartition(topic, number) for topic, count in counts.items() for number in range(count)]

    def ends(self, partitions: Sequence[TopicPartition]) -> Mapping[TopicPartition, int]:
        return {partition: len(self.log(partition)) for partition in partitions}

    def create_topic(self, topic: str, partitions: int) -> bool:
        """Whether it is new."""
        if topic in self._partitions:
            return False
        self._partitions[topic] = partitions
        self._logs |= {partition: [] for partition in self.partitions_of([topic])}
        return True

    def delete_topic(self, topic: str) -> None:
        for partition in self.partitions_of([topic]):
            del self._logs[partition]
        del self._partitions[topic]

    def group(self, name: str) -> Group:
        """A group; it comes into being when it is first mentioned."""
        if name not in self._groups:
            self._groups[name] = Group(self)
        return self._groups[name]

    # Transactions. One that nobody ends stays open: that a broker gives up on it after a minute is not modelled.

    def write_as(self, transactional_id: str) -> Writer:
        """A new writer of an id. The one before it is fenced, and what that has open is aborted."""
        before = self._writers.get(transactional_id)
        if before is not None:
            before.fenced = True
            self._end(before, commit=False)
        writer = self._writers[transactional_id] = Writer()
        return writer

    def add_offsets(self, writer: Writer, group: str, offsets: Mapping[TopicPartition, int]) -> None:
        open_of(writer).offsets.append((group, offsets))

    def commit(self, writer: Writer) -> None:
        """All of it at once; the offsets too, whichever member has the partitions by now."""
        open_of(writer)
        self._end(writer, commit=True)

    def _end(self, writer: Writer, *, commit: bool) -> None:
        ended, writer.open = writer.open, Transaction()
        ended.committed = commit
        if commit:
            for group, offsets in ended.offsets:
                self.group(group).committed.update(offsets)
        for partition in ended.partitions:
            self._tell(partition)

    # Fetches wait at the broker: it notifies a log's readers that it has grown

    def read(self, reader: Reader, partition: TopicPartition) -> None:
        self._readers.setdefault(partition, []).append(reader)

    def read_no_more(self, reader: Reader, partition: TopicPartition) -> None:
        self._readers[partition].remove(reader)
