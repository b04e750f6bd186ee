"""The two halves of taking a registration, as a variant sees them: the row is stored, the services are informed."""

from __future__ import annotations

from typing import Protocol

from registration.registration import Registration


class AnnounceError(Exception):
    """Not every service could be informed. `status` is what the person gets."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Store(Protocol):
    """Commits the user's row; with `announce_later`, and in the same transaction, that it is still to be announced."""

    async def __call__(self, registration: Registration, *, announce_later: bool = False) -> None: ...
