"""Each test of the contract, for each kind of broker: the one in memory in no time, the others as they are run."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Protocol

import pytest
from world import Scenario, run_real, run_virtual

from benchmarks.brokers import KINDS, Broker, ServerSpec, start
from event_impl.brokers import CLIENTS


class Run(Protocol):
    """Lets a scenario take place, on a topic of so many partitions where the kind leaves the choice."""

    def __call__(self, scenario: Scenario, partitions: int = 6) -> None: ...


@pytest.fixture(scope="session")
def broker_of(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Broker]]:
    """The broker of a kind, started when it is first asked for."""
    started: dict[str, Broker] = {}
    with asyncio.Runner() as runner:  # a broker may live on the loop that started it

        def ask(kind: str) -> Broker:
            if kind not in started:
                directory = tmp_path_factory.mktemp(kind)
                server = ServerSpec(kind, next(iter(KINDS[kind].profiles), None), KINDS[kind].durabilities[0])
                started[kind] = runner.run(start(server, directory / "data", directory / "broker.log"))
            return started[kind]

        yield ask
        for broker in started.values():
            runner.run(broker.stop())


@pytest.fixture(params=CLIENTS)
def run(request: pytest.FixtureRequest, broker_of: Callable[[str], Broker]) -> Run:
    kind = request.param

    def take_place(scenario: Scenario, partitions: int = 6) -> None:
        if kind not in KINDS:
            run_virtual(kind, scenario, partitions)
        else:
            broker = broker_of(kind)
            assert broker.pid is not None
            run_real(kind, broker.info.bootstrap, broker.pid, scenario, partitions)

    return take_place
