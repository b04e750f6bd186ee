"""The process: talks to the harness, carries out the role that it is given and reports how it went.

load          makes the load alone
load-master   has workers elsewhere make it
load-worker   is one of those: its harness is `bench load-worker`, and the master sends it the rest
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Mapping
from typing import Protocol

import gevent
from gevent.event import AsyncResult
from gevent.socket import wait_read
from locust.runners import LocalRunner

from benchmarks.load.carrier import PLUGINS_VARIABLE, Carrier
from benchmarks.load.distributed.master import Master
from benchmarks.load.distributed.worker import LoadWorker
from benchmarks.load.local_load import LocalLoad
from benchmarks.load.parent import Parent
from benchmarks.load.settings import load_settings, master_address, master_settings
from registration.runtime.role import RoleError


class Load(Protocol):
    """A load that is ready to begin, wherever it is made."""

    @property
    def pacer(self) -> str:
        """Which timer paces it."""

    @property
    def in_flight(self) -> int:
        """Registrations sent and not yet settled."""

    def progress(self) -> Mapping[str, int]:
        """How far it has come."""

    def go(self, start_ns: int, on_progress: Callable[[], None]) -> dict[str, object]:
        """Make it, with scenario time 0 at `start_ns`; what it took."""

    def quit(self) -> None:
        """Let Locust's listeners know that it is over."""


class LoadProcess:
    """Answers the harness while a run is prepared and carried out."""

    def __init__(self, parent: Parent, plugins: list[str]) -> None:
        self._parent = parent
        self._plugins = plugins
        self._first: AsyncResult[object] = AsyncResult()
        self._start_ns: AsyncResult[int] = AsyncResult()
        self._exit_code: AsyncResult[int] = AsyncResult()
        self._load: Load | None = None

    def main(self) -> int:
        """Run until the end of input (exit code 0) or an error (1)."""
        tasks = [gevent.spawn(self._guard, self._listen), gevent.spawn(self._guard, self._work)]
        code = self._exit_code.get()
        gevent.killall(tasks)
        if self._load is not None:
            self._load.quit()
        return code

    def _listen(self) -> None:
        messages = self._parent.messages()
        first = next(messages, None)
        if first is not None:
            self._first.set(first)
        for message in messages:
            match message:
                case {"type": "start", "start_ns": int(start_ns)}:
                    self._start_ns.set(start_ns)
                case {"type": "idle"}:
                    self._parent.say({"type": "idle", "busy": self._load.in_flight if self._load else 0})
                case _:
                    raise ValueError(f"unknown message: {message!r:.200}")
        self._exit_code.set(0)

    def _work(self) -> None:
        match first := self._first.get():
            case {"role": "load-worker"}:
                LoadWorker(master_address(first), self._plugins, self._parent.say).serve()
                self._exit_code.set(0)
                return
            case {"role": "load-master"}:
                load: Load = Master(master_settings(first), self._plugins)
            case _:
                settings = load_settings(first)
                load = LocalLoad(settings, Carrier(self._plugins, LocalRunner, settings.addresses[0]))
        self._load = load
        self._parent.say({"type": "ready", "pacer": load.pacer})
        done = load.go(self._start_ns.get(), lambda: self._parent.mention({"type": "progress", **load.progress()}))
        self._parent.say({"type": "done", **done})

    def _guard(self, work: Callable[[], None]) -> None:
        try:
            work()
        except RoleError as error:
            self._fail(str(error), error.next_step)
        except BrokenPipeError:
            self._exit_code.set(0)  # the harness has gone
        except Exception as error:
            self._fail(f"the load generator broke off: {error!r}", "this is a bug: see the load log in logs/")
            raise

    def _fail(self, message: str, next_step: str) -> None:
        with contextlib.suppress(OSError):
            self._parent.say({"type": "error", "message": message, "next_step": next_step})
        self._exit_code.set(1)


def main() -> int:
    """Run the process on standard input and output; its exit code."""
    plugins = [name.strip() for name in os.environ.get(PLUGINS_VARIABLE, "").split(",") if name.strip()]
    return LoadProcess(Parent(0, 1, wait_read), plugins).main()
