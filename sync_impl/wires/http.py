"""HTTP, through httpx on the aiohttp transport, with a pool of connections for each service (docs/decisions/0001)."""

from __future__ import annotations

import httpx
from httpx_aiohttp import AiohttpTransport

from registration.address import Address
from registration.call import PATHS, Call
from sync_impl.variants.variant import Calling
from sync_impl.wires.port import WireError

# No client pool binds: a slow service must not be slow because its caller ran out of connections.
_CONNECTIONS_PER_SERVICE = 1000


class HttpWire:
    """One client per service, so that a slow one cannot starve the others."""

    def __init__(self, calling: Calling) -> None:
        self._calling = calling
        self._clients: dict[str, httpx.AsyncClient] = {}
        self._transports: dict[str, httpx.AsyncBaseTransport] = {}
        self._urls: dict[Address, httpx.URL] = {}  # parsed once: httpx would parse a string anew with each call

    def open(self, service: str) -> None:
        limits = httpx.Limits(
            max_connections=_CONNECTIONS_PER_SERVICE,
            max_keepalive_connections=_CONNECTIONS_PER_SERVICE,
            keepalive_expiry=3600,
        )
        # Without the environment: a proxy that somebody has set is not for loopback.
        transport = self._transports[service] = AiohttpTransport(limits=limits, trust_env=False)
        # Without httpx's timeouts, which are per phase: the caller bounds the call as a whole.
        self._clients[service] = httpx.AsyncClient(transport=transport, trust_env=False, timeout=None)  # noqa: S113

    async def send(self, service: str, address: Address, call: Call) -> int:
        if (url := self._urls.get(address)) is None:
            url = self._urls[address] = httpx.URL(f"http://{address}{PATHS['service']}")
        # Made by hand: the client's own `post` would merge headers and cookies each time, and it has none.
        request = httpx.Request("POST", url, headers=call.headers(), content=call.body())
        try:
            if not self._calling.bare_transport:
                return (await self._clients[service].send(request)).status_code
            response = await self._transports[service].handle_async_request(request)
            try:
                await response.aread()  # to its end, so that the connection can be used again
            finally:
                await response.aclose()
        except httpx.HTTPError as error:
            raise WireError(repr(error)) from error
        return response.status_code

    async def close(self) -> None:
        for client in self._clients.values():
            await client.aclose()
