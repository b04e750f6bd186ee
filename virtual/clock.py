"""The clock of a virtual process: the loop's own integer of nanoseconds."""

from __future__ import annotations

import asyncio

from virtual.loop import VirtualLoop


class VirtualClock:
    """A `registration.clock.Clock`. Integers all the way: no float stands between a deadline and its instant."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop

    def now_ns(self) -> int:
        return self._loop.now_ns

    async def sleep_until(self, deadline_ns: int) -> None:
        if deadline_ns > self._loop.now_ns:
            woken = self._loop.create_future()
            timer = self._loop.call_at_ns(deadline_ns, _wake, woken)
            try:
                await woken
            finally:
                timer.cancel()


def _wake(woken: asyncio.Future[None]) -> None:
    if not woken.done():
        woken.set_result(None)
