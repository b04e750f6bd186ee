"""How the API tells the services: it publishes one event, and the registration waits for the broker alone.

register → variant → store · publish(user-registered) → the broker has it
"""

from __future__ import annotations

import asyncio
import logging
from typing import cast

from event_impl.brokers import client_for
from event_impl.brokers.messages import message_of
from event_impl.brokers.port import BrokerError, Message
from event_impl.variants import VARIANTS
from event_impl.variants.variant import ApiTools
from registration import event, luck
from registration.announce import AnnounceError, Store
from registration.registration import Registration
from registration.runtime.process import Runtime
from registration.variant import chosen

_log = logging.getLogger(__name__)


class Sender:
    """One publisher. It knows no service: who subscribes is none of its business."""

    ACCEPTED = 202

    def __init__(self, runtime: Runtime, store: Store) -> None:
        self._unsent: set[asyncio.Future[object]] = set()
        variant, options = chosen(VARIANTS, runtime.settings)
        self._register = variant.in_api(options, ApiTools(runtime.clock, runtime.luck, store, self._publish))
        client = client_for(runtime.settings)
        self._publisher = client.publisher(cast(str, runtime.settings["topic"]), variant.publishing(options))

    @property
    def busy(self) -> int:
        """Publishes that the broker has not acknowledged; one may outlive the reply to its person."""
        return len(self._unsent)

    async def open(self) -> None:
        """Connect to the broker. Raises BrokerError where it does not answer."""
        await self._publisher.open()

    async def register(self, registration: Registration) -> None:
        """Store the user and publish the event, in the variant's way. Raises AnnounceError where that failed."""
        await self._register(registration)

    async def probe(self, first_id: int) -> None:
        """Publish reserved ids so that each consumer hears of one. What does not arrive is left to be proven."""

        def probe(number: int) -> Message:
            return message_of(event.probe(luck.probe_id(first_id + number)))

        try:
            await self._publisher.probe(probe)
        except BrokerError as error:
            _log.warning("a probe failed, the next round decides: %s", error)

    async def close(self) -> None:
        await self._publisher.close()

    async def _publish(self, registration: Registration, *, timeout_s: float, confirmed: bool = True) -> None:
        message = message_of(event.UserRegistered(registration))
        try:
            async with asyncio.timeout(timeout_s):
                sent = await self._publisher.publish(message)
                self._unsent.add(sent)
                sent.add_done_callback(self._done)
                if confirmed:
                    # Shielded: the message is in the library's hands and may still arrive after the person was told no.
                    await asyncio.shield(sent)
        except TimeoutError:
            raise AnnounceError(504, f"the broker did not confirm within {timeout_s:g} s") from None
        except Exception as error:
            raise AnnounceError(502, f"the broker refused: {error!r}") from error

    def _done(self, sent: asyncio.Future[object]) -> None:
        self._unsent.discard(sent)
        # Where nobody waits for it, its error is nobody's to retrieve.
        if not sent.cancelled() and (error := sent.exception()) is not None:
            _log.info("an event was not delivered: %r", error)
