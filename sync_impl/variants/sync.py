"""`sync`, the text's caller: one call after the other, and the first failure fails the registration."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from registration.registration import Registration


async def announce(
    call: Callable[[str, Registration], Awaitable[None]], services: Sequence[str], registration: Registration
) -> None:
    for service in services:
        await call(service, registration)
