"""`sync-concurrent`: the same calls at once; the registration fails if one of them fails."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from registration.registration import Registration


async def announce(
    call: Callable[[str, Registration], Awaitable[None]], services: Sequence[str], registration: Registration
) -> None:
    # Every call is waited for, also after one has failed: cancelling the others would leave it open what they did,
    # and would make this variant's losses depend on who failed first.
    calls = (call(service, registration) for service in services)
    for outcome in await asyncio.gather(*calls, return_exceptions=True):
        if isinstance(outcome, BaseException):
            raise outcome
