"""One load, from the first connection to the last outcome: the parts are put together here."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable, Mapping
from typing import Any

from gevent.event import Event

from benchmarks.load.carrier import PLUGINS_VARIABLE, Carrier, anybody_listens
from benchmarks.load.client import RoundRobin
from benchmarks.load.engine import Engine
from benchmarks.load.executors import make_executor
from benchmarks.load.loop import GeventLoop
from benchmarks.load.pool import SPARE_CONNECTIONS
from benchmarks.load.readiness import NotReadyError, prove_ready
from benchmarks.load.recorder import Recorder
from benchmarks.load.rows import NoRoomError
from benchmarks.load.settings import Settings
from benchmarks.load.timers import best_timer
from benchmarks.load.usage import SAMPLE_S, CpuShare, collections, switch_collector_off
from registration.address import this_host

_SAMPLES_PER_PROGRESS = 2  # at most one message a second
_REPORTS_LIMIT_S = 2.0
_FILES_RESERVED = 64
FILES_NEXT_STEP = "check the disk's space and the results directory"


class GeneratorError(Exception):
    """What ends the process with code 1: what is wrong and what to do next."""

    def __init__(self, message: str, next_step: str) -> None:
        super().__init__(message)
        self.next_step = next_step


class Run:
    """One load against the servers of `settings`, carried by Locust's `carrier`."""

    def __init__(self, settings: Settings, carrier: Carrier[Any]) -> None:
        """Reserve the rows and prove the servers ready. Raises GeneratorError where that cannot be had."""
        _allow_files(settings.max_in_flight + SPARE_CONNECTIONS * len(settings.addresses) + _FILES_RESERVED)
        try:
            executor = make_executor(settings)
        except (OSError, ValueError) as error:
            raise GeneratorError(f"the load generator cannot use its files: {error}", FILES_NEXT_STEP) from error
        clock_ns = time.monotonic_ns
        loop = GeventLoop(self._crash)
        client = RoundRobin(settings.addresses, loop, clock_ns)
        self._crashed: Exception | None = None
        self._finished = Event()
        news = Event()
        self.recorder = Recorder(executor.rows, on_report=news.set, is_wanted=anybody_listens)
        self._carrier = carrier
        carrier.attach(self.recorder, news, settings)
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

    def progress(self) -> Mapping[str, int]:
        """How far it has come, for whoever watches."""
        return {
            "sent": self.recorder.sent_count,
            "answered": self.recorder.answered_count,
            "settled": self.recorder.settled_count,
            "in_flight": self.in_flight,
        }

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
                f"the load generator has no room for its rows: {self._crashed}", FILES_NEXT_STEP
            ) from self._crashed
        if self._crashed is not None:
            raise self._crashed
        used = {
            "gc_collections": collections() - collections_before,
            "cpu_ms": usage.used_ms,
            "cpu_share_max_5s": usage.max_share,
        }
        self._carrier.finish(_REPORTS_LIMIT_S)
        return {"rows": self.recorder.settled_count, "hosts": [this_host()], "pacer": self.pacer, **used}

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


def _allow_files(count: int) -> None:
    """Let this process open `count` files if the system does: each arrival under way has a connection."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < count:
        most = count if hard == resource.RLIM_INFINITY else min(count, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, most), hard))
