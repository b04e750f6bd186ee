"""The process: talks to the harness, puts the parts together, runs one load and says how it went."""

from __future__ import annotations

import contextlib
import os
import resource
import time
from collections.abc import Callable

import gevent
from gevent.event import AsyncResult, Event
from gevent.socket import wait_read

from benchmarks.load.carrier import Carrier
from benchmarks.load.client import Client
from benchmarks.load.engine import Engine
from benchmarks.load.executors import make_executor
from benchmarks.load.loop import GeventLoop
from benchmarks.load.parent import Parent
from benchmarks.load.pool import SPARE_CONNECTIONS
from benchmarks.load.readiness import NotReadyError, prove_ready
from benchmarks.load.recorder import Recorder
from benchmarks.load.rows import NoRoomError
from benchmarks.load.settings import Settings
from benchmarks.load.timers import best_timer
from benchmarks.load.usage import SAMPLE_S, CpuShare, collections, switch_collector_off

PLUGINS_VARIABLE = "BENCH_LOCUST_PLUGINS"
"""Environment variable: Locust plugin modules to import, separated by commas."""

_SAMPLES_PER_PROGRESS = 2  # at most one message a second
_REPORTS_LIMIT_S = 2.0
_FILES_RESERVED = 64
_FILES_NEXT_STEP = "check the disk's space and the results directory"


class GeneratorError(Exception):
    """What ends the process with code 1: what is wrong and what to do next."""

    def __init__(self, message: str, next_step: str) -> None:
        super().__init__(message)
        self.next_step = next_step


class Run:
    """One load against the servers of `settings`, from the first connection to the last outcome."""

    def __init__(self, settings: Settings, plugins: list[str]) -> None:
        """Reserve the rows and prove the servers ready. Raises GeneratorError where that cannot be had."""
        _allow_files(settings.max_in_flight + SPARE_CONNECTIONS * len(settings.addresses) + _FILES_RESERVED)
        try:
            executor = make_executor(settings)
        except (OSError, ValueError) as error:
            raise GeneratorError(f"the load generator cannot use its files: {error}", _FILES_NEXT_STEP) from error
        clock_ns = time.monotonic_ns
        loop = GeventLoop(self._crash)
        client = Client(settings.addresses, loop, clock_ns)
        self._crashed: Exception | None = None
        self._finished = Event()
        news = Event()
        self.recorder = Recorder(executor.rows, on_report=news.set)
        self._carrier = Carrier(self.recorder, news, settings, plugins)
        timer = best_timer(loop, self._wake)
        self._engine = Engine(
            executor=executor,
            timeout_ns=settings.timeout_ns,
            max_in_flight=settings.max_in_flight,
            client=client,
            recorder=self.recorder,
            timer=timer,
            clock_ns=clock_ns,
            on_finished=self._finished.set,
        )
        self.pacer = timer.name
        try:
            prove_ready(client, settings.addresses, clock_ns)
        except NotReadyError as error:
            raise GeneratorError(str(error), "look at the API's log in logs/") from error
        switch_collector_off()

    @property
    def in_flight(self) -> int:
        return self._engine.in_flight

    def go(self, start_ns: int, on_progress: Callable[[], None]) -> dict[str, object]:
        """Run it with scenario time 0 at `start_ns`; what it took, once the last outcome is known.

        Raises GeneratorError where the run broke off.
        """
        collections_before = collections()
        usage = CpuShare(time.process_time_ns, time.monotonic_ns)
        self._carrier.start(lambda: self._begin(start_ns))
        samples = 0
        while not self._finished.wait(SAMPLE_S):
            usage.sample()
            samples += 1
            if samples % _SAMPLES_PER_PROGRESS == 0:
                on_progress()
            if self._carrier.stopped:
                raise GeneratorError("a Locust listener stopped the test", f"run without it ({PLUGINS_VARIABLE})")
        if isinstance(self._crashed, NoRoomError):
            raise GeneratorError(
                f"the load generator has no room for its rows: {self._crashed}", _FILES_NEXT_STEP
            ) from self._crashed
        if self._crashed is not None:
            raise self._crashed
        used = {
            "gc_collections": collections() - collections_before,
            "cpu_ms": usage.used_ms,
            "cpu_share_max_5s": usage.max_share,
        }
        self._carrier.finish(_REPORTS_LIMIT_S)
        return {"rows": self.recorder.settled_count, "pacer": self.pacer, **used}

    def quit(self) -> None:
        """Tell Locust's listeners that it is over."""
        self._carrier.quit()

    def _wake(self) -> None:
        self._engine.wake()

    def _begin(self, start_ns: int) -> None:
        try:
            self._engine.begin(start_ns)
        except Exception as error:  # noqa: BLE001  (Locust would log it and carry on)
            self._crash(error)

    def _crash(self, error: Exception) -> None:
        self._crashed = self._crashed or error
        self._finished.set()


class Process:
    """Answers the harness while a run is prepared and carried out."""

    def __init__(self, parent: Parent, plugins: list[str]) -> None:
        self._parent = parent
        self._plugins = plugins
        self._settings: AsyncResult[Settings] = AsyncResult()
        self._start_ns: AsyncResult[int] = AsyncResult()
        self._exit_code: AsyncResult[int] = AsyncResult()
        self._run: Run | None = None

    def main(self) -> int:
        """Run until the end of input (exit code 0) or an error (1)."""
        tasks = [gevent.spawn(self._guard, self._listen), gevent.spawn(self._guard, self._work)]
        code = self._exit_code.get()
        gevent.killall(tasks)
        if self._run is not None:
            self._run.quit()
        return code

    def _listen(self) -> None:
        messages = self._parent.messages()
        first = next(messages, None)
        if first is not None:
            self._settings.set(Settings.from_message(first))
        for message in messages:
            match message:
                case {"type": "start", "start_ns": int(start_ns)}:
                    self._start_ns.set(start_ns)
                case {"type": "idle"}:
                    self._parent.say({"type": "idle", "busy": self._run.in_flight if self._run else 0})
                case _:
                    raise ValueError(f"the load generator knows no such message: {message!r:.200}")
        self._exit_code.set(0)

    def _work(self) -> None:
        run = Run(self._settings.get(), self._plugins)
        self._run = run
        self._parent.say({"type": "ready", "pacer": run.pacer, "plugins": self._plugins})
        done = run.go(self._start_ns.get(), lambda: self._mention_progress(run))
        self._parent.say({"type": "done", **done})

    def _mention_progress(self, run: Run) -> None:
        recorder = run.recorder
        self._parent.mention(
            {
                "type": "progress",
                "sent": recorder.sent_count,
                "answered": recorder.answered_count,
                "settled": recorder.settled_count,
                "in_flight": run.in_flight,
            }
        )

    def _guard(self, work: Callable[[], None]) -> None:
        try:
            work()
        except GeneratorError as error:
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
    return Process(Parent(0, 1, wait_read), plugins).main()


def _allow_files(count: int) -> None:
    """Let this process open `count` files if the system does: each arrival under way has a connection."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < count:
        most = count if hard == resource.RLIM_INFINITY else min(count, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, most), hard))
