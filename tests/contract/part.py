"""A consumer that a test drives: what it hears it tells, and it settles what it is told to.

    settings, then orders → {"settle": [numbers]} · {"close": true}
    {"joined": true} · {"got": number, "value": text} · {"settled": number} · {"revoked": [numbers]} · {"closed": true}

Numbers count the deliveries of one life of it. With `out` each is settled with itself as output to that topic. Run as a
program it speaks JSON lines; else it is a virtual process.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import suppress
from typing import Any

from event_impl.brokers import client_of
from event_impl.brokers.port import Delivery, Output, Subscription

Say = Callable[[Mapping[str, Any]], None]


async def take_part(settings: Mapping[str, Any], orders: AsyncIterator[Mapping[str, Any]], say: Say) -> None:
    """Be a member of a group until told to close."""
    numbers: dict[Delivery, int] = {}
    out = settings["out"]

    def settle(delivery: Delivery) -> None:
        subscriber.settle(delivery, [Output(out, delivery.message)] if out else [])

    subscriber = client_of(settings["kind"])(settings["bootstrap"]).subscriber(
        settings["topic"],
        Subscription(**settings["subscription"]),
        group=settings["group"],
        member=settings["name"],
        on_committed=lambda delivery: say({"settled": numbers[delivery]}),
        on_revoked=lambda deliveries: say({"revoked": [numbers[delivery] for delivery in deliveries]}),
    )

    async def consume() -> None:
        async for delivery in subscriber.deliveries():
            numbers[delivery] = len(numbers)
            say({"got": numbers[delivery], "value": delivery.message.value.decode()})
            if settings["settles"]:
                settle(delivery)

    await subscriber.open()
    say({"joined": True})
    consuming = asyncio.create_task(consume())
    async for order in orders:
        if "close" in order:
            break
        deliveries = list(numbers)
        for number in order["settle"]:
            settle(deliveries[number])
    consuming.cancel()
    with suppress(asyncio.CancelledError):
        await consuming
    await subscriber.close()
    say({"closed": True})


async def _main() -> None:
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)

    async def orders() -> AsyncIterator[Mapping[str, Any]]:
        while line := await reader.readline():
            yield json.loads(line)

    settings = json.loads(await reader.readline())
    await take_part(settings, orders(), lambda said: print(json.dumps(said), flush=True))


if __name__ == "__main__":
    asyncio.run(_main())
