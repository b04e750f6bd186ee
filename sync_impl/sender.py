"""How the API tells the services: it calls each of them, and the registration waits for the answers.

announce → variant → call(email) · call(analytics) · call(cache) → all answered
"""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import Iterator
from typing import cast

import httpx
from httpx_aiohttp import AiohttpTransport

from registration import luck
from registration.api import AnnounceError
from registration.http import HOST
from registration.process import Link
from registration.registration import Registration, body_of
from sync_impl.variants import VARIANTS

_log = logging.getLogger(__name__)

# No client pool binds: a slow service must not be slow because its caller ran out of connections.
_CONNECTIONS_PER_SERVICE = 1000


class Sender:
    """One pool of connections per service, so that a slow one cannot starve the others.

    httpx at its transport's level: a client would add cookies, redirects, authentication and settings to merge, none of
    which a call to one's own service has, for a fifth of the registration's time (docs/decisions/0001).
    """

    ACCEPTED = 201

    def __init__(self, link: Link) -> None:
        self._calling = 0
        ports = cast(dict[str, list[int]], link.settings["services"])
        # Parsed once: the client would parse a string anew with each call.
        self._urls = {name: [httpx.URL(f"http://{HOST}:{port}/work") for port in of] for name, of in ports.items()}
        self._turns: dict[str, Iterator[httpx.URL]] = {name: itertools.cycle(of) for name, of in self._urls.items()}
        self._timeout_s = cast(float, link.settings["timeout_s"])
        self._variant = VARIANTS[cast(str, link.settings["variant"])]
        self._transports: dict[str, httpx.AsyncBaseTransport] = {}

    @property
    def busy(self) -> int:
        """Registrations whose calls are under way."""
        return self._calling

    async def open(self) -> None:
        """Make the pools; connections are opened as calls need them."""
        for service in self._urls:
            self._transports[service] = _transport()

    async def announce(self, registration: Registration) -> None:
        """Call every service, in the variant's way. Raises AnnounceError where one of them failed."""
        self._calling += 1
        try:
            await self._variant(self._call, list(self._urls), registration)
        finally:
            self._calling -= 1

    async def probe(self, first_id: int) -> None:
        """Call every instance of every service once, with a reserved id. Silence leaves one unproven."""
        ids = itertools.count(first_id)
        for service, urls in self._urls.items():
            for url in urls:
                id_ = luck.probe_id(next(ids))
                try:
                    await self._post(service, url, Registration(id_, id_, "probe@example.com"))
                except AnnounceError as error:
                    _log.warning("a probe failed, the next round decides: %s", error)

    async def close(self) -> None:
        for transport in self._transports.values():
            await transport.aclose()

    async def _call(self, service: str, registration: Registration) -> None:
        await self._post(service, next(self._turns[service]), registration)

    async def _post(self, service: str, url: httpx.URL, registration: Registration) -> None:
        headers = {"content-type": "application/json", "traceparent": registration.traceparent}
        request = httpx.Request("POST", url, headers=headers, content=body_of(registration))
        try:
            # httpx bounds each phase of a call; this bounds the call.
            async with asyncio.timeout(self._timeout_s):
                response = await self._transports[service].handle_async_request(request)
                try:
                    await response.aread()  # to its end, so that the connection can be used again
                finally:
                    await response.aclose()
        except TimeoutError:
            raise AnnounceError(504, f"{service} did not answer within {self._timeout_s:g} s") from None
        except httpx.HTTPError as error:
            raise AnnounceError(502, f"{service} could not be called: {error!r}") from error
        if not response.is_success:
            raise AnnounceError(502, f"{service} answered {response.status_code}")


def _transport() -> httpx.AsyncBaseTransport:
    limits = httpx.Limits(
        max_connections=_CONNECTIONS_PER_SERVICE,
        max_keepalive_connections=_CONNECTIONS_PER_SERVICE,
        keepalive_expiry=3600,
    )
    # Without the environment: a proxy that a person has set is not for loopback. No timeout: `_post` bounds the call.
    return AiohttpTransport(limits=limits, trust_env=False)
