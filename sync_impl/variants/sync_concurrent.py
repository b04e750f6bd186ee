"""`sync-concurrent`: the same calls at once; the registration fails if one of them fails."""

from __future__ import annotations

import asyncio

from registration.registration import Registration
from registration.variant import Promise
from sync_impl.variants.sync import Options, calling
from sync_impl.variants.variant import ApiTools, Register, Variant


def in_api(options: Options, tools: ApiTools) -> Register:
    async def register(registration: Registration) -> None:
        await tools.store(registration)
        # Every call is waited for, even after one has failed: cancelling the others would leave open what they did,
        # and would make this variant's losses depend on which failed first.
        calls = (tools.call(service, registration, timeout_s=options.timeout_s) for service in tools.services)
        for outcome in await asyncio.gather(*calls, return_exceptions=True):
            if isinstance(outcome, BaseException):
                raise outcome

    return register


SYNC_CONCURRENT = Variant(
    name="sync-concurrent",
    sentence="the same calls at once; the registration fails if one of them fails",
    options=Options,
    promises=frozenset({Promise.NOT_LOST, Promise.ONCE}),
    in_api=in_api,
    calling=calling,
)
