"""The role `topics`: creates the trial's topics, and samples each group's lag from outside while the trial runs."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import cast

from event_impl.brokers import client_for
from event_impl.brokers.port import Admin, BrokerError, own_group
from registration import event, luck
from registration.runtime.process import ControlMessage, Runtime

_log = logging.getLogger(__name__)


async def run(runtime: Runtime) -> None:
    """Serve the harness until it closes the pipe. Raises BrokerError where the broker does not do its part."""
    settings = runtime.settings
    topics = _Topics.of(settings)
    admin = client_for(settings).admin()
    await admin.open()
    for topic in topics.every:
        await admin.create_topic(topic, cast(int, settings["partitions"]), cast(int | None, settings["replicas"]))
    runtime.ready()
    # One at a time: the sampler and a request of the harness share a connection and a consumer.
    turn = asyncio.Lock()
    pace = _Pace(cast(float, settings["sample_period_s"]))
    sampler = asyncio.create_task(_sample_forever(runtime, admin, topics, turn, pace))
    async for message in runtime.messages():
        if message["type"] == "drain":
            pace.period_s = cast(float, settings["drain_sample_period_s"])
        elif message["type"] in ("pending", "dead_lettered"):
            asked = topics.heard if message["type"] == "pending" else topics.dead_letters
            async with turn:
                runtime.send(type=message["type"], services=await _unfinished(admin, asked))
    sampler.cancel()
    with suppress(asyncio.CancelledError):
        await sampler
    if settings["delete_topic"]:  # on a cluster that is not ours nothing is left behind
        try:
            for topic in topics.every:
                await admin.delete_topic(topic)
        except BrokerError as error:
            _log.warning("the topic stays: %s", error)
    await admin.close()


@dataclass(frozen=True)
class _Topics:
    """`heard`: (service, topic, group) for whatever a service consumes. Reports speak of services, not of groups.

    `dead_letters`, the same for what it puts aside: its groups have no members, so that nothing is ever finished.
    """

    every: tuple[str, ...]
    heard: tuple[tuple[str, str, str], ...]
    dead_letters: tuple[tuple[str, str, str], ...]

    @classmethod
    def of(cls, settings: ControlMessage) -> _Topics:
        shared = cast(str, settings["topic"])
        groups = cast(Mapping[str, str], settings["groups"])
        own = cast(Mapping[str, Mapping[str, str]], settings.get("own_topics", {}))

        def of(names: Sequence[str]) -> tuple[tuple[str, str, str], ...]:
            return tuple(
                (service, own[service][name] if name else shared, own_group(group, name))
                for service, group in groups.items()
                for name in names
            )

        return cls(
            (shared, *(topic for topics in own.values() for topic in topics.values())),
            of(["", *cast(Sequence[str], settings.get("heard_topics", ()))]),
            of(cast(Sequence[str], settings.get("dead_letters", ()))),
        )


@dataclass
class _Pace:
    """How often the lag is sampled: seldom under load, since each sample is work for the broker that is measured."""

    period_s: float


async def _sample_forever(runtime: Runtime, admin: Admin, topics: _Topics, turn: asyncio.Lock, pace: _Pace) -> None:
    by_topic: dict[str, list[tuple[str, str]]] = {}
    for service, topic, group in topics.heard:
        by_topic.setdefault(topic, []).append((service, group))
    while True:
        t_ns = runtime.clock.now_ns()
        try:
            lags: Counter[str] = Counter()
            async with turn:
                for topic, heard in by_topic.items():
                    backlog = await admin.backlog(topic, [group for _, group in heard])
                    lags.update({service: backlog[group] for service, group in heard})
            runtime.send(type="lag", t_ns=t_ns, groups=dict(lags))
        except Exception as error:  # noqa: BLE001 - a sample that fails is a gap in a curve, not the end of the trial
            _log.warning("no sample of the lag: %r", error)
        await asyncio.sleep(pace.period_s)


async def _unfinished(admin: Admin, topics: Sequence[tuple[str, str, str]]) -> dict[str, list[str]]:
    """The ids whose event is not settled, by service."""
    pending: dict[str, list[str]] = {}
    for service, topic, group in topics:
        messages = await admin.unfinished(topic, group)
        if messages is not None:  # None: it cannot tell
            ids = [event.parse(message.value, message.headers).registration.registration_id for message in messages]
            pending.setdefault(service, []).extend(str(id_) for id_ in ids if not luck.is_probe(id_))
    return pending
