"""The role `topics`: creates the trial's topic, and samples each group's lag from outside while the trial runs."""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import cast

from event_impl.brokers import CLIENTS
from event_impl.brokers.port import Admin, BrokerError
from registration import event, luck
from registration.process import Link
from registration.role import RoleError

_log = logging.getLogger(__name__)


async def run(link: Link) -> None:
    """Serve the harness until it closes the pipe."""
    settings = link.settings
    topic = cast(str, settings["topic"])
    # Group names by service: reports speak of services.
    groups = cast(dict[str, str], settings["groups"])
    admin = CLIENTS[cast(str, settings["broker"])](cast(str, settings["bootstrap"])).admin()
    try:
        await admin.open()
        replicas = cast(int | None, settings["replicas"])
        await admin.create_topic(topic, cast(int, settings["partitions"]), replicas)
    except BrokerError as error:
        raise RoleError(str(error), error.next_step) from error
    link.ready()
    # One at a time: the sampler and a request of the harness share a connection and a consumer.
    turn = asyncio.Lock()
    pace = _Pace(cast(float, settings["sample_period_s"]))
    sampler = asyncio.create_task(_sample_forever(link, admin, turn, pace))
    async for message in link.messages():
        if message["type"] == "drain":
            pace.period_s = cast(float, settings["drain_sample_period_s"])
        elif message["type"] == "pending":
            try:
                async with turn:
                    link.send(type="pending", services=await _pending(admin, topic, groups))
            except BrokerError as error:
                raise RoleError(str(error), "look at the broker's log; is it still running?") from error
    sampler.cancel()
    with suppress(asyncio.CancelledError):
        await sampler
    if settings["delete_topic"]:  # on a cluster that is not ours nothing is left behind
        try:
            await admin.delete_topic(topic)
        except BrokerError as error:
            _log.warning("the topic stays: %s", error)
    await admin.close()


@dataclass
class _Pace:
    """How often the lag is sampled: seldom under load, since each sample is work for the broker that is measured."""

    period_s: float


async def _sample_forever(link: Link, admin: Admin, turn: asyncio.Lock, pace: _Pace) -> None:
    settings = link.settings
    topic = cast(str, settings["topic"])
    groups = cast(dict[str, str], settings["groups"])
    while True:
        t_ns = time.monotonic_ns()
        try:
            async with turn:
                lags = await admin.backlog(topic, list(groups.values()))
            link.send(type="lag", t_ns=t_ns, groups={service: lags[group] for service, group in groups.items()})
        except Exception as error:  # noqa: BLE001 - a sample that fails is a gap in a curve, not the end of the trial
            _log.warning("no sample of the lag: %r", error)
        await asyncio.sleep(pace.period_s)


async def _pending(admin: Admin, topic: str, groups: dict[str, str]) -> dict[str, list[str]]:
    """The ids whose event is still to be settled, by service."""
    pending: dict[str, list[str]] = {}
    for service, group in groups.items():
        messages = await admin.unfinished(topic, group)
        if messages is not None:  # None: it cannot tell
            ids = [event.parse(message.value, message.headers).registration.registration_id for message in messages]
            pending[service] = [str(id_) for id_ in ids if not luck.is_probe(id_)]
    return pending
