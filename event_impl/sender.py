"""How the API informs the services: it publishes one event, and the registration waits for the broker alone.

register → variant → store · publish(user-registered) → the broker has it
"""

from __future__ import annotations

import asyncio

from event_impl.brokers import client_of
from event_impl.brokers.messages import message_of
from event_impl.variants import VARIANTS
from event_impl.variants.variant import ApiTools
from event_impl.wiring import ApiWiring
from registration import event
from registration.announce import AnnounceError, Store
from registration.registration import Registration
from registration.runtime.process import Runtime
from registration.variant import chosen


class Sender:
    """One publisher, in the variant's way. It knows no service: what subscribes is none of its business."""

    ACCEPTED = 202

    def __init__(self, wiring: ApiWiring, runtime: Runtime, store: Store) -> None:
        variant, options = chosen(VARIANTS, wiring)
        tools = ApiTools(runtime.clock, runtime.luck, store, self._publish)
        self._register = variant.in_api(options, tools)
        client = client_of(wiring.broker)(wiring.bootstrap)
        self._publisher = client.publisher(wiring.topic, variant.publishing(options))
        self._tasks = runtime.tasks

    async def open(self) -> None:
        """Connect to the broker. Raises BrokerError where it does not answer."""
        await self._publisher.open()

    async def register(self, registration: Registration) -> None:
        """Store the user and publish the event, in the variant's way. Raises AnnounceError where that failed."""
        await self._register(registration)

    async def close(self) -> None:
        await self._publisher.close()

    async def _publish(self, registration: Registration, *, timeout_s: float, confirmed: bool = True) -> None:
        message = message_of(event.UserRegistered(registration))
        try:
            async with asyncio.timeout(timeout_s):
                sent = await self._publisher.publish(message)
                # It may outlive the reply to its person, and then nobody retrieves its error.
                self._tasks.watch(sent, Exception)
                if confirmed:
                    # Shielded: the message is in the library's hands and may still arrive after the person was told no.
                    await asyncio.shield(sent)
        except TimeoutError:
            raise AnnounceError(504, f"the broker did not confirm within {timeout_s:g} s") from None
        except Exception as error:
            raise AnnounceError(502, f"the broker refused: {error!r}") from error
