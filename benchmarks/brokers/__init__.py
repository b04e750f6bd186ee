"""Starting and stopping brokers: one file per kind, listed in the table below; clients live in `event_impl.brokers`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

from benchmarks.brokers.broker import Broker, BrokerInfo, BrokerUnavailable, FetchProgress, SilentProgress
from benchmarks.brokers.embedded import start_embedded
from benchmarks.brokers.external import connect
from benchmarks.brokers.kafka import start_kafka

# What `broker.kind` of a scenario may name, and what starts it: its own directory, and the path of its log.
KINDS: Mapping[str, Callable[[Path, Path], Awaitable[Broker]]] = {
    "kafka": start_kafka,
    "embedded": start_embedded,
}

__all__ = [
    "KINDS",
    "Broker",
    "BrokerInfo",
    "BrokerUnavailable",
    "FetchProgress",
    "SilentProgress",
    "connect",
    "start_embedded",
    "start_kafka",
]
