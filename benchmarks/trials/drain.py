"""The drain: after the load, wait until nobody works and nothing waits, or until the scenario's patience ends.

busy == 0 everywhere and lag == 0, without a break for 500 ms → drained, as of the first of those instants
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

QUIET_S = 0.5
_POLL_S = 0.05


@dataclass(frozen=True)
class Drained:
    """Instants of CLOCK_MONOTONIC: all was idle from `quiet_ns` on (the deadline where it expired); the wait's end."""

    quiet_ns: int
    end_ns: int
    expired: bool


async def drain(
    busy: Callable[[], Awaitable[int]],
    lag: Callable[[], int | None],
    deadline_ns: int,
    clock_ns: Callable[[], int] = time.monotonic_ns,
) -> Drained:
    """Poll until quiet or until `deadline_ns`. `busy` counts work in hand, `lag` records waiting (None: not known)."""
    quiet_ns: int | None = None
    while True:
        asked_ns = clock_ns()
        idle = await busy() == 0 and lag() == 0
        now_ns = clock_ns()
        if not idle:
            quiet_ns = None
        elif quiet_ns is None:
            quiet_ns = asked_ns
        elif now_ns - quiet_ns >= QUIET_S * 1e9:
            return Drained(quiet_ns, now_ns, expired=False)
        # A quiet spell that began in time is waited for, so that a drain that was over is not called expired.
        if now_ns >= deadline_ns and quiet_ns is None:
            return Drained(deadline_ns, now_ns, expired=True)
        await asyncio.sleep(_POLL_S)
