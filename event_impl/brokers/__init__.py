"""The client side of each broker, one file per kind: publish, subscribe, settle, create topics, sample the backlog."""

from __future__ import annotations

from importlib import import_module

from event_impl.brokers.port import BrokerClient

# Named, and imported when asked for: a client brings its library along, and what only reads this table, such as
# `bench list`, need not wait for that.
CLIENTS: dict[str, str] = {
    "kafka": "event_impl.brokers.kafka:KafkaClient",
    "embedded": "event_impl.brokers.embedded:EmbeddedClient",
    "memory": "event_impl.brokers.memory:MemoryClient",
}


def client_of(kind: str) -> type[BrokerClient]:
    """The client of a kind of broker. Raises KeyError."""
    module, _, name = CLIENTS[kind].partition(":")
    found: type[BrokerClient] = getattr(import_module(module), name)
    return found
