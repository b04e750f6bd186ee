"""The processes of a calibration: one that answers requests and does nothing else, one that says the time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import cast

import httptools
import msgspec

from registration.address import Address
from registration.runtime.harness import Harness, Role, main

_REPLY = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


class Trivial(asyncio.Protocol):
    """One connection of a server that answers each request with 200 at once, so that the client is the limit.

    It is kept open; requests may come in any pieces.
    """

    def __init__(self) -> None:
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        assert self._transport is not None
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._transport.close()

    def on_message_complete(self) -> None:
        """A whole request is in; called by the parser."""
        assert self._transport is not None
        self._transport.write(_REPLY)


async def serve(settings: bytes, harness: Harness) -> None:
    """The role `server`: serve until the harness closes the pipe."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Trivial, *msgspec.json.decode(settings, type=Address), backlog=4096)
    harness.send(type="ready")
    async for _ in harness.questions():
        pass
    server.close()


async def tell_time(_settings: bytes, harness: Harness) -> None:
    """The role `clock`: say the time when asked."""
    harness.send(type="ready")
    async for _ in harness.questions():
        harness.send(type="time", t_ns=time.monotonic_ns())


ROLES: Mapping[str, Role] = {"server": serve, "clock": tell_time}

if __name__ == "__main__":
    main(ROLES)
