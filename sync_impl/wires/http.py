"""HTTP, through httpx on the aiohttp transport, with a pool of connections for each service.

httpx at its transport's level: a client would add cookies, redirects, authentication and settings to merge, none of
which a call to one's own service has, for a fifth of the registration's time (docs/decisions/0001).
"""

from __future__ import annotations

import httpx
from httpx_aiohttp import AiohttpTransport

from registration.call import PATHS, Call
from registration.runtime.http import HOST
from sync_impl.wires.port import WireError

# No client pool binds: a slow service must not be slow because its caller ran out of connections.
_CONNECTIONS_PER_SERVICE = 1000


class HttpWire:
    """One pool of connections per service, so that a slow one cannot starve the others."""

    def __init__(self) -> None:
        self._transports: dict[str, httpx.AsyncBaseTransport] = {}
        self._urls: dict[int, httpx.URL] = {}  # parsed once: the client would parse a string anew with each call

    def open(self, service: str) -> None:
        limits = httpx.Limits(
            max_connections=_CONNECTIONS_PER_SERVICE,
            max_keepalive_connections=_CONNECTIONS_PER_SERVICE,
            keepalive_expiry=3600,
        )
        # Without the environment: a proxy that a person has set is not for loopback.
        self._transports[service] = AiohttpTransport(limits=limits, trust_env=False)

    async def send(self, service: str, port: int, call: Call) -> int:
        if (url := self._urls.get(port)) is None:
            url = self._urls[port] = httpx.URL(f"http://{HOST}:{port}{PATHS['service']}")
        request = httpx.Request("POST", url, headers=call.headers(), content=call.body())
        try:
            response = await self._transports[service].handle_async_request(request)
            try:
                await response.aread()  # to its end, so that the connection can be used again
            finally:
                await response.aclose()
        except httpx.HTTPError as error:
            raise WireError(repr(error)) from error
        return response.status_code

    async def close(self) -> None:
        for transport in self._transports.values():
            await transport.aclose()
