"""The outside world: an email is sent, a cache entry is gone, and no transaction takes it back."""

from __future__ import annotations

from registration.effects.destination import DestinationSettings
from registration.registration import Registration


class OutsideWorld:
    """A destination that keeps nothing: its caller's record `applied` is the delivery itself."""

    def __init__(self, _settings: DestinationSettings) -> None:
        pass

    async def open(self) -> None:
        pass

    async def apply(self, _registration: Registration, _idempotency_key: str) -> None:
        pass

    async def close(self) -> None:
        pass
