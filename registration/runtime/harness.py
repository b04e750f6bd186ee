"""A child process's side of its exchange with the harness: JSON lines in and out, and an end when the harness is gone.

    harness → child   {"role", "settings"} · {"type": "start", "start_ns"} · "probe" · "idle" {"question"} · "drain"
                      · "pending" {"services"} · "dead_lettered" {"services"} · "time"
    child → harness   {"type": "ready"} · "probed" · "idle" {"question", "busy"} · "lag" {…} · "fault" {…} · "error" {…}
                      · "pending" {"services": ids} · "dead_lettered" {"services": ids} · …

The first line names the role and holds its settings. The end of the input means exit: it comes when the harness closes
the pipe and also when the harness is dead.
"""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import sqlite3
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import suppress

import msgspec

from registration.runtime.role import RoleError

LINE_LIMIT_BYTES = 2**24  # the settings of a large scenario are one line, and so is a list of what is pending

# A line of a child.
ControlMessage = Mapping[str, object]


class Start(msgspec.Struct, frozen=True, tag="start"):
    """The instant of scenario time 0, on CLOCK_MONOTONIC."""

    start_ns: int


class Probe(msgspec.Struct, frozen=True, tag="probe"):
    """Send a round of probes."""


class Idle(msgspec.Struct, frozen=True, tag="idle"):
    """How much is in hand? The answer repeats the question's number, so that a late one is recognised."""

    question: int


class Drain(msgspec.Struct, frozen=True, tag="drain"):
    """The load has ended."""


class Pending(msgspec.Struct, frozen=True, tag="pending"):
    """Which registrations are still held, for which of these services?"""

    services: Sequence[str]


class DeadLettered(msgspec.Struct, frozen=True, tag="dead_lettered"):
    """Which registrations were put aside, by which of these services?"""

    services: Sequence[str]


class Time(msgspec.Struct, frozen=True, tag="time"):
    """What does your clock say?"""


Question = Start | Probe | Idle | Drain | Pending | DeadLettered | Time


class _Hello(msgspec.Struct, frozen=True):
    role: str
    settings: msgspec.Raw


class Harness:
    """The two pipes."""

    def __init__(self, reader: asyncio.StreamReader) -> None:
        self._reader = reader

    def send(self, **message: object) -> None:
        """Send the harness a line. A harness that is gone is not an error: the end of the input follows."""
        with suppress(BrokenPipeError):
            # One write for one short line: pipes keep writes up to 4 KiB whole.
            os.write(sys.stdout.fileno(), msgspec.json.encode(message) + b"\n")

    def ready(self) -> None:
        """Report that work can come. What is in memory by now stays there: the garbage collector ignores it.

        A collection that walks through every imported module takes tens of milliseconds, and delays whoever comes then.
        """
        gc.collect()
        gc.freeze()
        self.send(type="ready")

    def broken(self, error: BaseException) -> None:
        """Report that this process can no longer do its part: a trial that went on would measure that."""
        next_step = getattr(error, "next_step", "look at its log; is the disk full?")
        self.send(type="error", message=str(error) or repr(error), next_step=next_step)

    async def questions(self) -> AsyncIterator[Question]:
        """What the harness says, until it closes the pipe."""
        decode = msgspec.json.Decoder(Question).decode
        while line := await self._reader.readline():
            yield decode(line)


# What a process can be: given its settings in JSON, it plays its part until the harness is done.
Role = Callable[[bytes, Harness], Awaitable[None]]


async def _converse(roles: Mapping[str, Role]) -> None:
    reader = asyncio.StreamReader(limit=LINE_LIMIT_BYTES)
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    # SIGTERM, as a deployment sends it, is the same as the end of the input: finish in order.
    loop.add_signal_handler(signal.SIGTERM, reader.feed_eof)
    first = await reader.readline()
    if not first:
        return
    hello = msgspec.json.decode(first, type=_Hello)
    harness = Harness(reader)
    try:
        await roles[hello.role](bytes(hello.settings), harness)
    except (RoleError, OSError, sqlite3.OperationalError, msgspec.ValidationError) as error:
        harness.broken(error)
        raise


def main(roles: Mapping[str, Role]) -> None:
    """Run the role that the harness asks for. Exits with 1 and a message to the harness where it cannot."""
    # Ctrl-C in a terminal reaches the whole process group; whether to stop is the harness's decision.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        import uvloop

        factory: Callable[[], asyncio.AbstractEventLoop] | None = uvloop.new_event_loop
    except ImportError:  # not made for Windows
        factory = None
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(_converse(roles))
