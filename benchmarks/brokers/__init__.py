"""Starting and stopping brokers: a file or folder per kind, in the table below; clients live in `event_impl.brokers`.

This module holds values alone: the file of a kind is imported when a broker of that kind is wanted.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol, cast

from benchmarks.brokers.broker import (
    Broker,
    BrokerInfo,
    BrokerKind,
    BrokerUnavailable,
    FetchProgress,
    ServerSpec,
    SilentProgress,
)

# What `broker.kind` of a scenario may name.
KINDS: Mapping[str, BrokerKind] = {
    "kafka": BrokerKind(
        "benchmarks.brokers.kafka.server", durabilities=("os", "fsync"), profiles=("quick", "full"), fetches=True
    ),
    "embedded": BrokerKind(
        "benchmarks.brokers.embedded",
        durabilities=("memory",),
        partitions=4,
        emulator=True,
        hit_by_faults=False,
        caution="the embedded broker is not a real one: in memory, four partitions a topic, no consumer groups and no "
        "lag; try scenarios with it, and measure with Kafka",
    ),
}


class _Server(Protocol):
    """The file of a kind."""

    async def prepare(self, progress: FetchProgress | None = None) -> object:
        """Fetch what it needs and does not have yet. Only called for kinds with `fetches`."""

    async def start(self, server: ServerSpec, directory: Path, log_path: Path) -> Broker:
        """Start one with all of its files in `directory`; it answers when this returns. See `start`."""


async def start(server: ServerSpec, directory: Path, log_path: Path) -> Broker:
    """Start a broker with a directory of its own; what it prints goes to `log_path`. From the main thread only.

    Raises BrokerUnavailable.
    """
    return await _file_of(server.kind).start(server, directory, log_path)


async def fetch_kind(kind: str, progress: FetchProgress | None = None) -> None:
    """Fetch what a kind needs and does not have yet. Raises BrokerUnavailable."""
    if KINDS[kind].fetches:
        await _file_of(kind).prepare(progress)


def _file_of(kind: str) -> _Server:
    return cast(_Server, importlib.import_module(KINDS[kind].module))


__all__ = [
    "KINDS",
    "Broker",
    "BrokerInfo",
    "BrokerKind",
    "BrokerUnavailable",
    "FetchProgress",
    "ServerSpec",
    "SilentProgress",
    "fetch_kind",
    "start",
]
