"""What a call crosses."""

from __future__ import annotations

from typing import Protocol

from registration.address import Address
from registration.call import Call


class WireError(Exception):
    """The call found nobody, or its answer never came."""


class Wire(Protocol):
    """The way to every service. Nothing bounds a call in here: that is its caller's decision."""

    def open(self, service: str) -> None:
        """Make room for calls of one service; connections are opened as calls need them."""
        ...

    async def send(self, service: str, address: Address, call: Call) -> int:
        """One call and the status of its answer. Raises WireError."""
        ...

    async def close(self) -> None: ...
