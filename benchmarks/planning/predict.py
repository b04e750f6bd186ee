"""What the parameters alone predict: the trial replayed as a queue, with a network and a broker that cost nothing.

    arrivals → variant (who calls whom, when) → instances (slots, queue in arrival order, `judge`) → replies, effects

Arrivals and luck are those of the real trial, and each attempt is judged by the services' own function. What a
measurement shows beyond this is the wiring; what it shares with this was put in by the scenario.
"""

from __future__ import annotations

import heapq
import itertools
import uuid
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from benchmarks.planning.plan import Plan
from benchmarks.planning.work import work_settings
from benchmarks.scenario.metric import WINDOWS
from benchmarks.scenario.sample import window_bounds_ns
from registration import luck
from registration.work import WorkSettings, judge

if TYPE_CHECKING:
    from benchmarks.scenario.model import Scenario
    from benchmarks.scenario.variant import VariantSpec

Done = Callable[[int, bool], None]  # (scenario ns, whether it succeeded)

# As `event_impl/variants/events.py` waits before another attempt; a test holds the two together.
FIRST_RETRY_NS = 100_000_000
LONGEST_RETRY_NS = 2_000_000_000
NEVER = np.iinfo(np.int64).max


@dataclass(frozen=True)
class Figures:
    """One window of one variant; None where nothing was acked, or complete. Milliseconds from the intended time."""

    offered: int
    accept_ratio: float | None
    slo_ratio: float | None
    accept_p50_ms: float | None
    accept_p95_ms: float | None
    completion_p50_ms: float | None
    completion_p95_ms: float | None
    by_service: Mapping[str, tuple[float | None, float | None]]  # p50, p95 of each service's completion

    def as_dict(self) -> dict[str, object]:
        return {
            "offered": self.offered,
            "accept_ratio": self.accept_ratio,
            "slo_ratio": self.slo_ratio,
            "accept_latency_ms": {"p50": self.accept_p50_ms, "p95": self.accept_p95_ms},
            "completion_latency_ms": {
                "p50": self.completion_p50_ms,
                "p95": self.completion_p95_ms,
                "by_service": {name: {"p50": p50, "p95": p95} for name, (p50, p95) in self.by_service.items()},
            },
        }


@dataclass(frozen=True)
class Prediction:
    """What one block of one variant would come to. `windows` has `before`, `during`, `after`; None without faults.

    Arrays have one entry per counted arrival, in order of the schedule: intended time; reply (NEVER without one);
    whether it was accepted; first effect of each service (NEVER without one). All times are scenario ns.
    """

    variant: str
    block: int
    whole: Figures
    windows: Mapping[str, Figures | None]
    intended_ns: NDArray[np.int64]
    replied_ns: NDArray[np.int64]
    accepted: NDArray[np.bool_]
    applied_ns: Mapping[str, NDArray[np.int64]]

    def as_dict(self) -> dict[str, object]:
        return {
            "variant": self.variant,
            "block": self.block,
            **self.whole.as_dict(),
            "windows": {name: None if part is None else part.as_dict() for name, part in self.windows.items()},
        }


def predict(plan: Plan, variant: str, block: int = 0) -> Prediction:
    """Replay one block of one variant. Raises KeyError where the run has no such variant."""
    scenario = plan.scenario
    spec = scenario.variant(variant)
    seed = luck.block_seed(scenario.seed, block)
    replay = _Replay(scenario, spec, seed)
    schedule = plan.schedule(seed)
    replay.run(schedule)
    counted = schedule["index"] >= 0
    intended_ns = schedule["intended_ns"][counted].astype(np.int64)
    replied_ns, applied_ns = replay.replied_ns[counted], {name: a[counted] for name, a in replay.applied_ns.items()}
    in_time = replied_ns - intended_ns <= scenario.workload.timeout_ms * 1e6
    accepted = replay.agreed[counted] & (replied_ns != NEVER) & in_time

    def figures(window: str | None) -> Figures:
        begin_ns, end_ns = window_bounds_ns(scenario, window)
        inside = (intended_ns >= begin_ns) & (intended_ns < end_ns)
        effects = {name: times[inside] for name, times in applied_ns.items()}
        return _figures(scenario, intended_ns[inside], replied_ns[inside], accepted[inside], effects)

    windows = {name: figures(name) if scenario.faults else None for name in WINDOWS}
    return Prediction(variant, block, figures(None), windows, intended_ns, replied_ns, accepted, applied_ns)


