"""`events-relayed`: the user's row and the wish to announce it in one transaction; a relay of its own publishes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from event_impl.brokers import client_of
from event_impl.brokers.port import Message, Publishing
from event_impl.variants import events
from event_impl.variants.variant import ApiTools, Register, Variant
from registration import event
from registration.options import duration
from registration.process import Link
from registration.registration import Registration
from registration.variant import OwnProcess, Promise


@dataclass(frozen=True)
class Options(events.Options):
    """What a scenario may set."""

    look_every_s: float = duration(0.02, "how often the relay looks for what is still to be announced")


def in_api(_options: Options, tools: ApiTools) -> Register:
    async def register(registration: Registration) -> None:
        tools.store(registration, announce_later=True)

    return register


async def relay(link: Link) -> None:
    """Publish in the order of the rows; a row goes when the broker has its event."""
    import asyncio

    options = Options(**cast("dict[str, float]", link.settings["options"]))
    users = link.open_users()
    client = client_of(cast(str, link.settings["broker"]))(cast(str, link.settings["bootstrap"]))
    publisher = client.publisher(cast(str, link.settings["topic"]), Publishing(options.timeout_s))
    await publisher.open()

    async def work() -> None:
        while True:
            for number, registration in users.to_announce(100):
                happened = event.UserRegistered(registration)
                sent = await publisher.publish(Message(happened.key(), happened.value(), happened.headers()))
                await sent
                users.announced(number)
            await asyncio.sleep(options.look_every_s)

    working = asyncio.create_task(work())
    link.ready()
    async for message in link.messages():
        if message["type"] == "idle":
            link.send(type="idle", question=message["question"], busy=users.waiting())
    working.cancel()
    await publisher.close()
    users.close()


EVENTS_RELAYED = Variant(
    name="events-relayed",
    sentence="user and event in one database transaction; a relay publishes",
    options=Options,
    promises=frozenset({Promise.NOT_LOST, Promise.NOT_STRANDED}),
    in_api=in_api,
    in_service=events.in_service,
    publishing=lambda options: Publishing(options.timeout_s),
    processes=(OwnProcess("relay", relay),),
)
