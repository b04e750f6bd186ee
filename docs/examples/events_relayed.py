"""`events-relayed`: the user's row and the wish to announce it in one transaction; a relay of its own publishes."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, cast

from event_impl.brokers import client_for
from event_impl.brokers.messages import message_of
from event_impl.brokers.port import BrokerError, Publisher, Publishing
from event_impl.variants import events
from event_impl.variants.variant import ApiTools, Register, Variant
from registration import event
from registration.options import duration
from registration.registration import Registration
from registration.runtime.process import Runtime
from registration.runtime.role import RoleError
from registration.users import Users
from registration.variant import OwnProcess, Promise

_log = logging.getLogger(__name__)
_AT_ONCE = 100  # rows that are read before the first of them is published
_ALL = 2**31


@dataclass(frozen=True)
class Options(events.Options):
    """What a scenario may set."""

    look_every_s: float = duration(0.02, "how often the relay looks for what is still to be announced")


def in_api(_options: Options, tools: ApiTools) -> Register:
    async def register(registration: Registration) -> None:
        tools.store(registration, announce_later=True)

    return register


async def relay(runtime: Runtime) -> None:
    """The process: it publishes in the order of the rows, and a row goes when the broker has its event."""
    options = Options(**cast(Mapping[str, Any], runtime.settings["options"]))
    client = client_for(runtime.settings)
    publisher = client.publisher(cast(str, runtime.settings["topic"]), Publishing(options.timeout_s))
    try:
        await publisher.open()
    except BrokerError as error:
        raise RoleError(str(error), error.next_step) from error
    users = runtime.open_users()
    announcing = asyncio.create_task(_announce_forever(users, publisher, options.look_every_s))
    announcing.add_done_callback(lambda ended: _report_if_broken(runtime, ended))
    runtime.ready()
    async for message in runtime.messages():
        match message["type"]:
            case "idle":
                runtime.send(type="idle", question=message["question"], busy=users.waiting())
            case "pending":
                waiting = [str(registration.registration_id) for _, registration in users.to_announce(_ALL)]
                services = cast(list[str], message["services"])
                runtime.send(type="pending", services=dict.fromkeys(services, waiting))
    announcing.cancel()
    with suppress(asyncio.CancelledError):
        await announcing
    await publisher.close()
    users.close()


def _report_if_broken(runtime: Runtime, ended: asyncio.Task[None]) -> None:
    if not ended.cancelled() and (error := ended.exception()) is not None:
        runtime.broken(error)


async def _announce_forever(users: Users, publisher: Publisher, look_every_s: float) -> None:
    while True:
        for number, registration in users.to_announce(_AT_ONCE):
            try:
                await (await publisher.publish(message_of(event.UserRegistered(registration))))
            except Exception as error:  # noqa: BLE001 - the library's own: the broker refuses, and the row stays
                _log.warning("an event waits to be announced: %r", error)
                break
            users.announced(number)
        await asyncio.sleep(look_every_s)


EVENTS_RELAYED = Variant(
    name="events-relayed",
    sentence="user and event in one database transaction; a relay publishes",
    options=Options,
    promises=frozenset({Promise.NOT_LOST, Promise.NOT_STRANDED}),
    in_api=in_api,
    in_service=events.in_service,
    publishing=lambda options: Publishing(options.timeout_s),
    processes=(OwnProcess("relay", relay, tells_pending=True),),
)