class _Replay:
    """A discrete-event replay. Events at the same instant happen in the order in which they were planned."""

    def __init__(self, scenario: Scenario, variant: VariantSpec, seed: int) -> None:
        self._seed = seed
        self._ends_ns = round((scenario.workload.duration_s + scenario.drain_s) * 1e9)
        self._timeout_ns = round(variant.timeout_ms * 1e6)
        self._announce = {"sync": self._in_turn, "sync-concurrent": self._at_once, "events": self._publish}[
            variant.base
        ]
        self._events: list[tuple[int, int, Callable[[], None]]] = []
        self._numbers = itertools.count()
        self._now_ns = 0
        self._instances = {
            name: [
                _Instance(self, work_settings(scenario, variant.name, name, number, seed))
                for number in range(service.instances)
            ]
            for name, service in scenario.services.items()
        }
        self._turns: dict[str, Iterator[_Instance]] = {n: itertools.cycle(of) for n, of in self._instances.items()}
        self._services = list(scenario.services)
        self.replied_ns = np.empty(0, np.int64)
        self.agreed = np.empty(0, np.bool_)
        self.applied_ns: dict[str, NDArray[np.int64]] = {}

    def run(self, schedule: NDArray[np.void]) -> None:
        self.replied_ns = np.full(len(schedule), NEVER)
        self.agreed = np.zeros(len(schedule), np.bool_)
        self.applied_ns = {name: np.full(len(schedule), NEVER) for name in self._services}
        for row, (index, intended_ns) in enumerate(schedule.tolist()):
            id_ = luck.registration_id(self._seed, index)
            self.at(intended_ns, partial(self._announce, row, id_))
        # Where an attempt can fail for ever, retries never end; the trial does, when its drain runs out.
        while self._events and self._events[0][0] <= self._ends_ns:
            self._now_ns, _, action = heapq.heappop(self._events)
            action()

    @property
    def now_ns(self) -> int:
        return self._now_ns

    def at(self, time_ns: int, action: Callable[[], None]) -> None:
        heapq.heappush(self._events, (time_ns, next(self._numbers), action))

    def _reply(self, row: int, *, agreed: bool) -> None:
        self.replied_ns[row] = self._now_ns
        self.agreed[row] = agreed

    def _work(self, row: int, id_: uuid.UUID, service: str, instance: _Instance, attempt: int, done: Done) -> None:
        def ended(at_ns: int, succeeded: bool) -> None:
            if succeeded:
                self.applied_ns[service][row] = min(at_ns, self.applied_ns[service][row])
            done(at_ns, succeeded)

        instance.receive(id_, attempt, ended)

    # The three ways to tell the services.

    def _in_turn(self, row: int, id_: uuid.UUID, place: int = 0) -> None:
        """One call after the other; the first that fails ends it."""

        def answered(succeeded: bool) -> None:
            if succeeded and place + 1 < len(self._services):
                self._in_turn(row, id_, place + 1)
            else:
                self._reply(row, agreed=succeeded)

        self._call(row, id_, self._services[place], answered)

    def _at_once(self, row: int, id_: uuid.UUID) -> None:
        """All calls together; the reply waits for each of them."""
        answers: list[bool] = []

        def answered(succeeded: bool) -> None:
            answers.append(succeeded)
            if len(answers) == len(self._services):
                self._reply(row, agreed=all(answers))

        for service in self._services:
            self._call(row, id_, service, answered)

    def _publish(self, row: int, id_: uuid.UUID) -> None:
        """The reply at once; each service works on it until it succeeds."""
        self._reply(row, agreed=True)
        for service in self._services:
            self._consume(row, id_, service, next(self._turns[service]), 1)

    def _call(self, row: int, id_: uuid.UUID, service: str, answered: Callable[[bool], None]) -> None:
        """One call, bounded in time. The work goes on when the caller has gone."""
        waiting = True

        def answer(succeeded: bool) -> None:
            nonlocal waiting
            if waiting:
                waiting = False
                answered(succeeded)

        # An answer at the very instant of the timeout is too late, as it would be over a network.
        self.at(self._now_ns + self._timeout_ns, lambda: answer(False))
        self._work(row, id_, service, next(self._turns[service]), 1, lambda at_ns, succeeded: answer(succeeded))

    def _consume(self, row: int, id_: uuid.UUID, service: str, instance: _Instance, attempt: int) -> None:
        def done(at_ns: int, succeeded: bool) -> None:
            if not succeeded:
                wait_ns = min(FIRST_RETRY_NS * 2 ** min(attempt - 1, 10), LONGEST_RETRY_NS)
                self.at(at_ns + wait_ns, partial(self._consume, row, id_, service, instance, attempt + 1))

        self._work(row, id_, service, instance, attempt, done)


