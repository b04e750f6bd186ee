"""One child process: spoken to in JSON lines, its end waited for, its processor time kept.

Child.spawn → expect("ready") → send(start) → … → stop → Ended(returncode, cpu_s)
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec

from benchmarks.processes import launcher
from registration.runtime.harness import LINE_LIMIT_BYTES, ControlMessage, Question

TREE = Path(__file__).resolve().parents[2]  # what holds the packages that children import

_LOG_TAIL_LINES = 5


class ChildError(Exception):
    """A child said that it cannot do its part, ended unasked, or stayed silent."""

    def __init__(self, message: str, next_step: str) -> None:
        super().__init__(message)
        self.next_step = next_step


@dataclass(frozen=True)
class Ended:
    """How a child ended. cpu_s: user and system time of its whole life; returncode: negative for a signal."""

    returncode: int
    cpu_s: float


class Child:
    """A running child. Make one with `spawn`, from the main thread."""

    def __init__(self, name: str, process: subprocess.Popen[bytes], log_path: Path) -> None:
        self.name = name
        self.pid = process.pid
        self.ended: asyncio.Future[Ended] = asyncio.get_running_loop().create_future()
        self.on_message: Callable[[ControlMessage], None] = lambda _message: None
        self._process = process
        self._log_path = log_path
        self._waiting: dict[str, list[asyncio.Future[ControlMessage]]] = {}
        self._arrived: dict[str, ControlMessage] = {}
        self._reading: asyncio.Task[None] | None = None
        self._writer: asyncio.WriteTransport | None = None
        self._stopping = False
        self._failure: ChildError | None = None

    @classmethod
    async def spawn(cls, name: str, module: str, log_path: Path) -> Child:
        """Start `python -m module`, tied to this process's life."""
        arguments = launcher.command([sys.executable, "-P", "-m", module])
        environment = {**os.environ, "PYTHONPATH": str(TREE), "PYTHONUNBUFFERED": "1"}
        with log_path.open("ab") as log:
            process = subprocess.Popen(  # noqa: ASYNC220 - must be the main thread, see launcher
                arguments,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env=environment,
                # Out of the terminal's process group: Ctrl-C is for the harness, which then ends its children in order.
                start_new_session=True,
            )
        child = cls(name, process, log_path)
        await child._connect()
        return child

    async def _connect(self) -> None:
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(limit=LINE_LIMIT_BYTES)
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), self._process.stdout)
        self._writer, _ = await loop.connect_write_pipe(asyncio.BaseProtocol, self._process.stdin)
        self._reading = asyncio.create_task(self._read(reader))
        threading.Thread(target=self._wait, args=(loop,), daemon=True, name=f"wait-{self.name}").start()

    def _wait(self, loop: asyncio.AbstractEventLoop) -> None:
        # wait4 gives the processor time of a child that is gone, which no sample before its death could.
        _, status, usage = os.wait4(self.pid, 0)
        ended = Ended(os.waitstatus_to_exitcode(status), usage.ru_utime + usage.ru_stime)
        self._process.returncode = ended.returncode  # so that Popen does not wait for it again
        with suppress(RuntimeError):  # the loop is closed: nothing asks any more
            loop.call_soon_threadsafe(self._set_ended, ended)

    def _set_ended(self, ended: Ended) -> None:
        if not self.ended.done():
            self.ended.set_result(ended)

    def begin(self, role: str, settings: object) -> None:
        """Give the child its role; its imports are done or under way by then."""
        self._write({"role": role, "settings": settings})

    def send(self, question: Question) -> None:
        """Say one line. A child that is gone does not hear it; its end is seen elsewhere."""
        self._write(question)

    def _write(self, line: object) -> None:
        if self._writer is not None and not self._writer.is_closing():
            self._writer.write(msgspec.json.encode(line) + b"\n")

    async def expect(self, type_: str, timeout_s: float) -> ControlMessage:
        """The next message of a type, or one that has come since it was last asked for.

        Raises ChildError where the child ends, reports an error, or says nothing in time.
        """
        if type_ in self._arrived:
            return self._arrived.pop(type_)
        if self._failure is not None:
            raise self._failure
        future: asyncio.Future[ControlMessage] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(type_, []).append(future)
        try:
            async with asyncio.timeout(timeout_s):
                return await future
        except TimeoutError:
            raise ChildError(
                f"{self.name} did not say {type_!r} within {timeout_s:g} s{self.log_tail()}",
                f"look at {self._log_path.name} in the run's logs; is the machine overloaded?",
            ) from None

    def signal(self, number: int) -> None:
        """Send it a signal; one that is gone does not get it."""
        # Between its end and our wait the pid is still its own: no other process can be hit.
        if not self.ended.done():
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    async def end(self, number: int, grace_s: float) -> Ended:
        """End it with a signal; after `grace_s` seconds with SIGKILL. Its end is no failure."""
        self._stopping = True
        self.signal(number)
        return await self._gone_within(grace_s)

    async def stop(self, grace_s: float) -> Ended:
        """Close its input, which asks it to exit; after `grace_s` seconds kill it."""
        self._stopping = True
        if self._writer is not None:
            self._writer.close()
        return await self._gone_within(grace_s)

    async def _gone_within(self, grace_s: float) -> Ended:
        try:
            async with asyncio.timeout(grace_s):
                return await asyncio.shield(self.ended)
        except TimeoutError:
            self.signal(signal.SIGKILL)
            return await asyncio.shield(self.ended)
        finally:
            if self._reading is not None:
                self._reading.cancel()
            if self._writer is not None:
                self._writer.close()

    def log_tail(self) -> str:
        """The last lines of its log, for a message; empty where it wrote none."""
        with suppress(OSError):
            lines = self._log_path.read_text(errors="replace").strip().splitlines()[-_LOG_TAIL_LINES:]
            if lines:
                return "\n  " + "\n  ".join(lines)
        return ""

    async def _read(self, reader: asyncio.StreamReader) -> None:
        while line := await reader.readline():
            try:
                message: ControlMessage = json.loads(line)
            except ValueError:
                continue  # printed by a library; not one of our messages
            self._take(message)
        ended = await asyncio.shield(self.ended)
        if not self._stopping:
            self._fail(ChildError(f"{self.name} ended by itself ({_how(ended)}){self.log_tail()}", "look at its log"))

    def _take(self, message: ControlMessage) -> None:
        type_ = str(message.get("type"))
        self.on_message(message)
        if type_ == "error":
            self._fail(ChildError(f"{self.name}: {message['message']}", str(message.get("next_step", ""))))
            return
        waiting = self._waiting.pop(type_, [])
        for future in waiting:
            if not future.done():
                future.set_result(message)
        if not waiting:
            self._arrived[type_] = message

    def _fail(self, error: ChildError) -> None:
        """Code that waits for a message of this child, now or later, learns why it will not come: the first reason."""
        if self._failure is not None:
            return
        self._failure = error
        for futures in self._waiting.values():
            for future in futures:
                if not future.done():
                    future.set_exception(error)
        self._waiting.clear()
        self.on_message({"type": "failed", "message": str(error), "next_step": error.next_step})


def _how(ended: Ended) -> str:
    if ended.returncode < 0:
        return f"killed by {signal.Signals(-ended.returncode).name}"
    return f"exit code {ended.returncode}"
