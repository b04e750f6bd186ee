"""Ctrl-C: once to end what goes on in order, twice to end it at once."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Coroutine
from typing import TypeVar

from benchmarks.exit_code import ExitCode

T = TypeVar("T")


async def interruptible(work: Coroutine[object, object, T]) -> T:
    """What `work` returns; the first Ctrl-C (or SIGTERM) cancels it.

    The second ends the program at once, and the kernel its children.
    """
    task = asyncio.ensure_future(work)
    asked = False

    def end() -> None:
        nonlocal asked
        if asked:
            os._exit(ExitCode.INTERRUPTED)
        asked = True
        task.cancel()

    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, end)
    return await task