@dataclass
class _Instance:
    """One service instance: slots, and a queue in order of arrival."""

    replay: _Replay
    settings: WorkSettings
    at_work: int = 0
    queue: deque[tuple[uuid.UUID, int, Done]] = field(default_factory=deque)

    def receive(self, id_: uuid.UUID, attempt: int, done: Done) -> None:
        if self.at_work < self.settings.concurrency:
            self._begin(id_, attempt, done)
        else:
            self.queue.append((id_, attempt, done))

    def _begin(self, id_: uuid.UUID, attempt: int, done: Done) -> None:
        self.at_work += 1
        begun_ns = self.replay.now_ns
        judgement = judge(self.settings, id_, attempt, begun_ns)
        ends_ns = max(begun_ns, judgement.hang_until_ns or begun_ns) + round(judgement.work_ms * 1e6)
        self.replay.at(ends_ns, partial(self._end, ends_ns, judgement.status is None, done))

    def _end(self, at_ns: int, succeeded: bool, done: Done) -> None:
        self.at_work -= 1
        if self.queue:
            self._begin(*self.queue.popleft())
        done(at_ns, succeeded)


def _figures(
    scenario: Scenario,
    intended_ns: NDArray[np.int64],
    replied_ns: NDArray[np.int64],
    accepted: NDArray[np.bool_],
    applied_ns: Mapping[str, NDArray[np.int64]],
) -> Figures:
    last_ns = np.max(np.stack(list(applied_ns.values())), axis=0)
    complete = last_ns != NEVER
    accept_ms = (replied_ns - intended_ns) / 1e6
    completion_ms = (last_ns - intended_ns) / 1e6
    kept = accepted & complete & (accept_ms <= scenario.slo.accept_ms) & (completion_ms <= scenario.slo.complete_ms)
    offered = len(intended_ns)
    accept_p50, accept_p95 = _quantiles(accept_ms[accepted])
    completion_p50, completion_p95 = _quantiles(completion_ms[complete])
    by_service = {name: _quantiles(((times - intended_ns) / 1e6)[times != NEVER]) for name, times in applied_ns.items()}
    return Figures(
        offered=offered,
        accept_ratio=float(accepted.mean()) if offered else None,
        slo_ratio=float(kept.mean()) if offered else None,
        accept_p50_ms=accept_p50,
        accept_p95_ms=accept_p95,
        completion_p50_ms=completion_p50,
        completion_p95_ms=completion_p95,
        by_service=by_service,
    )


def _quantiles(values: NDArray[np.float64]) -> tuple[float | None, float | None]:
    if len(values) == 0:
        return None, None
    p50, p95 = np.quantile(values, [0.5, 0.95])
    return float(p50), float(p95)
