"""What each side's processes must know of one another, and what all of them must know, as their settings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from benchmarks.brokers import BrokerInfo
from benchmarks.planning.plan import PlannedTrial
from benchmarks.scenario import Scenario
from event_impl import wiring as event_wiring
from event_impl.brokers.topics import TopicsWiring
from registration.address import LOOPBACK, Address
from registration.effects.destination import DestinationSettings
from registration.options import OptionValue
from registration.settings import Settings
from registration.work import WorkSettings
from sync_impl import wiring as sync_wiring

# Probes have keys like registrations: with so many, each partition gets one in all but one round in a thousand.
_PROBES_PER_PARTITION = 8
# A sample is a handful of requests to the broker under test: few under load, more once it only drains.
_LAG_SAMPLE_PERIOD_S = 0.5
_DRAIN_SAMPLE_PERIOD_S = 0.1


class _Common(TypedDict):
    name: str
    directory: str
    block_seed: int
    variant: str
    options: Mapping[str, OptionValue]
    traced: bool


class _Place(TypedDict):
    broker: str
    bootstrap: str
    topic: str


@dataclass(frozen=True)
class Basis:
    """What the settings of every process are made from. `raw`: where its raw files go."""

    scenario: Scenario
    trial: PlannedTrial
    raw: Path
    traced: bool

    @property
    def instances(self) -> list[tuple[str, int]]:
        """Each instance of each service."""
        return [(name, number) for name, spec in self.scenario.services.items() for number in range(spec.instances)]

    def common(self, name: str) -> _Common:
        """What a process is given on either side."""
        variant = self.trial.variant
        return {
            "name": name,
            "directory": str(self.raw),
            "block_seed": self.trial.block_seed,
            "variant": variant.base,
            "options": variant.options,
            "traced": self.traced,
        }


class DirectWiring:
    """The caller knows where each instance of each service listens. Raises NoFreePort."""

    module = "sync_impl"

    def __init__(self, basis: Basis, take_port: Callable[[], int]) -> None:
        self._basis = basis
        self._addresses = {instance: Address(LOOPBACK, take_port()) for instance in basis.instances}
        self._services: dict[str, list[Address]] = {}
        for (service, _), address in self._addresses.items():
            self._services.setdefault(service, []).append(address)

    def hearing(self, instances: int) -> int:
        """How many instances of a service can hear."""
        return instances

    def service(self, name: str, work: WorkSettings, destination: DestinationSettings) -> Settings:
        address = self._addresses[work.service, work.instance]
        return sync_wiring.ServiceWiring(
            **self._basis.common(name), work=work, destination=destination, address=address
        )

    def own(self, name: str) -> Settings:
        return sync_wiring.OwnWiring(**self._basis.common(name), services=self._services)

    def api(self, name: str, address: Address) -> Settings:
        # The instances of a service take turns, so this many calls reach each of them.
        probes = max(len(addresses) for addresses in self._services.values())
        return sync_wiring.ApiWiring(
            **self._basis.common(name), address=address, probes=probes, services=self._services
        )


class EventWiring:
    """All know the broker and the topic, and each service its group.

    Topics and groups are a trial's own: nothing of an earlier one can be read.
    """

    module = "event_impl"

    def __init__(self, basis: Basis, run_tag: str, broker: BrokerInfo) -> None:
        assert basis.trial.variant.broker is not None, "a variant that uses a broker has one"
        self._basis = basis
        self._broker = broker
        self._partitions = basis.trial.variant.broker.partitions
        self._tag = f"{run_tag}-{basis.trial.number:02d}"
        self._topic = f"user-registered-{self._tag}"

    def hearing(self, instances: int) -> int:
        """Of instances that share partitions, only as many hear as there are partitions; a plan warns of the rest."""
        return min(instances, self._partitions)

    def topics(self, name: str) -> TopicsWiring:
        listed = self._basis.trial.variant.listed
        return TopicsWiring(
            **self._basis.common(name),
            **self._place(),
            partitions=self._partitions,
            # One node of ours holds one replica; a cluster decides by how many nodes it has.
            replicas=1 if self._broker.ours else None,
            groups={service: self._group(service) for service in self._basis.scenario.services},
            own_topics=self._every_own_topic(),
            heard_topics=listed.heard_topics,
            dead_letters=listed.dead_letters,
            sample_period_s=_LAG_SAMPLE_PERIOD_S,
            drain_sample_period_s=_DRAIN_SAMPLE_PERIOD_S,
            delete_topics=not self._broker.ours,
        )

    def service(self, name: str, work: WorkSettings, destination: DestinationSettings) -> Settings:
        return event_wiring.ServiceWiring(
            **self._basis.common(name),
            **self._place(),
            work=work,
            destination=destination,
            group=self._group(work.service),
            own_topics=self._own_topics(work.service),
        )

    def own(self, name: str) -> Settings:
        return event_wiring.OwnWiring(**self._basis.common(name), **self._place(), own_topics=self._every_own_topic())

    def api(self, name: str, address: Address) -> Settings:
        probes = _PROBES_PER_PARTITION * self._partitions
        return event_wiring.ApiWiring(**self._basis.common(name), **self._place(), address=address, probes=probes)

    def _place(self) -> _Place:
        return {"broker": self._broker.kind, "bootstrap": self._broker.bootstrap, "topic": self._topic}

    def _group(self, service: str) -> str:
        return f"{service}-{self._tag}"

    def _own_topics(self, service: str) -> dict[str, str]:
        """The topics that the variant has for each service, by the name that it gives them."""
        return {name: f"{self._topic}-{service}-{name}" for name in self._basis.trial.variant.listed.topics}

    def _every_own_topic(self) -> dict[str, dict[str, str]]:
        return {service: self._own_topics(service) for service in self._basis.scenario.services}


Wiring = DirectWiring | EventWiring
