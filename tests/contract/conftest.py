"""Each test of the contract, for each kind of broker."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Protocol

import pytest
from world import Kind, Scenario, run_real, run_virtual

from benchmarks.brokers import Broker, start_embedded, start_kafka
from event_impl.brokers import CLIENTS
from event_impl.brokers.embedded import PARTITIONS

LACKING = {"embedded": Kind("embedded", groups=False, partitions=PARTITIONS)}


class Run(Protocol):
    """Lets a scenario take place, on a topic of so many partitions where the kind leaves the choice."""

    def __call__(self, scenario: Scenario, partitions: int = 6) -> None: ...


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    directory = tmp_path_factory.mktemp("kafka")
    broker = asyncio.run(start_kafka(directory / "data", directory / "broker.log"))
    yield broker
    asyncio.run(broker.stop())


@pytest.fixture(scope="session")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    directory = tmp_path_factory.mktemp("embedded")
    with asyncio.Runner() as runner:  # it lives on the loop that started it
        broker = runner.run(start_embedded(directory, directory / "broker.log"))
        yield broker
        runner.run(broker.stop())


@pytest.fixture(params=CLIENTS)
def run(request: pytest.FixtureRequest) -> Run:
    kind = LACKING.get(request.param, Kind(request.param))

    def take_place(scenario: Scenario, partitions: int = 6) -> None:
        if kind.name == "memory":
            run_virtual(kind, scenario, partitions)
        else:
            broker: Broker = request.getfixturevalue(kind.name)
            assert broker.pid is not None
            run_real(kind, broker.info.bootstrap, broker.pid, scenario, partitions)

    return take_place
