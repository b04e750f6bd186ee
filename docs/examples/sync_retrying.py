"""`sync-retrying`: like `sync-concurrent`, but a call that fails is made again, after a wait with full jitter."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from registration.announce import AnnounceError
from registration.options import count, duration
from registration.registration import Registration
from registration.variant import Promise
from sync_impl.variants.variant import ApiTools, Register, Variant


@dataclass(frozen=True)
class Options:
    """What a scenario may set."""

    timeout_s: float = duration(2.0, "one call in all, from connecting to the last byte")
    attempts: int = count(4, "how often a service is called at most", least=1)
    first_wait_s: float = duration(0.2, "the longest wait before the second attempt; each later one is twice as long")


def in_api(options: Options, tools: ApiTools) -> Register:
    async def call(service: str, registration: Registration) -> None:
        for attempt in range(1, options.attempts):
            try:
                return await tools.call(service, registration, timeout_s=options.timeout_s, attempt=attempt)
            except AnnounceError:
                # Full jitter (AWS, "Exponential Backoff And Jitter"), by a draw of this registration's own.
                share = tools.luck.uniform(registration.registration_id, service, attempt, "backoff")
                wait_ns = round(share * options.first_wait_s * 2 ** (attempt - 1) * 1e9)
                await tools.clock.sleep_until(tools.clock.now_ns() + wait_ns)
        return await tools.call(service, registration, timeout_s=options.timeout_s, attempt=options.attempts)

    async def register(registration: Registration) -> None:
        await tools.store(registration)
        calls = (call(service, registration) for service in tools.services)
        for outcome in await asyncio.gather(*calls, return_exceptions=True):
            if isinstance(outcome, BaseException):
                raise outcome

    return register


SYNC_RETRYING = Variant(
    name="sync-retrying",
    sentence="the same calls at once; each that fails is made again",
    options=Options,
    promises=frozenset({Promise.NOT_LOST}),
    in_api=in_api,
)
