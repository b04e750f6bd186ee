"""The drain: after the load, wait until nothing works and nothing waits, or until the scenario's patience ends.

busy == 0 everywhere and lag == 0, without a break for 500 ms → drained, as of the first of those instants
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

QUIET_S = 0.5
_POLL_S = 0.05


@dataclass(frozen=True)
class Drained:
    """Instants of CLOCK_MONOTONIC: all was idle from `quiet_ns` on (the deadline where it expired); the wait's end."""

    quiet_ns: int
    end_ns: int
    expired: bool


@dataclass(frozen=True)
class Sample:
    """Records past the committed offsets of all groups, at an instant of CLOCK_MONOTONIC."""

    t_ns: int
    records: int


def together(last: Sequence[Sample | None]) -> Sample | None:
    """The last samples of all samplers as one, as old as the oldest; None while one of them has none yet."""
    known = [sample for sample in last if sample is not None]
    if len(known) < len(last):
        return None
    return Sample(min(sample.t_ns for sample in known), sum(sample.records for sample in known))


async def drain(
    busy: Callable[[], Awaitable[int]],
    lag: Callable[[], Sample | None],
    deadline_ns: int,
    clock_ns: Callable[[], int] = time.monotonic_ns,
) -> Drained:
    """Poll until quiet or until `deadline_ns`.

    `busy` counts work in hand. `lag` is the last sample of the records that wait, None before there is one.
    """
    quiet_ns: int | None = None
    while True:
        asked_ns = clock_ns()
        idle = await busy() == 0
        sample = lag()
        idle = idle and sample is not None and sample.records == 0
        now_ns = clock_ns()
        if not idle:
            quiet_ns = None
        elif quiet_ns is None:
            quiet_ns = asked_ns
        # A sample from before the quiet proves nothing about it.
        elif now_ns - quiet_ns >= QUIET_S * 1e9 and sample is not None and sample.t_ns >= quiet_ns:
            return Drained(quiet_ns, now_ns, expired=False)
        # A quiet spell that began in time is waited for, so that a drain that was over is not called expired; but not
        # for ever, should no sample come that proves it.
        if now_ns >= deadline_ns and (quiet_ns is None or now_ns - quiet_ns >= 2 * QUIET_S * 1e9):
            return Drained(deadline_ns, now_ns, expired=True)
        await asyncio.sleep(_POLL_S)
