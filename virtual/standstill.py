"""What makes a process stand still: a signal, a stall, or both at once.

signal   ──■■■■■■■■■■■■■───
stall    ────────■■■■■■■■──
runs     ■■──────────────■■    it goes on when the last of them has ended
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Protocol

from benchmarks.planning.stalls import Stalls
from virtual.loop import VirtualLoop

SIGNAL, STALL = "signal", "stall"


class Stoppable(Protocol):
    """A process, or the broker."""

    def stop(self) -> None: ...
    def go_on(self) -> None: ...


class Standstills:
    """Of all processes of a trial."""

    def __init__(self) -> None:
        self._reasons: dict[Stoppable, set[str]] = defaultdict(set)

    def stop(self, hit: Stoppable, why: str) -> None:
        self._reasons[hit].add(why)
        hit.stop()

    def go_on(self, hit: Stoppable, why: str) -> None:
        """Unless something else stops it too."""
        self._reasons[hit].discard(why)
        if not self._reasons[hit]:
            hit.go_on()

    def forget(self, hit: Stoppable) -> None:
        """It is gone: what comes back in its place runs."""
        self._reasons.pop(hit, None)


def hold_up(
    names: Iterable[str],
    stalls: Stalls,
    find: Callable[[str], Stoppable],
    standstills: Standstills,
    loop: VirtualLoop,
) -> None:
    """Stall whoever bears each name by then, from now on and without end."""
    for name in names:
        _Stalling(name, stalls, find, standstills, loop).wait()


class _Stalling:
    def __init__(
        self, name: str, stalls: Stalls, find: Callable[[str], Stoppable], standstills: Standstills, loop: VirtualLoop
    ) -> None:
        self._name = name
        self._find = find
        self._stalls = stalls.of(name)
        self._standstills = standstills
        self._loop = loop

    def wait(self) -> None:
        gap_ns, length_ns = next(self._stalls)
        self._loop.outside_at_ns(self._loop.now_ns + gap_ns, self._begin, length_ns)

    def _begin(self, length_ns: int) -> None:
        hit = self._find(self._name)
        self._standstills.stop(hit, STALL)
        self._loop.outside_at_ns(self._loop.now_ns + length_ns, self._end, hit)

    def _end(self, hit: Stoppable) -> None:
        self._standstills.go_on(hit, STALL)
        self.wait()
