"""An asyncio event loop whose time is an integer of nanoseconds, and which knows the owner of each callback.

    ready (first in, first out) → empty? → the next timer, by (instant, number) → it is that instant → ready …

asyncio's tasks, futures, locks, `timeout`, `gather` and `wait` run on it unchanged. There is no selector: whatever
comes from elsewhere comes through `Process.hear`, which is to a virtual process what a socket is to a real one.

Every callback carries the context in which its task was made, and the context names its owner. So the loop can hold
the callbacks of a process that is stopped, and drop those of one that is gone.
"""

from __future__ import annotations

import asyncio
import contextvars
import gc
import heapq
import itertools
import sys
from collections import deque
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NoReturn, Protocol

if TYPE_CHECKING:
    # The stubs call methods abstract that, inherited, raise NotImplementedError, which is what we want of them.
    AbstractLoop = Any
else:
    AbstractLoop = asyncio.AbstractEventLoop

NS_PER_S = 1_000_000_000


class Owner(Protocol):
    """The owner of some callbacks: a process."""

    def may_run(self, handle: Handle) -> bool:
        """Whether the callback may run now. One that may not is the owner's to keep."""
        ...


# Whose code is running; None: nobody's, such as a broker's or a fault's.
owner: contextvars.ContextVar[Owner | None] = contextvars.ContextVar("owner", default=None)


class Stuck(Exception):  # noqa: N818 - a state, as StopIteration is
    """The loop has nothing left to do, and what was awaited has not come."""


class Handle:
    """A callback to come. asyncio cancels one, and asks a timer when it is due."""

    __slots__ = ("args", "callback", "context", "owner", "when_ns")

    def __init__(
        self, callback: Callable[..., object], args: tuple[Any, ...], context: contextvars.Context, when_ns: int
    ) -> None:
        self.callback: Callable[..., object] | None = callback
        self.args = args
        self.context = context
        self.owner: Owner | None = context.get(owner)
        self.when_ns = when_ns  # -1: not a timer

    def cancel(self) -> None:
        self.callback, self.args = None, ()

    def cancelled(self) -> bool:
        return self.callback is None

    def when(self) -> float:
        return self.when_ns / NS_PER_S


