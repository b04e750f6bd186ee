"""One load made by this process, from the first connection to the last outcome: the parts are put together here."""

from __future__ import annotations

import gc
import resource
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import gevent
from gevent.event import Event

from benchmarks.load.engine import Engine
from benchmarks.load.event_loop import GeventLoop, best_timer
from benchmarks.load.executors import make_executor
from benchmarks.load.http.client import SPARE_CONNECTIONS, RoundRobin
from benchmarks.load.http.exchange import Exchange
from benchmarks.load.http.payloads import ready_request
from benchmarks.load.recorder import Recorder
from benchmarks.load.rows import FILES_NEXT_STEP, NoRoomError
from benchmarks.load.settings import ConstantVusSettings, OpenSettings
from registration.address import Address, this_host
from registration.runtime.role import RoleError

if TYPE_CHECKING:  # it imports Locust, which patches any process that imports it
    from benchmarks.load.carrier import Carrier

_API_READY_LIMIT_S = 10.0
_RETRY_READY_S = 0.02
_SAMPLE_S = 0.5
_WINDOW_SAMPLES = 10  # five seconds
_SAMPLES_PER_PROGRESS = 2  # at most one message a second
_LAST_EVENTS_LIMIT_S = 2.0
_FILES_RESERVED = 64


class LocalLoad:
    """One load against the servers of `settings`, carried by Locust's `carrier`."""

    def __init__(self, settings: OpenSettings | ConstantVusSettings, carrier: Carrier[Any]) -> None:
        """Reserve the rows and prove the servers ready. Raises RoleError where that cannot be had."""
        _allow_files(settings.max_in_flight + SPARE_CONNECTIONS * len(settings.addresses) + _FILES_RESERVED)
        try:
            executor = make_executor(settings)
        except (OSError, ValueError) as error:
            raise RoleError(f"the load generator cannot use its files: {error}", FILES_NEXT_STEP) from error
        clock_ns = time.monotonic_ns
        loop = GeventLoop(self._crash)
        client = RoundRobin(settings.addresses, loop, clock_ns)
        self._crashed: Exception | None = None
        self._finished = Event()
        news = Event()
        self.recorder = Recorder(executor.rows, on_event=news.set, is_wanted=carrier.anybody_listens)
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
        _prove_ready(client, settings.addresses, clock_ns)
        switch_collector_off()

    @property
    def in_flight(self) -> int:
        return self._engine.in_flight

    def progress(self) -> Mapping[str, int]:
        """How far it has come, for display."""
        return {
            "sent": self.recorder.sent_count,
            "answered": self.recorder.answered_count,
            "settled": self.recorder.settled_count,
            "in_flight": self.in_flight,
        }

    def go(self, start_ns: int, on_progress: Callable[[], None]) -> dict[str, object]:
        """Run it with scenario time 0 at `start_ns`; what it took, once the last outcome is known.

        Raises RoleError where the run broke off.
        """
        collections_before = collections()
        usage = CpuShare(time.process_time_ns, time.monotonic_ns)
        self._carrier.start(lambda: self._begin(start_ns))
        samples = 0
        while not self._finished.wait(_SAMPLE_S):
            usage.sample()
            samples += 1
            if samples % _SAMPLES_PER_PROGRESS == 0:
                on_progress()
            self._carrier.check_not_stopped()
        if isinstance(self._crashed, NoRoomError):
            raise RoleError(
                f"the load generator has no room for its rows: {self._crashed}", FILES_NEXT_STEP
            ) from self._crashed
        if self._crashed is not None:
            raise self._crashed
        used = {
            "gc_collections": collections() - collections_before,
            "cpu_ms": usage.used_ms,
            "cpu_share_max_5s": usage.max_share,
        }
        self._carrier.finish(_LAST_EVENTS_LIMIT_S)
        return {"rows": self.recorder.settled_count, "hosts": [this_host()], "pacer": self.pacer, **used}

    def quit(self) -> None:
        """Let Locust's listeners know that it is over."""
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


