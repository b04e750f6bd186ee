"""The way to a broker in memory: the project's own Kafka client, with the library replaced beneath it."""

from __future__ import annotations

from typing import Unpack

from event_impl.brokers.kafka import KafkaClient
from event_impl.brokers.library import AdminSettings, MembershipSettings, ProducerSettings, ReaderSettings
from event_impl.brokers.memory.admin import MemoryAdmin
from event_impl.brokers.memory.broker import MemoryBroker
from event_impl.brokers.memory.consumer import MemoryConsumer
from event_impl.brokers.memory.producer import MemoryProducer


class MemoryClient(KafkaClient):
    """Named by the address of a `MemoryBroker` of this process. LookupError: there is none of that address."""

    def __init__(self, bootstrap: str) -> None:
        super().__init__(bootstrap)
        self._broker = MemoryBroker.at(bootstrap)

    def _make_producer(self, **settings: Unpack[ProducerSettings]) -> MemoryProducer:
        return MemoryProducer(self._broker, **settings)

    def _make_consumer(self, **settings: Unpack[MembershipSettings]) -> MemoryConsumer:
        return MemoryConsumer(self._broker, **settings)

    def _make_reader(self, **settings: Unpack[ReaderSettings]) -> MemoryConsumer:
        return MemoryConsumer(self._broker, **settings)

    def _make_admin(self, **settings: Unpack[AdminSettings]) -> MemoryAdmin:
        return MemoryAdmin(self._broker, **settings)
