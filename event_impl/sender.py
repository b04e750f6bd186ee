"""How the API tells the services: it publishes one event, and the registration waits for the broker alone.

announce → variant → publish(user-registered) → the broker has it
"""

from __future__ import annotations

import asyncio
from typing import cast

from event_impl.brokers import CLIENTS
from event_impl.brokers.port import BrokerError, Message, Publishing
from event_impl.variants import VARIANTS
from registration import event, luck
from registration.api import AnnounceError
from registration.process import Link, RoleError
from registration.registration import Registration


class Sender:
    """One publisher. It knows no service: who subscribes is none of its business."""

    ACCEPTED = 202

    def __init__(self, link: Link) -> None:
        self._unsent: set[asyncio.Future[object]] = set()
        self._timeout_s = cast(float, link.settings["timeout_s"])
        self._variant = VARIANTS[cast(str, link.settings["variant"])]
        client = CLIENTS[cast(str, link.settings["broker"])](cast(str, link.settings["bootstrap"]))
        self._publisher = client.publisher(cast(str, link.settings["topic"]), Publishing(self._timeout_s))

    @property
    def busy(self) -> int:
        """Publishes that the broker has not acknowledged; one may outlive the reply to its person."""
        return len(self._unsent)

    async def open(self) -> None:
        """Connect to the broker. Raises RoleError where it does not answer."""
        try:
            await self._publisher.open()
        except BrokerError as error:
            raise RoleError(str(error), "look at the broker's log") from error

    async def announce(self, registration: Registration) -> None:
        """Publish the event, in the variant's way. Raises AnnounceError where the broker does not confirm it."""
        user_registered = event.UserRegistered(registration)
        message = Message(user_registered.key(), user_registered.value(), user_registered.headers())
        await self._variant.announce(self._publish, message)

    async def probe(self, first_id: int) -> None:
        """Publish reserved ids, so that each consumer hears of one. What does not arrive is left to be proven."""

        def make_message(number: int) -> Message:
            probe = event.probe(luck.probe_id(first_id + number))
            return Message(probe.key(), probe.value(), probe.headers())

        await self._publisher.probe(make_message)

    async def close(self) -> None:
        await self._publisher.close()

    async def _publish(self, message: Message) -> None:
        try:
            async with asyncio.timeout(self._timeout_s):
                sent = await self._publisher.publish(message)
                self._unsent.add(sent)
                sent.add_done_callback(self._unsent.discard)
                # Shielded: the message is in the library's hands and may still arrive after the person was told no.
                await asyncio.shield(sent)
        except TimeoutError:
            raise AnnounceError(504, f"the broker did not confirm within {self._timeout_s:g} s") from None
        except Exception as error:
            raise AnnounceError(502, f"the broker refused: {error!r}") from error
