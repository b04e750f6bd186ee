"""Sleep that ends on time: by the kernel's timer where the event loop can watch one, else by the loop's own.

    sleepers, the soonest first → one timerfd → event loop → each sleeper

uvloop counts in whole milliseconds, as epoll does: work took half a millisecond longer than its scenario says, which
a chain of three calls shows three times and a fan-out once. `timerfd` counts in nanoseconds (docs/measurement.md).
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import time
import weakref
from collections.abc import Callable

from registration.runtime.timerfd import TimerFd, has_timerfd


class Alarm:
    """Wakes any number of sleepers of one event loop, each at its instant. Raises OSError where there is no timer."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer = TimerFd()
        self._sleepers: list[tuple[int, int, asyncio.Future[None]]] = []  # a heap
        self._numbers = itertools.count()
        loop.add_reader(self._timer.fd, self._ring)

    def close(self) -> None:
        """Give the timer back; its loop must have been closed."""
        self._timer.close()

    async def sleep_until(self, instant_ns: int) -> None:
        """Sleep until an instant of CLOCK_MONOTONIC."""
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (instant_ns, next(self._numbers), woken))
        if self._sleepers[0][2] is woken:
            self._timer.arm(instant_ns)
        await woken

    def _ring(self) -> None:
        now_ns = time.monotonic_ns()
        while self._sleepers and (self._sleepers[0][0] <= now_ns or self._sleepers[0][2].done()):
            woken = heapq.heappop(self._sleepers)[2]
            if not woken.done():  # cancelled in its sleep
                woken.set_result(None)
        if self._sleepers:
            self._timer.arm(self._sleepers[0][0])
        else:
            self._timer.disarm()


_HAS_TIMERFD = has_timerfd()
_alarms: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Alarm] = weakref.WeakKeyDictionary()


async def sleep_until(deadline_ns: int, clock_ns: Callable[[], int] = time.monotonic_ns) -> None:
    """Sleep until `clock_ns()` has reached the deadline: never shorter, and about a tenth of a millisecond longer.

    `clock_ns` is CLOCK_MONOTONIC, or one that runs as fast. Without a kernel's timer: up to a millisecond longer.
    """
    while (remaining_ns := deadline_ns - clock_ns()) > 0:
        if _HAS_TIMERFD:
            await _alarm().sleep_until(time.monotonic_ns() + remaining_ns)
        else:
            # Loops round their timers, and some wake early; asking again is what makes the time honest.
            await asyncio.sleep(max(remaining_ns / 1e9, 0.001))


def _alarm() -> Alarm:
    """The one alarm of the running loop."""
    loop = asyncio.get_running_loop()
    if (found := _alarms.get(loop)) is None:
        found = _alarms[loop] = Alarm(loop)
        weakref.finalize(loop, found.close)
    return found


class MonotonicClock:
    """CLOCK_MONOTONIC, and sleep that ends on time (see above)."""

    def now_ns(self) -> int:
        return time.monotonic_ns()

    async def sleep_until(self, deadline_ns: int) -> None:
        await sleep_until(deadline_ns)
