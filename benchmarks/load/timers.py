"""Timers for pacing: the kernel's where there is one that an event loop can watch, else the loop's own.

On Linux the loop's own timers tick in whole milliseconds (epoll's unit), which put the median schedule delay at
0.55 ms; a `timerfd` puts it near 0.1 ms (docs/load.md). On macOS the loop's timers go to kqueue with nanoseconds.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import time
from collections.abc import Callable
from typing import Protocol

from benchmarks.load.exchange import Loop, Watcher

_CLOCK_MONOTONIC = 1
_TFD_TIMER_ABSTIME = 1
_EXPIRATIONS_BYTES = 8


class TimerLoop(Loop, Protocol):
    """A loop with timers of its own."""

    def watch_timer(self, delay_s: float, callback: Callable[[], None]) -> Watcher:
        """Call back once, `delay_s` from now."""


class RunTimer(Protocol):
    """What the process needs of a timer."""

    name: str

    def arm(self, at_ns: int) -> None: ...
    def disarm(self) -> None: ...


class _TimeSpec(ctypes.Structure):
    _fields_ = [("tv_sec", ctypes.c_long), ("tv_nsec", ctypes.c_long)]


class _TimerSpec(ctypes.Structure):
    _fields_ = [("it_interval", _TimeSpec), ("it_value", _TimeSpec)]


class TimerFd:
    """Linux `timerfd_create(2)` on CLOCK_MONOTONIC, set to absolute times: re-arming adds no drift.

    Through ctypes, since `os.timerfd_create` came with Python 3.13. Raises OSError where the kernel has none.
    """

    name = "timerfd"

    def __init__(self, loop: Loop, callback: Callable[[], None]) -> None:
        self._callback = callback
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._spec = _TimerSpec()
        # TFD_NONBLOCK and TFD_CLOEXEC are O_NONBLOCK and O_CLOEXEC.
        self._fd = self._checked(self._libc.timerfd_create(_CLOCK_MONOTONIC, os.O_NONBLOCK | os.O_CLOEXEC))
        # Before the replies of the same turn of the loop: those can wait, an arrival cannot.
        self._watcher = loop.watch_read(self._fd, self._ring, urgent=True)

    def arm(self, at_ns: int) -> None:
        # All zero would disarm; any time in the past rings at once.
        seconds, nanoseconds = divmod(max(at_ns, 1), 1_000_000_000)
        self._set(seconds, nanoseconds)

    def disarm(self) -> None:
        self._set(0, 0)

    def close(self) -> None:
        self._watcher.close()
        os.close(self._fd)

    def _set(self, seconds: int, nanoseconds: int) -> None:
        value = self._spec.it_value
        value.tv_sec, value.tv_nsec = seconds, nanoseconds
        self._checked(self._libc.timerfd_settime(self._fd, _TFD_TIMER_ABSTIME, ctypes.byref(self._spec), None))

    def _ring(self) -> None:
        with contextlib.suppress(BlockingIOError):  # it was set anew since the loop saw it ring
            os.read(self._fd, _EXPIRATIONS_BYTES)
        self._callback()

    @staticmethod
    def _checked(result: int) -> int:
        if result < 0:
            error = ctypes.get_errno()
            raise OSError(error, os.strerror(error))
        return result


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
    if hasattr(ctypes.CDLL(None), "timerfd_create"):
        return TimerFd(loop, callback)
    return LoopTimer(loop, callback)
