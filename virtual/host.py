"""Where a broker in memory runs in virtual time: its clients in virtual processes, its timers in none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from virtual.loop import VirtualLoop
from virtual.process import Process, current


class VirtualHost:
    """An `event_impl.brokers.memory.Host`."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop

    def now_ns(self) -> int:
        return self._loop.now_ns

    def at_ns(self, when_ns: int, callback: Callable[..., object], *args: Any) -> object:
        return self._loop.outside_at_ns(when_ns, callback, *args)

    def caller(self) -> Process:
        return current()
