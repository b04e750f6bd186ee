"""Timers for pacing: the kernel's where there is one that an event loop can watch, else the loop's own.

On Linux the loop's own timers tick in whole milliseconds (epoll's unit), which put the median schedule delay at
0.55 ms; a `timerfd` puts it near 0.1 ms (docs/load.md). On macOS the loop's timers go to kqueue with nanoseconds.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol

from benchmarks.load.exchange import Loop, Watcher
from registration.runtime.timerfd import TimerFd, has_timerfd


class TimerLoop(Loop, Protocol):
    """A loop with timers of its own."""

    def watch_timer(self, delay_s: float, callback: Callable[[], None]) -> Watcher:
        """Call back once, `delay_s` from now."""


class RunTimer(Protocol):
    """What the process needs of a timer."""

    name: str

    def arm(self, at_ns: int) -> None: ...
    def disarm(self) -> None: ...


class KernelTimer:
    """A `timerfd` that the loop watches. Raises OSError where the kernel gives none."""

    name = "timerfd"

    def __init__(self, loop: Loop, callback: Callable[[], None]) -> None:
        self._callback = callback
        self._timer = TimerFd()
        self._is_set_anew = False
        # Before the replies of the same turn of the loop: those can wait, an arrival cannot.
        self._watcher = loop.watch_read(self._timer.fd, self._ring, urgent=True)

    def arm(self, at_ns: int) -> None:
        self._is_set_anew = True
        self._timer.arm(at_ns)

    def disarm(self) -> None:
        self._is_set_anew = True
        self._timer.disarm()

    def close(self) -> None:
        self._watcher.close()
        self._timer.close()

    def _ring(self) -> None:
        self._is_set_anew = False
        self._callback()
        # Setting it takes back the ring that the loop saw.
        if not self._is_set_anew:
            self._timer.disarm()


class LoopTimer:
    """The event loop's own timer, for systems without `timerfd`."""

    name = "loop"

    def __init__(
        self, loop: TimerLoop, callback: Callable[[], None], clock_ns: Callable[[], int] = time.monotonic_ns
    ) -> None:
        self._loop = loop
        self._callback = callback
        self._clock_ns = clock_ns
        self._watcher: Watcher | None = None

    def arm(self, at_ns: int) -> None:
        self.disarm()
        self._watcher = self._loop.watch_timer(max(0, at_ns - self._clock_ns()) / 1e9, self._callback)

    def disarm(self) -> None:
        if self._watcher is not None:
            self._watcher.close()
            self._watcher = None

    def close(self) -> None:
        self.disarm()


def best_timer(loop: TimerLoop, callback: Callable[[], None]) -> RunTimer:
    """The most precise timer of this system; its `name` says which."""
    if has_timerfd():
        return KernelTimer(loop, callback)
    return LoopTimer(loop, callback)
