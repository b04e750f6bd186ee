"""The clock that everything between the person's request and the effect is given: CLOCK_MONOTONIC, or a virtual one."""

from __future__ import annotations

import time
from typing import Protocol

from registration.alarm import sleep_until


class Clock(Protocol):
    """Instants are whole nanoseconds of one clock for all processes of a trial."""

    def now_ns(self) -> int: ...

    async def sleep_until(self, deadline_ns: int) -> None:
        """Return when the deadline has passed, never before."""
        ...


class MonotonicClock:
    """CLOCK_MONOTONIC, and sleep that ends on time (`registration.alarm`)."""

    def now_ns(self) -> int:
        return time.monotonic_ns()

    async def sleep_until(self, deadline_ns: int) -> None:
        await sleep_until(deadline_ns)
