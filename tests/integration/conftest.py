"""A real Kafka for all tests of a session, as a run would start it."""

import asyncio
from collections.abc import Iterator

import pytest

from benchmarks.brokers import Broker
from benchmarks.brokers.kafka import start_kafka


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    directory = tmp_path_factory.mktemp("kafka")
    broker = asyncio.run(start_kafka(directory / "data", directory / "broker.log"))
    yield broker
    asyncio.run(broker.stop())
