"""gevent's event loop behind a small port, and the timers that pace a load on it.

On Linux the loop's own timers tick in whole milliseconds (epoll's unit), which put the median schedule delay at
0.55 ms; a `timerfd` puts it near 0.1 ms (docs/load.md). On macOS the loop's timers go to kqueue with nanoseconds.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol

import gevent

from registration.runtime.timerfd import TimerFd, has_timerfd

_READ, _WRITE = 1, 2
_URGENT = 2  # libev's highest priority


class Watcher(Protocol):
    """A watch on one file descriptor or one time."""

    def close(self) -> None:
        """End it."""


class Loop(Protocol):
    """The part of an event loop that the client and the timers need."""

    def watch_read(self, fd: int, callback: Callable[[], None], *, urgent: bool = False) -> Watcher:
        """Call back whenever `fd` can be read; `urgent` ones before all others of the same turn."""

    def watch_write(self, fd: int, callback: Callable[[], None]) -> Watcher:
        """Call back whenever `fd` can be written."""

    def watch_timer(self, delay_s: float, callback: Callable[[], None]) -> Watcher:
        """Call back once, `delay_s` from now."""


class GeventLoop:
    """A Loop. `on_crash` gets what a callback raised: the run must not go on, and gevent itself would only print it."""

    def __init__(self, on_crash: Callable[[Exception], None]) -> None:
        self._loop = gevent.get_hub().loop
        self._on_crash = on_crash

    def watch_read(self, fd: int, callback: Callable[[], None], *, urgent: bool = False) -> gevent.Watcher:
        return self._start(self._loop.io(fd, _READ, priority=_URGENT if urgent else None), callback)

    def watch_write(self, fd: int, callback: Callable[[], None]) -> gevent.Watcher:
        return self._start(self._loop.io(fd, _WRITE), callback)

    def watch_timer(self, delay_s: float, callback: Callable[[], None]) -> gevent.Watcher:
        return self._start(self._loop.timer(delay_s), callback)

    def _start(self, watcher: gevent.Watcher, callback: Callable[[], None]) -> gevent.Watcher:
        def guarded() -> None:
            try:
                callback()
            except Exception as error:  # noqa: BLE001  (whatever it is, the run must not go on without it)
                self._on_crash(error)

        watcher.start(guarded)
        return watcher


class Timer(Protocol):
    """Calls back once, at a set time. It lives as long as its process."""

    name: str

    def arm(self, at_ns: int) -> None:
        """Ring at `at_ns` (absolute), instead of any time set before; at once if that has passed."""

    def disarm(self) -> None:
        """Ring no more."""


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
        self, loop: Loop, callback: Callable[[], None], clock_ns: Callable[[], int] = time.monotonic_ns
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


def best_timer(loop: Loop, callback: Callable[[], None]) -> Timer:
    """The most precise timer of this system; its `name` says which."""
    if has_timerfd():
        return KernelTimer(loop, callback)
    return LoopTimer(loop, callback)
