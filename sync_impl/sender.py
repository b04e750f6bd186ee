"""How the API informs the services: it calls each of them, and the registration waits for the answers.

register → variant → store · call(email) · call(analytics) · call(cache) → all answered
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Coroutine

from registration.announce import AnnounceError, Store
from registration.call import Call
from registration.registration import Registration
from registration.runtime.process import Runtime
from registration.variant import chosen
from sync_impl.variants import VARIANTS
from sync_impl.variants.variant import ApiTools, Calling
from sync_impl.wires.port import Wire, WireError
from sync_impl.wiring import ApiWiring


class Sender:
    """Calls over one wire, in the variant's way. It knows every service: another one is a change to the caller."""

    ACCEPTED = 201

    def __init__(self, wiring: ApiWiring, runtime: Runtime, store: Store, make_wire: Callable[[Calling], Wire]) -> None:
        variant, options = chosen(VARIANTS, wiring)
        tools = ApiTools(runtime.clock, runtime.luck, list(wiring.services), store, self._call, self._in_background)
        self._register = variant.in_api(options, tools)
        self._tasks = runtime.tasks
        self._wire = make_wire(variant.calling(options))
        self._turns = {service: itertools.cycle(instances) for service, instances in wiring.services.items()}

    async def open(self) -> None:
        """Make the pools; connections are opened as calls need them."""
        for service in self._turns:
            self._wire.open(service)

    async def register(self, registration: Registration) -> None:
        """Store the user and call every service, in the variant's way. Raises AnnounceError where that failed."""
        await self._register(registration)

    async def close(self) -> None:
        await self._wire.close()

    async def _call(
        self,
        service: str,
        registration: Registration,
        *,
        timeout_s: float,
        attempt: int = 1,
        deadline_ns: int | None = None,
        idempotency_key: str = "",
    ) -> None:
        call = Call(registration, attempt, deadline_ns, idempotency_key)
        try:
            # httpx bounds each phase of a call; this bounds the call.
            async with asyncio.timeout(timeout_s):
                status = await self._wire.send(service, next(self._turns[service]), call)
        except TimeoutError:
            raise AnnounceError(504, f"{service} did not answer within {timeout_s:g} s") from None
        except WireError as error:
            raise AnnounceError(502, f"{service} could not be called: {error}") from error
        if not 200 <= status < 300:
            raise AnnounceError(502, f"{service} answered {status}")

    def _in_background(self, work: Coroutine[object, None, None]) -> None:
        self._tasks.start(work, AnnounceError)
