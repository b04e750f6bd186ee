"""Linux `timerfd_create(2)` on CLOCK_MONOTONIC: a timer of the kernel's that an event loop watches like a socket.

Event loops tick in milliseconds; this one is late by hundredths of one. Times are absolute, so that setting it again
adds no drift.
"""

from __future__ import annotations

import ctypes
import os
import struct
import time

_TFD_TIMER_ABSTIME = 1
_ITIMERSPEC = struct.Struct("@llll")  # interval: seconds, nanoseconds; value: seconds, nanoseconds


def has_timerfd() -> bool:
    """Whether this system's C library has such a timer."""
    return os.name == "posix" and hasattr(ctypes.CDLL(None), "timerfd_create")


class TimerFd:
    """One timer. `fd` is readable from the set time on, until the timer is set or disarmed: nothing has to read it.

    Through ctypes, since `os.timerfd_create` came with Python 3.13. Raises OSError where the kernel gives none.
    """

    def __init__(self) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        flags = os.O_NONBLOCK | os.O_CLOEXEC  # the values of TFD_NONBLOCK and TFD_CLOEXEC
        self.fd = _checked(libc.timerfd_create(time.CLOCK_MONOTONIC, flags))
        # What ctypes can do once is done once: the timer is set for each arrival.
        self._settime = libc.timerfd_settime
        self._settime.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)
        self._spec = ctypes.create_string_buffer(_ITIMERSPEC.size)
        self._spec_address = ctypes.addressof(self._spec)

    def arm(self, at_ns: int) -> None:
        """Ring at `at_ns`, instead of any time set before; at once if that has passed."""
        # All zero would disarm; any time in the past rings at once.
        self._set(*divmod(max(at_ns, 1), 1_000_000_000))

    def disarm(self) -> None:
        self._set(0, 0)

    def close(self) -> None:
        os.close(self.fd)

    def _set(self, seconds: int, nanoseconds: int) -> None:
        _ITIMERSPEC.pack_into(self._spec, 0, 0, 0, seconds, nanoseconds)
        _checked(self._settime(self.fd, _TFD_TIMER_ABSTIME, self._spec_address, None))


def _checked(result: int) -> int:
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
    return result
