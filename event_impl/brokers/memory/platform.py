"""What a broker in memory runs on: a clock, timers, and the processes that its clients run in."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol, TypeVarTuple

Args = TypeVarTuple("Args")


class Caller(Protocol):
    """A process with clients in it, as the broker sees it."""

    def hear(self, callback: Callable[[*Args], object], *args: *Args) -> None:
        """Run the callback in the process, when it next runs."""
        ...

    def reach(self) -> bool:
        """Whether the process lives to have an effect."""
        ...


class Platform(Protocol):
    """Where the broker and its clients run."""

    def now_ns(self) -> int: ...

    def at_ns(self, when_ns: int, callback: Callable[[*Args], object], *args: *Args) -> object:
        """Run the callback at an instant, whatever becomes of the process that asks for it."""
        ...

    def caller(self) -> Caller:
        """The process that is running."""
        ...


class AsyncioPlatform:
    """One process, on the event loop that runs."""

    def now_ns(self) -> int:
        return round(asyncio.get_running_loop().time() * 1e9)

    def at_ns(self, when_ns: int, callback: Callable[[*Args], object], *args: *Args) -> object:
        return asyncio.get_running_loop().call_at(when_ns / 1e9, callback, *args)

    def caller(self) -> Caller:
        return self

    def hear(self, callback: Callable[[*Args], object], *args: *Args) -> None:
        asyncio.get_running_loop().call_soon(callback, *args)

    def reach(self) -> bool:
        return True
