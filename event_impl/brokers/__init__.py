"""The client side of each broker, one file per kind: publish, subscribe, settle, create topics, sample lag."""

from __future__ import annotations

from collections.abc import Mapping

from event_impl.brokers import embedded, kafka
from event_impl.brokers.port import Admin, Capabilities, Client, Delivery, Message, Publisher, Subscriber

CLIENTS: Mapping[str, type[Client]] = {
    "kafka": kafka.KafkaClient,
    "embedded": embedded.EmbeddedClient,
}

__all__ = ["CLIENTS", "Admin", "Capabilities", "Client", "Delivery", "Message", "Publisher", "Subscriber"]
