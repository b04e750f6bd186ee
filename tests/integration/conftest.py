"""A real Kafka for all tests of a session, as a run would start it, and runs that only leave tables."""

import asyncio
from collections.abc import Iterator

import pytest

from benchmarks.brokers import Broker
from benchmarks.brokers.kafka.server import start_kafka


@pytest.fixture(scope="module")
def unreported() -> Iterator[None]:
    """Runs of a module that asks for this draw no charts and write no report, which takes longer than some of them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("benchmarks.charts.draw_all", lambda _directory: [])
        patch.setattr("benchmarks.report.write_report", lambda directory: directory)
        yield


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    directory = tmp_path_factory.mktemp("kafka")
    broker = asyncio.run(start_kafka(directory / "data", directory / "broker.log"))
    yield broker
    asyncio.run(broker.stop())
