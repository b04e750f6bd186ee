"""What a call crosses."""

from __future__ import annotations

from typing import Protocol

from registration.address import Address
from registration.call import Call


class WireError(Exception):
    """Nothing took the call, or its answer never came."""


class Wire(Protocol):
    """The way to every service. Nothing in here bounds a call: that is for its caller."""

    def open(self, service: str) -> None:
        """Make room for calls of one service; connections are opened as calls need them."""
        ...

    async def send(self, service: str, address: Address, call: Call) -> int:
        """One call and the status of its answer. Raises WireError."""
        ...

    async def close(self) -> None: ...
