"""The clock that everything between the person's request and the effect is given: CLOCK_MONOTONIC, or a virtual one.

The first is `registration.runtime.alarm.MonotonicClock`, the second `virtual.clock.VirtualClock`.
"""

from __future__ import annotations

from typing import Protocol


class Clock(Protocol):
    """Instants are whole nanoseconds of one clock for all processes of a trial."""

    def now_ns(self) -> int: ...

    async def sleep_until(self, deadline_ns: int) -> None:
        """Return when the deadline has passed, never before."""
        ...