class VirtualLoop(AbstractLoop):  # type: ignore[misc]
    """Deterministic: what runs next follows from what was called, and in which order.

    What needs an operating system raises NotImplementedError, so that code that reaches for it fails instead of leaving
    the model.
    """

    def __init__(self, start_ns: int = 0) -> None:
        self.now_ns = start_ns
        self.problems: list[dict[str, Any]] = []  # what asyncio reports of exceptions that nothing caught
        self.graveyard: list[object] = []  # what dead processes were doing: never resumed, never finalised in the run
        self._ready: deque[Handle] = deque()
        self._timers: list[tuple[int, int, Handle]] = []
        self._numbers = itertools.count()
        self._begun: dict[int, contextvars.Context] = {}  # by the id of a generator, which an ended one passes on
        self._running = False
        self._closed = False

    # Time

    def time(self) -> float:
        # Exact to the nanosecond up to 10⁶ s: a float holds 2⁵³ of them.
        return self.now_ns / NS_PER_S

    def call_at_ns(
        self, when_ns: int, callback: Callable[..., object], *args: Any, context: contextvars.Context | None = None
    ) -> Handle:
        # `is None`, for an empty context is falsy.
        handle = Handle(callback, args, contextvars.copy_context() if context is None else context, when_ns)
        heapq.heappush(self._timers, (when_ns, next(self._numbers), handle))
        return handle

    def outside_at_ns(self, when_ns: int, callback: Callable[..., object], *args: Any) -> Handle:
        """A timer of no process, such as the broker's or a fault's: set from within one, it outlives it."""
        return self.call_at_ns(when_ns, callback, *args, context=contextvars.Context())

    def call_at(
        self, when: float, callback: Callable[..., object], *args: Any, context: contextvars.Context | None = None
    ) -> Handle:
        return self.call_at_ns(round(when * NS_PER_S), callback, *args, context=context)

    def call_later(
        self, delay: float, callback: Callable[..., object], *args: Any, context: contextvars.Context | None = None
    ) -> Handle:
        # Added as integers: this is why a sleep of 0.1 s is 100,000,000 ns at any time of day.
        return self.call_at_ns(self.now_ns + round(delay * NS_PER_S), callback, *args, context=context)

    def call_soon(
        self, callback: Callable[..., object], *args: Any, context: contextvars.Context | None = None
    ) -> Handle:
        handle = Handle(callback, args, contextvars.copy_context() if context is None else context, -1)
        if not self._closed:
            self._ready.append(handle)
        return handle

    def again(self, handle: Handle) -> None:
        """Run a callback that its owner has held back."""
        self._ready.append(handle)

    # Tasks and futures: asyncio's own, in C

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.Future(loop=self)

    def create_task(self, coro: Coroutine[Any, Any, Any], **named: Any) -> asyncio.Task[Any]:
        return asyncio.Task(coro, loop=self, **named)

    def get_debug(self) -> bool:
        return False

    def is_running(self) -> bool:
        return self._running

    def is_closed(self) -> bool:
        return self._closed

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        if not self._closed:
            self.problems.append(context)

    def run_in_executor(self, *_: object) -> NoReturn:
        raise NotImplementedError("virtual time knows no threads: a thread would take real time, in any order")

    def call_soon_threadsafe(self, *_: object, **__: object) -> NoReturn:
        raise NotImplementedError("virtual time knows no threads: nothing else can call into this loop")

    # Running

    def run(self, until_ns: int, stop: Callable[[], bool] = lambda: False) -> None:
        """Run until nothing is left to do, or past an instant, or until `stop()` says so between two timers."""
        hooks = sys.get_asyncgen_hooks()
        sys.set_asyncgen_hooks(firstiter=self._generator_begun, finalizer=self._generator_dropped)
        outer = asyncio._get_running_loop()
        asyncio._set_running_loop(self)
        self._running = True
        try:
            self._run(until_ns, stop)
        finally:
            self._running = False
            asyncio._set_running_loop(outer)
            sys.set_asyncgen_hooks(*hooks)

    def _run(self, until_ns: int, stop: Callable[[], bool]) -> None:
        ready, timers = self._ready, self._timers
        next_ready, next_timer = ready.popleft, heapq.heappop
        while True:
            while ready:
                handle = next_ready()
                callback = handle.callback
                if callback is None:
                    continue
                whose = handle.owner
                if whose is None or whose.may_run(handle):
                    handle.context.run(callback, *handle.args)
            # One timer, with all that follows from it at its instant, before the next timer of that instant.
            while timers and timers[0][2].callback is None:
                next_timer(timers)
            if not timers or timers[0][0] > until_ns or stop():
                return
            when_ns, _, handle = next_timer(timers)
            if when_ns > self.now_ns:
                self.now_ns = when_ns
            ready.append(handle)

    def check(self) -> None:
        """Raise the first exception of the whole run that nothing caught."""
        gc.collect()  # a failed task reports it when it is released, and some are in cycles
        for problem in self.problems:
            error = problem.get("exception")
            raise error if isinstance(error, BaseException) else RuntimeError(problem["message"])

    def close(self) -> None:
        """The run is over and its results have been read: release what was going on.

        Only here do the `finally` blocks of dead processes run, unheard.
        """
        self._closed = True
        for task in asyncio.all_tasks(self):
            task._log_destroy_pending = False  # type: ignore[attr-defined]
            coro = task.get_coro()
            if coro is not None:
                with suppress(Exception):  # what it raises or awaits at its end is no part of the run
                    coro.close()
        self._ready.clear()
        self._timers.clear()
        self.graveyard.clear()

    # Asynchronous generators: one that is released is closed by the process that began it

    def _generator_begun(self, generator: AsyncGenerator[Any, Any]) -> None:
        self._begun[id(generator)] = contextvars.copy_context()

    def _generator_dropped(self, generator: AsyncGenerator[Any, Any]) -> None:
        self.call_soon(self._close_generator, generator, context=self._begun.pop(id(generator)))

    def _close_generator(self, generator: AsyncGenerator[Any, Any]) -> None:
        self.create_task(generator.aclose())
