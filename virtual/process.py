"""A virtual process: a group of callbacks that can be stopped, and killed at any point, as the kernel does it."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar, TypeVarTuple, cast

from virtual.loop import Handle, Stuck, VirtualLoop, owner

T = TypeVar("T")
Args = TypeVarTuple("Args")

_LONG_NS = 10**18


def current() -> Process:
    """The process whose code is running. LookupError outside of one."""
    found = owner.get()
    if found is None:
        raise LookupError("no process is running")
    return cast(Process, found)


class Process:
    """Tasks with a memory of their own.

    A kill never resumes any of them: neither `finally` nor `except CancelledError` runs, as long as the loop does. A
    stopped process keeps its callbacks; its clock goes on, as CLOCK_MONOTONIC does under SIGSTOP.
    """

    def __init__(self, loop: VirtualLoop, name: str) -> None:
        self.loop = loop
        self.name = name
        self.alive = True
        self.stopped = False
        self.when_gone: list[Callable[[], None]] = []  # connections to reset, ports to free
        self.points = 0  # steps begun and effects tried so far: where a process can die
        self.doom: int | None = None  # die just before this point
        self.context = contextvars.Context()  # empty, whatever makes the process
        self.context.run(owner.set, self)
        self.wire_ns = 0  # how long whatever comes in is on its way
        self._held: list[Handle] = []
        self._held_timers: list[Handle] = []

    def spawn(self, coro: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """A task of this process; each has a context of its own, as `create_task` would give it."""
        return self.loop.create_task(coro, context=self.context.copy())

    def hear(self, callback: Callable[[*Args], object], *args: *Args) -> None:
        """Something comes in over a wire: this process runs the callback when it next runs, if it lives."""
        if self.wire_ns and self.alive:
            self.loop.outside_at_ns(self.loop.now_ns + self.wire_ns, self._arrives, callback, *args)
        else:
            self._arrives(callback, *args)

    def _arrives(self, callback: Callable[[*Args], object], *args: *Args) -> None:
        if self.alive:
            self.loop.call_soon(callback, *args, context=self.context)

    def may_run(self, handle: Handle) -> bool:
        """Whether it takes this step now. A stopped process keeps it for later; a dead one drops it."""
        if self.stopped:
            (self._held if handle.when_ns < 0 else self._held_timers).append(handle)
            return False
        if self.reach():
            return True
        self.loop.graveyard.append(handle)
        return False

    def reach(self) -> bool:
        """Whether it lives to take its next step or to have its next effect; asked by all that outlives it.

        One that dies in the middle of a step runs on to its next await, and nothing hears it.
        """
        if self.alive:
            self.points += 1
            if self.points == self.doom:
                self.kill()
        return self.alive

    def stop(self) -> None:
        """SIGSTOP."""
        self.stopped = self.alive

    def go_on(self) -> None:
        """SIGCONT. First what came in, then the timers that fell due, by deadline, as in asyncio and libuv.

        So where a reply came in time and its timeout fell due meanwhile, the timeout wins (measured on both).
        """
        self.stopped = False
        for handle in self._held + self._held_timers:
            self.loop.again(handle)
        self._held, self._held_timers = [], []

    def kill(self) -> None:
        """SIGKILL. A second one does nothing."""
        if not self.alive:
            return
        self.alive = self.stopped = False
        # Kept, not closed: closing a coroutine, or letting it go, runs its `finally`. Others' tasks come to no harm.
        self.loop.graveyard.append((asyncio.all_tasks(self.loop), self._held, self._held_timers))
        for tell in self.when_gone:
            contextvars.Context().run(tell)


class VirtualPlatform:
    """An `event_impl.brokers.memory.Platform`: clients run in virtual processes, the broker's timers in none."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop

    def now_ns(self) -> int:
        return self._loop.now_ns

    def at_ns(self, when_ns: int, callback: Callable[[*Args], object], *args: *Args) -> object:
        return self._loop.outside_at_ns(when_ns, callback, *args)

    def caller(self) -> Process:
        return current()


def run(coro: Coroutine[Any, Any, T]) -> T:
    """`asyncio.run` in virtual time, as one process. Raises Stuck where the end cannot come."""
    loop = VirtualLoop()
    task = Process(loop, "main").spawn(coro)
    try:
        loop.run(_LONG_NS, task.done)
        if not task.done():
            raise Stuck(f"nothing is left to do at {loop.now_ns} ns")
        result = task.result()
        loop.check()
        return result
    finally:
        loop.close()
