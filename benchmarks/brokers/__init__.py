"""Starting and stopping brokers: one file per kind, listed in the table below; clients live in `event_impl.brokers`."""

from __future__ import annotations

from benchmarks.brokers.broker import Broker, BrokerInfo, BrokerUnavailable, FetchProgress, SilentProgress
from benchmarks.brokers.external import connect
from benchmarks.brokers.kafka import start_kafka

# What `broker.kind` of a scenario may name, and what starts it.
KINDS = {
    "kafka": start_kafka,
}

__all__ = [
    "KINDS",
    "Broker",
    "BrokerInfo",
    "BrokerUnavailable",
    "FetchProgress",
    "SilentProgress",
    "connect",
    "start_kafka",
]
