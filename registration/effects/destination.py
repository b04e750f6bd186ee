"""What a destination is: where an effect goes, and how to get there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from registration.address import Address
from registration.registration import Registration


@dataclass(frozen=True)
class DestinationSettings:
    """How one is reached. kind: its name in `DESTINATIONS`.

    directory: where one that is a file is kept. address: where one that is a server listens.
    """

    kind: str
    directory: str = ""
    address: Address | None = None


class Destination(Protocol):
    """Where effects go."""

    async def open(self) -> None:
        """Be ready for `apply`. Raises RoleError where it cannot be reached."""
        ...

    async def apply(self, registration: Registration, idempotency_key: str) -> None:
        """Return once the effect is there.

        A receiver that knows keys skips an effect whose key it has seen; "" is no key.
        """
        ...

    async def close(self) -> None: ...
