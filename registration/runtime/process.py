"""A child process's side of the talk with the harness: JSON lines in and out, and an end when the harness is gone.

    harness → child   {"role", "settings"} · {"type": "start", "start_ns"} · "probe" · "idle" {"question"} · "drain"
                      · "pending" {"services"} · "dead_lettered" {"services"}
    child → harness   {"type": "ready"} · "probed" · "idle" {"question", "busy"} · "lag" {…} · "fault" {…} · "error" {…}
                      · "pending" {"services": ids} · "dead_lettered" {"services": ids} · …

The first line names the role and holds its settings. The end of the input means exit: it comes when the harness closes
the pipe and also when the harness is dead.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import signal
import socket
import sqlite3
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Protocol, cast

from registration.call import Answer
from registration.clock import Clock
from registration.effects import Destination
from registration.inbox import Inbox, SqliteInbox
from registration.luck import Luck
from registration.runtime.alarm import MonotonicClock
from registration.runtime.http import HttpServer
from registration.runtime.in_flight import InFlightSampler
from registration.runtime.role import RoleError
from registration.services import kind_of
from registration.trace import NoTrace, Trace
from registration.users import SqliteUsers, Users

ControlMessage = Mapping[str, object]

_LINE_LIMIT = 2**24  # bytes; the settings of a large scenario are one line


class Server(Protocol):
    """What answers calls at one port."""

    async def open(self) -> None: ...

    async def close(self) -> None: ...


class Sampler(Protocol):
    """What looks at a count now and again."""

    def open(self) -> None: ...

    def close(self) -> None: ...


class Runtime:
    """What a process stands on: the two pipes to the harness, its clock, and the records that outlive it.

    `settings` is what the harness wants of this process. On the virtual clock another class takes this one's place, and
    everything above it is the same code (docs/one-code-two-clocks.md).
    """

    clock: Clock = MonotonicClock()

    def __init__(self, settings: ControlMessage, reader: asyncio.StreamReader) -> None:
        self.settings = settings
        self._reader = reader

    @property
    def luck(self) -> Luck:
        """The luck of this trial's block."""
        return Luck(int(cast(str, self.settings["block_seed"])))

    @property
    def directory(self) -> Path:
        """Where this trial's raw files go."""
        return Path(cast(str, self.settings["directory"]))

    @property
    def name(self) -> str:
        """The name of this process within its trial, such as `email/0`."""
        return cast(str, self.settings["name"])

    def trace_path(self) -> Path:
        return self.directory / f"{self.name.replace('/', '-')}.trace"

    def open_trace(self, header: Mapping[str, object]) -> Trace:
        """This process's trace, with its name and host in the header; one that keeps nothing where settings say so."""
        if not self.settings.get("trace", True):
            return NoTrace()
        return Trace(self.trace_path(), {"process": self.name, "host": socket.gethostname(), **header})

    def open_users(self) -> Users:
        return SqliteUsers(self.directory)

    def open_destination(self, service: str) -> Destination:
        """Where the effects of a service go."""
        return kind_of(service).destination(self.directory)

    def open_inbox(self, service: str) -> Inbox:
        """What a service has done, for the variant that keeps a record of it."""
        return SqliteInbox(self.directory, service)

    def serve(self, path: str, answer: Answer, port: int, host: str) -> Server:
        """Bind the port; calls are answered once the server is open. Raises RoleError where it cannot be had."""
        return HttpServer(path, answer, port, host, self.clock)

    def sample_in_flight(self, count: Callable[[], int]) -> Sampler:
        """A second witness of what this process has in hand (`registration.runtime.in_flight`)."""
        return InFlightSampler(self.trace_path().with_suffix(".inflight"), count)

    def send(self, **message: object) -> None:
        """Tell the harness. A harness that is gone is not an error: the end of the input follows."""
        with suppress(BrokenPipeError):
            # One write for one short line: pipes keep writes up to 4 KiB whole.
            os.write(sys.stdout.fileno(), json.dumps(message).encode() + b"\n")

    def ready(self) -> None:
        """Tell the harness that work can come. What is in memory by now stays there: the collector looks past it.

        One that walks through every imported module takes tens of milliseconds, and falls on whoever comes then.
        """
        gc.collect()
        gc.freeze()
        self.send(type="ready")

    def broken(self, error: BaseException) -> None:
        """Tell the harness that this process can no longer do its part: a trial that went on would measure that."""
        next_step = getattr(error, "next_step", "look at its log; is the disk full?")
        self.send(type="error", message=str(error) or repr(error), next_step=next_step)

    async def messages(self) -> AsyncIterator[ControlMessage]:
        """What the harness says, until it closes the pipe."""
        while line := await self._reader.readline():
            yield json.loads(line)


Role = Callable[[Runtime], Awaitable[None]]


async def _converse(roles: Mapping[str, Role]) -> None:
    reader = asyncio.StreamReader(limit=_LINE_LIMIT)
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    # SIGTERM, as a deployment sends it, is the same as the end of the input: finish in order.
    loop.add_signal_handler(signal.SIGTERM, reader.feed_eof)
    first = await reader.readline()
    if not first:
        return
    hello = json.loads(first)
    runtime = Runtime(hello["settings"], reader)
    try:
        await roles[hello["role"]](runtime)
    except (RoleError, OSError, sqlite3.OperationalError) as error:
        runtime.broken(error)
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
