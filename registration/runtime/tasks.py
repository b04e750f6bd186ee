"""What a process does beside its answers: counted, so that the drain waits for it, and never failing unseen."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from functools import partial
from typing import TypeVar

from registration.runtime.role import GRACEFUL_S

_log = logging.getLogger(__name__)

T = TypeVar("T")


class Tasks:
    """The tasks of one process. `broken` is given the error of one that was not expected to fail."""

    def __init__(self, broken: Callable[[BaseException], None]) -> None:
        self._broken = broken
        self._services: set[asyncio.Future[None]] = set()
        self._started: set[asyncio.Future[None]] = set()
        self._watched: set[asyncio.Future[object]] = set()

    @property
    def count(self) -> int:
        """How many are under way, services left out."""
        return len(self._started) + len(self._watched)

    def start(self, work: Coroutine[object, None, None], *expected: type[Exception]) -> asyncio.Task[None]:
        """Do it beside everything else. An error of a type that is `expected` is a line in the log."""
        task = asyncio.create_task(work)
        self._keep(task, self._started, expected)
        return task

    def watch(self, future: asyncio.Future[object], *expected: type[Exception]) -> None:
        """Count what a library does of its own accord."""
        self._keep(future, self._watched, expected)

    def serve(self, work: Coroutine[object, None, None]) -> None:
        """Do it as long as the process lives; it is not counted."""
        self._keep(asyncio.create_task(work), self._services, ())

    async def close(self) -> None:
        """End the services at once; what was started gets as long as an HTTP server gives its callers."""
        for service in self._services:
            service.cancel()
        if self._services:
            await asyncio.wait(self._services)
        if self._started:
            await asyncio.wait(self._started, timeout=GRACEFUL_S)
        for task in self._started:
            task.cancel()

    def _keep(
        self, future: asyncio.Future[T], among: set[asyncio.Future[T]], expected: tuple[type[Exception], ...]
    ) -> None:
        among.add(future)
        future.add_done_callback(partial(self._ended, among, expected))

    def _ended(
        self, among: set[asyncio.Future[T]], expected: tuple[type[Exception], ...], future: asyncio.Future[T]
    ) -> None:
        among.discard(future)
        if future.cancelled() or (error := future.exception()) is None:
            return
        if isinstance(error, expected):
            _log.info("nobody waits for it, and it failed: %r", error)
        else:
            _log.error("this process is broken", exc_info=error)
            self._broken(error)
