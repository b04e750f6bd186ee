"""How far the clock of another host is from ours, from an exchange of messages.

    ping (our clock) ──→ read (their clock) ──→ pong (our clock)

Cristian's method ("Probabilistic clock synchronization", Distributed Computing 3, 1989), as NTP uses it (RFC 5905,
section 8): their reading lies between our two, so half the round trip bounds the error however long each way
took, and the quickest exchange bounds it best.
"""

from __future__ import annotations

import hashlib
import os
import platform
import uuid
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_TIME_NAMESPACE = Path("/proc/self/ns/time")


@dataclass(frozen=True)
class Ping:
    """One exchange: when we asked and heard by our clock, and what their clock showed between the two."""

    asked_ns: int
    theirs_ns: int
    heard_ns: int


@dataclass(frozen=True)
class ClockOffset:
    """Their clock less ours, true to within `error_ns`."""

    offset_ns: int
    error_ns: int

    def ours_ns(self, theirs_ns: int) -> int:
        """An instant of their clock on ours."""
        return theirs_ns - self.offset_ns


def estimate_offset(pings: Iterable[Ping]) -> ClockOffset:
    """The offset by the quickest exchange. Raises ValueError where there was none."""
    best = min(pings, key=lambda ping: ping.heard_ns - ping.asked_ns)
    # Rounded up, so that the bound holds for odd round trips too.
    half_ns = -((best.asked_ns - best.heard_ns) // 2)
    return ClockOffset(best.theirs_ns - (best.asked_ns + best.heard_ns) // 2, half_ns)


def widened_by_drift(before: ClockOffset, after: ClockOffset) -> ClockOffset:
    """What holds from one measurement to another: the first, with an error that spans how far the clocks drifted."""
    drifted_ns = abs(after.offset_ns - before.offset_ns)
    return ClockOffset(before.offset_ns, max(before.error_ns, drifted_ns + after.error_ns))


def clock_identity() -> str:
    """The same text for all processes that share one CLOCK_MONOTONIC, another for those that do not.

    A boot of a kernel and a time namespace have one such clock. Where the system names neither, the machine does. It is
    a digest: it shows whether it is the same, and gives no name away.
    """
    names = [platform.node(), f"{uuid.getnode():x}"]
    with suppress(OSError):
        names = [_BOOT_ID.read_text().strip()]
        names.append(os.readlink(_TIME_NAMESPACE))  # noqa: PTH115 - it leads to no path
    return hashlib.sha256("\0".join(names).encode()).hexdigest()
