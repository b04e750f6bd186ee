"""How the API tells the services: it calls each of them, and the registration waits for the answers.

register → variant → store · call(email) · call(analytics) · call(cache) → all answered
"""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import Coroutine, Iterator
from typing import Any, cast

from registration import luck
from registration.announce import AnnounceError, Store
from registration.call import Call
from registration.registration import Registration
from registration.runtime.process import Runtime
from registration.runtime.role import GRACEFUL_S
from registration.variant import chosen
from sync_impl.variants import VARIANTS
from sync_impl.variants.variant import ApiTools
from sync_impl.wires.port import Wire, WireError

_log = logging.getLogger(__name__)

_PROBE_TIMEOUT_S = 2.0


class Sender:
    """Calls over one wire, in the variant's way."""

    ACCEPTED = 201

    def __init__(self, runtime: Runtime, store: Store, wire: Wire) -> None:
        self._runtime = runtime
        self._wire = wire
        self._calling = 0
        self._background: set[asyncio.Task[None]] = set()
        self._ports = cast(dict[str, list[int]], runtime.settings["services"])
        self._turns: dict[str, Iterator[int]] = {name: itertools.cycle(of) for name, of in self._ports.items()}
        variant, options = chosen(VARIANTS, runtime.settings)
        tools = ApiTools(runtime.clock, runtime.luck, list(self._ports), store, self._call, self._in_background)
        self._register = variant.in_api(options, tools)

    @property
    def busy(self) -> int:
        """Registrations whose calls are under way."""
        return self._calling + len(self._background)

    async def open(self) -> None:
        """Make the pools; connections are opened as calls need them."""
        for service in self._ports:
            self._wire.open(service)

    async def register(self, registration: Registration) -> None:
        """Store the user and call every service, in the variant's way. Raises AnnounceError where that failed."""
        self._calling += 1
        try:
            await self._register(registration)
        finally:
            self._calling -= 1

    async def probe(self, first_id: int) -> None:
        """Call every instance of every service once, with a reserved id. Silence leaves one unproven."""
        ids = itertools.count(first_id)
        for service, ports in self._ports.items():
            for port in ports:
                id_ = luck.probe_id(next(ids))
                probe = Call(Registration(id_, id_, "probe@example.com"))
                try:
                    await self._send(service, port, probe, _PROBE_TIMEOUT_S)
                except AnnounceError as error:
                    _log.warning("a probe failed, the next round decides: %s", error)

    async def close(self) -> None:
        """What goes on in the background gets as long as what is being answered."""
        if self._background:
            await asyncio.wait(self._background, timeout=GRACEFUL_S)
        for task in self._background:
            task.cancel()
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
        await self._send(service, next(self._turns[service]), call, timeout_s)

    async def _send(self, service: str, port: int, call: Call, timeout_s: float) -> None:
        try:
            # httpx bounds each phase of a call; this bounds the call.
            async with asyncio.timeout(timeout_s):
                status = await self._wire.send(service, port, call)
        except TimeoutError:
            raise AnnounceError(504, f"{service} did not answer within {timeout_s:g} s") from None
        except WireError as error:
            raise AnnounceError(502, f"{service} could not be called: {error}") from error
        if not 200 <= status < 300:
            raise AnnounceError(502, f"{service} answered {status}")

    def _in_background(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._done_in_background)

    def _done_in_background(self, task: asyncio.Task[None]) -> None:
        self._background.discard(task)
        if task.cancelled() or (error := task.exception()) is None:
            return
        if isinstance(error, AnnounceError):
            _log.info("nobody waits for it, and it failed: %s", error)
        else:
            self._runtime.broken(error)
