"""The client side of each broker, one file per kind: publish, subscribe, settle, create topics, sample lag."""

from __future__ import annotations

from collections.abc import Mapping

from event_impl.brokers import embedded, kafka, memory
from event_impl.brokers.port import Admin, Client, Delivery, Message, Publisher, Publishing, Subscriber, Subscription

CLIENTS: Mapping[str, type[Client]] = {
    "kafka": kafka.KafkaClient,
    "embedded": embedded.EmbeddedClient,
    "memory": memory.MemoryClient,
}

__all__ = [
    "CLIENTS",
    "Admin",
    "Client",
    "Delivery",
    "Message",
    "Publisher",
    "Publishing",
    "Subscriber",
    "Subscription",
]