class _Answer:
    """The answer to one question, as an ExchangeListener."""

    def __init__(self) -> None:
        self.known = Event()
        self.status = 0
        self.text = ""

    def sent(self, exchange: Exchange) -> None: ...

    def answered(self, _exchange: Exchange, status: int, _body_length: int, _answered_ns: int) -> None:
        self.status, self.text = status, f"status {status}"
        self.known.set()

    def unanswered(self, _exchange: Exchange, reason: str) -> None:
        self.text = reason
        self.known.set()

    unsendable = unanswered


def _prove_ready(client: RoundRobin, addresses: Sequence[Address], clock_ns: Callable[[], int]) -> None:
    """Ask `GET /ready` of each server, over the very client that will send, until it answers 200.

    Raises RoleError after `_API_READY_LIMIT_S` in all.
    """
    deadline_ns = clock_ns() + round(_API_READY_LIMIT_S * 1e9)
    for number, address in enumerate(addresses):
        said = "no answer"
        while (answer := _ask(client, number, address, clock_ns, deadline_ns)).status != 200:
            said = answer.text or said
            if clock_ns() >= deadline_ns:
                raise RoleError(
                    f"{address[0]}:{address[1]} was not ready within {_API_READY_LIMIT_S:g} s: {said}",
                    "look at the API's log in logs/",
                )
            gevent.sleep(_RETRY_READY_S)


def _ask(client: RoundRobin, number: int, address: Address, clock_ns: Callable[[], int], deadline_ns: int) -> _Answer:
    answer = _Answer()
    now_ns = clock_ns()
    exchange = Exchange(0, number, "", ready_request(address), now_ns, deadline_ns, listener=answer)
    client.dispatch(exchange)
    if not answer.known.wait(max(0.0, (deadline_ns - now_ns) / 1e9)) and exchange.connection is not None:
        exchange.connection.abandon()
    return answer


class CpuShare:
    """The largest share of one core used over any five seconds (the whole run where it was shorter).

    `cpu_ns` is the CPU time of the process, `clock_ns` the clock; `sample` is called every _SAMPLE_S.
    """

    def __init__(self, cpu_ns: Callable[[], int], clock_ns: Callable[[], int]) -> None:
        self._cpu_ns = cpu_ns
        self._clock_ns = clock_ns
        self._samples: deque[tuple[int, int]] = deque([(clock_ns(), cpu_ns())], maxlen=_WINDOW_SAMPLES + 1)
        self._first_cpu_ns = self._samples[0][1]
        self._max_share: float | None = None

    def sample(self) -> None:
        now_ns, cpu_ns = self._clock_ns(), self._cpu_ns()
        self._samples.append((now_ns, cpu_ns))
        if len(self._samples) > _WINDOW_SAMPLES:
            self._max_share = max(self._max_share or 0.0, self._share())

    @property
    def max_share(self) -> float:
        return self._share() if self._max_share is None else self._max_share

    @property
    def used_ms(self) -> float:
        """CPU time since the first sample."""
        return (self._cpu_ns() - self._first_cpu_ns) / 1e6

    def _share(self) -> float:
        (first_ns, first_cpu_ns), (last_ns, last_cpu_ns) = self._samples[0], self._samples[-1]
        return (last_cpu_ns - first_cpu_ns) / (last_ns - first_ns) if last_ns > first_ns else 0.0


def collections() -> int:
    """How often the garbage collector has run so far in this process."""
    return sum(generation["collections"] for generation in gc.get_stats())


def switch_collector_off() -> None:
    """Collect once, then never again: what is alive now is frozen, and what follows makes no cycles to speak of."""
    gc.collect()
    gc.freeze()
    gc.disable()


def _allow_files(count: int) -> None:
    """Let this process open `count` files if the system does: each arrival under way has a connection."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < count:
        most = count if hard == resource.RLIM_INFINITY else min(count, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, most), hard))
