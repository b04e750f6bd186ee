"""What is in the logs of the broker in memory, which producer writes it, and in which transaction."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, Protocol

from aiokafka import TopicPartition
from aiokafka.errors import ProducerFenced

from event_impl.brokers.port import Headers


class Transaction:
    """What its producer has written since its last commit. A reader of committed records stops before an open one."""

    def __init__(self) -> None:
        self.committed: bool | None = None  # None: it is open
        self.partitions: dict[TopicPartition, None] = {}
        self.offsets: list[tuple[str, Mapping[TopicPartition, int]]] = []  # by group


class Writer:
    """A producer of a transactional id, until its successor comes. It has one transaction after the other."""

    def __init__(self) -> None:
        self.fenced = False
        self.open = Transaction()


class Record(NamedTuple):
    """A message in a log."""

    offset: int
    key: bytes
    value: bytes
    headers: Headers
    transaction: Transaction | None


class Unsent(NamedTuple):
    """A message on its way into a log. `sequence` numbers a producer's messages to one partition."""

    partition: TopicPartition
    sequence: int
    key: bytes
    value: bytes
    headers: Headers


class Reader(Protocol):
    """What is notified when a log has grown."""

    def arrived(self, partition: TopicPartition) -> None: ...


def open_of(writer: Writer) -> Transaction:
    if writer.fenced:
        raise ProducerFenced
    return writer.open
