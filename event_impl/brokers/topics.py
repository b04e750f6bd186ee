"""The role `topics`: creates the trial's topics, and samples each group's lag from outside while the trial runs."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from event_impl.brokers import client_of
from event_impl.brokers.port import Admin, BrokerError, own_group
from registration import event, luck
from registration.runtime.harness import DeadLettered, Drain, Pending
from registration.runtime.process import Runtime
from registration.settings import Settings

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class TopicsWiring(Settings):
    """Which topics there are, and which groups hear them.

    groups: by service. own_topics: those that the variant has for each service, by the name that it gives them; of
    these names, heard_topics are consumed and dead_letters put aside. replicas: of each partition; None lets the
    cluster decide. The lag is sampled each sample_period_s, and each drain_sample_period_s once the load has ended.
    delete_topics: on a cluster that is not ours nothing is left behind.
    """

    broker: str
    bootstrap: str
    topic: str
    partitions: int
    replicas: int | None
    groups: Mapping[str, str]
    own_topics: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    heard_topics: Sequence[str] = ()
    dead_letters: Sequence[str] = ()
    sample_period_s: float
    drain_sample_period_s: float
    delete_topics: bool

    @property
    def every_topic(self) -> list[str]:
        return [self.topic, *(topic for topics in self.own_topics.values() for topic in topics.values())]

    def readings(self, names: Sequence[str]) -> list[_Reading]:
        """The groups that read the topics of these names: "" is the one that all services share."""
        return [
            _Reading(service, self.own_topics[service][name] if name else self.topic, own_group(group, name))
            for service, group in self.groups.items()
            for name in names
        ]


@dataclass(frozen=True)
class _Reading:
    """A service's group on a topic. Of dead letters it has no members, so that nothing is ever finished."""

    service: str
    topic: str
    group: str


async def run(wiring: TopicsWiring, runtime: Runtime) -> None:
    """Serve the harness until it closes the pipe. Raises BrokerError where the broker does not do its part."""
    heard, put_aside = wiring.readings(["", *wiring.heard_topics]), wiring.readings(wiring.dead_letters)
    admin = client_of(wiring.broker)(wiring.bootstrap).admin()
    await admin.open()
    for topic in wiring.every_topic:
        await admin.create_topic(topic, wiring.partitions, wiring.replicas)
    runtime.harness.ready()
    # One at a time: the sampler and a request of the harness share a connection and a consumer.
    turn = asyncio.Lock()
    pace = _Pace(wiring.sample_period_s)
    runtime.tasks.serve(_sample_forever(runtime, admin, heard, turn, pace))
    async for question in runtime.harness.questions():
        match question:
            case Drain():
                pace.period_s = wiring.drain_sample_period_s
            case Pending():
                async with turn:
                    runtime.harness.send(type="pending", services=await _unfinished(admin, heard))
            case DeadLettered():
                async with turn:
                    runtime.harness.send(type="dead_lettered", services=await _unfinished(admin, put_aside))
    await runtime.tasks.close()
    if wiring.delete_topics:
        try:
            for topic in wiring.every_topic:
                await admin.delete_topic(topic)
        except BrokerError as error:
            _log.warning("the topic stays: %s", error)
    await admin.close()


@dataclass
class _Pace:
    """How often the lag is sampled: rarely under load, since each sample is work for the broker that is measured."""

    period_s: float


async def _sample_forever(
    runtime: Runtime, admin: Admin, heard: Sequence[_Reading], turn: asyncio.Lock, pace: _Pace
) -> None:
    by_topic: dict[str, list[_Reading]] = {}
    for reading in heard:
        by_topic.setdefault(reading.topic, []).append(reading)
    while True:
        t_ns = runtime.clock.now_ns()
        try:
            lags: Counter[str] = Counter()
            async with turn:
                for topic, readings in by_topic.items():
                    backlog = await admin.backlog(topic, [reading.group for reading in readings])
                    lags.update({reading.service: backlog[reading.group] for reading in readings})
            runtime.harness.send(type="lag", t_ns=t_ns, groups=dict(lags))
        except Exception as error:  # noqa: BLE001 - a sample that fails is a gap in a curve, not the end of the trial
            _log.warning("no sample of the lag: %r", error)
        await asyncio.sleep(pace.period_s)


async def _unfinished(admin: Admin, readings: Sequence[_Reading]) -> dict[str, list[str]]:
    """The ids whose event is not settled, by service."""
    pending: dict[str, list[str]] = {}
    for reading in readings:
        messages = await admin.unfinished(reading.topic, reading.group)
        if messages is not None:  # None: it cannot tell
            ids = [event.parse(message.value, message.headers).registration.registration_id for message in messages]
            pending.setdefault(reading.service, []).extend(str(id_) for id_ in ids if not luck.is_probe(id_))
    return pending
