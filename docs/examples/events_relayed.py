"""`events-relayed`: the user's row and the wish to announce it in one transaction; a relay of its own publishes."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass

import msgspec

from event_impl.brokers import client_of
from event_impl.brokers.messages import message_of
from event_impl.brokers.port import Publisher, Publishing
from event_impl.variants import events
from event_impl.variants.variant import ApiTools, Register, Variant
from event_impl.wiring import OwnWiring
from registration import event
from registration.options import duration
from registration.registration import Registration
from registration.runtime.harness import Idle, Pending
from registration.runtime.process import Runtime
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
        await tools.store(registration, announce_later=True)

    return register


async def relay(wiring: OwnWiring, runtime: Runtime) -> None:
    """The process: it publishes in the order of the rows, and a row goes when the broker has its event."""
    options = msgspec.convert(wiring.options, Options)
    publisher = client_of(wiring.broker)(wiring.bootstrap).publisher(wiring.topic, Publishing(options.timeout_s))
    await publisher.open()
    users = runtime.open_users()
    runtime.tasks.serve(_announce_forever(users, publisher, options.look_every_s))
    runtime.harness.ready()
    async for question in runtime.harness.questions():
        match question:
            case Idle(number):
                runtime.harness.send(type="idle", question=number, busy=users.waiting())
            case Pending(services):
                waiting = [str(registration.registration_id) for _, registration in users.to_announce(_ALL)]
                runtime.harness.send(type="pending", services=dict.fromkeys(services, waiting))
    await runtime.tasks.close()
    await publisher.close()
    users.close()


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
    processes=(OwnProcess("relay", relay, reports_pending=True),),
)
