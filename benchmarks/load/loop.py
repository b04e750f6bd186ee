"""gevent's event loop behind the small port that the client uses; a callback that raises ends the run."""

from __future__ import annotations

from collections.abc import Callable

import gevent

_READ, _WRITE = 1, 2
_URGENT = 2  # libev's highest priority


class GeventLoop:
    """Watches file descriptors and time. `on_crash` gets what a callback raised: gevent itself would only print it."""

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
