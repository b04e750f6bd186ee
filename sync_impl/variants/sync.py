"""`sync`, the text's caller: one call after the other, and the first failure fails the registration."""

from __future__ import annotations

from dataclasses import dataclass

from registration.options import duration, switch
from registration.registration import Registration
from registration.variant import Promise
from sync_impl.variants.variant import ApiTools, Calling, Register, Variant


@dataclass(frozen=True)
class Options:
    """What a scenario may set."""

    timeout_s: float = duration(2.0, "one call in all, from connecting to the last byte")
    bare_transport: bool = switch(
        False, "go below httpx.AsyncClient, to its transport, which knows neither cookies nor redirects nor hooks"
    )


def in_api(options: Options, tools: ApiTools) -> Register:
    async def register(registration: Registration) -> None:
        await tools.store(registration)
        for service in tools.services:
            await tools.call(service, registration, timeout_s=options.timeout_s)

    return register


def calling(options: Options) -> Calling:
    return Calling(options.bare_transport)


SYNC = Variant(
    name="sync",
    sentence="one call after the other; the first failure fails the registration",
    options=Options,
    promises=frozenset({Promise.NOT_LOST, Promise.ONCE}),
    in_api=in_api,
    calling=calling,
)
