"""What the parameters alone predict: the trial replayed as a queue, with a network and a broker that cost nothing.

    arrivals → variant (who calls whom, when) → instances (slots, queue in arrival order, `judge`) → replies, effects

Arrivals and luck are those of the real trial, and each attempt is judged by the services' own function. What a
measurement shows beyond this is the wiring; what it shares with this was put in by the scenario.

A service that is paused begins and ends nothing until it goes on. One that is killed loses what it had in hand: calls
fail at once, events come again when it is back, which takes it no time here. Work that was done but not committed by
then would be done again, which changes no first effect unless slots are short. What cannot be replayed like this is
not predicted, and the reason is given.
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

from benchmarks.faults import Effect, ProcessKind
from benchmarks.planning.plan import Plan
from benchmarks.planning.prediction import (
    ATTEMPT_DTYPE,
    NEVER,
    Figures,
    Prediction,
    Unpredicted,
    arrivals_of,
)
from benchmarks.planning.work import work_settings
from benchmarks.scenario.sample import window_bounds_ns, windows_bounds_ns
from benchmarks.values.checked import API
from registration import luck
from registration.work import WorkSettings, judge

if TYPE_CHECKING:
    from benchmarks.scenario.model import Scenario
    from benchmarks.scenario.variant import VariantSpec

Done = Callable[[bool], None]  # whether it succeeded
Action = Callable[[], None]

# As `event_impl/variants/events.py` waits before another attempt; a test holds the two together.
FIRST_RETRY_NS = 100_000_000
LONGEST_RETRY_NS = 2_000_000_000
# A replay takes some 50 to 100 µs an arrival, so this is a few seconds, and the plan shall not take longer.
MOST_ARRIVALS = 50_000


def predict(plan: Plan, variant: str, block: int = 0) -> Prediction | Unpredicted:
    """Replay one block of one variant. Raises KeyError where the run has no such variant."""
    scenario = plan.scenario
    spec = scenario.variant(variant)
    if (reason := _beyond_replay(scenario, spec)) is not None:
        return Unpredicted(variant, block, reason)
    seed = luck.block_seed(scenario.seed, block)
    replay = _Replay(scenario, spec, seed)
    schedule = plan.schedule(seed)
    replay.run(schedule)
    counted = schedule["index"] >= 0
    intended_ns = schedule["intended_ns"][counted].astype(np.int64)
    replied_ns, applied_ns = replay.replied_ns[counted], {name: a[counted] for name, a in replay.applied_ns.items()}
    attempts = {name: _of_counted(replay.attempts(name), counted) for name in applied_ns}
    in_time = replied_ns - intended_ns <= scenario.workload.timeout_ms * 1e6
    accepted = replay.agreed[counted] & (replied_ns != NEVER) & in_time

    def figures(begin_ns: int, end_ns: int) -> Figures:
        inside = (intended_ns >= begin_ns) & (intended_ns < end_ns)
        effects = {name: times[inside] for name, times in applied_ns.items()}
        return _figures(scenario, intended_ns[inside], replied_ns[inside], accepted[inside], effects)

    bounds = windows_bounds_ns(scenario)
    windows = {name: None if within is None else figures(*within) for name, within in bounds.items()}
    whole = figures(*window_bounds_ns(scenario, None))
    index = schedule["index"][counted].astype(np.int64)
    return Prediction(variant, block, whole, windows, index, intended_ns, replied_ns, accepted, applied_ns, attempts)


def _of_counted(attempts: NDArray[np.void], counted: NDArray[np.bool_]) -> NDArray[np.void]:
    """The attempts at counted arrivals, with their places among these."""
    kept: NDArray[np.void] = attempts[counted[attempts["place"]]]
    kept["place"] = (np.cumsum(counted) - 1)[kept["place"]]
    return kept


def _beyond_replay(scenario: Scenario, variant: VariantSpec) -> str | None:
    """Why a variant cannot be replayed from the parameters alone; None where it can."""
    if scenario.workload.closed:
        return "the arrivals of a closed load wait for replies, whose times are what is measured"
    if (arrivals := arrivals_of(scenario)) > MOST_ARRIVALS:
        return f"too many arrivals to replay: {arrivals:,} a trial, {MOST_ARRIVALS:,} at most"
    hit = [fault for fault in scenario.faults if isinstance(fault, ProcessKind) and fault.concerns(variant)]
    if any(fault.process == API for fault in hit):
        return "what an API that is stopped in the middle has already done is a matter of chance"
    if any(fault.process not in scenario.services for fault in hit):
        return "a broker has no part in the replay, so that nothing can happen to it"
    if any(not fault.lasts for fault in hit):
        return "how long a restart takes is not among the parameters"
    shared = {name for name, service in scenario.services.items() if service.instances > 1}
    if variant.uses_broker and any(fault.process in shared for fault in hit):
        return "which instance has which share of the events is the broker's decision"
    if variant.uses_broker and shared and scenario.workload.keys is not None:
        return "which instance has which person's events is the broker's decision"
    return None


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
        self._keys = scenario.workload.keys
        for fault in scenario.faults:
            if isinstance(fault, ProcessKind) and fault.concerns(variant):
                for number, instance in enumerate(self._instances[fault.process]):
                    if fault.instance in (None, number):
                        strike = instance.kill if fault.effect is Effect.DOWN else instance.pause
                        self.at(fault.begin_ns, partial(strike, fault.end_ns))
        self.replied_ns = np.empty(0, np.int64)
        self.agreed = np.empty(0, np.bool_)
        self.applied_ns: dict[str, NDArray[np.int64]] = {}

    def run(self, schedule: NDArray[np.void]) -> None:
        self.replied_ns = np.full(len(schedule), NEVER)
        self.agreed = np.zeros(len(schedule), np.bool_)
        self.applied_ns = {name: np.full(len(schedule), NEVER) for name in self._services}
        for row, (index, intended_ns) in enumerate(schedule.tolist()):
            self.at(intended_ns, partial(self._announce, _Arrival(row, index, luck.registration_id(self._seed, index))))
        # Where an attempt can fail for ever, retries never end; the trial does, when its drain runs out.
        while self._events and self._events[0][0] <= self._ends_ns:
            self._now_ns, _, action = heapq.heappop(self._events)
            action()

    def attempts(self, service: str) -> NDArray[np.void]:
        """Every attempt of a service's instances, as ATTEMPT_DTYPE has them, in order of their begin."""
        every = [tuple(attempt) for instance in self._instances[service] for attempt in instance.attempts]
        found = np.array(every, dtype=ATTEMPT_DTYPE)
        return found[np.argsort(found["begun_ns"], kind="stable")]

    @property
    def now_ns(self) -> int:
        return self._now_ns

    def at(self, time_ns: int, action: Callable[[], None]) -> None:
        heapq.heappush(self._events, (time_ns, next(self._numbers), action))

    def _reply(self, row: int, *, agreed: bool) -> None:
        self.replied_ns[row] = self._now_ns
        self.agreed[row] = agreed

    def _work(self, arrival: _Arrival, service: str, instance: _Instance, attempt: int, done: Done) -> None:
        def ended(succeeded: bool) -> None:
            if succeeded:
                first_ns = self.applied_ns[service]
                first_ns[arrival.row] = min(self._now_ns, first_ns[arrival.row])
            done(succeeded)

        instance.receive(_Task(arrival, attempt, ended, instance.life))

    # The three ways to tell the services.

    def _in_turn(self, arrival: _Arrival, place: int = 0) -> None:
        """One call after the other; the first that fails ends it."""

        def answered(succeeded: bool) -> None:
            if succeeded and place + 1 < len(self._services):
                self._in_turn(arrival, place + 1)
            else:
                self._reply(arrival.row, agreed=succeeded)

        self._call(arrival, self._services[place], answered)

    def _at_once(self, arrival: _Arrival) -> None:
        """All calls together; the reply waits for each of them."""
        answers: list[bool] = []

        def answered(succeeded: bool) -> None:
            answers.append(succeeded)
            if len(answers) == len(self._services):
                self._reply(arrival.row, agreed=all(answers))

        for service in self._services:
            self._call(arrival, service, answered)

    def _publish(self, arrival: _Arrival) -> None:
        """The reply at once; each service works on it until it succeeds."""
        self._reply(arrival.row, agreed=True)
        for service in self._services:
            self._deliver(arrival, service, next(self._turns[service]))

    def _call(self, arrival: _Arrival, service: str, answered: Callable[[bool], None]) -> None:
        """One call, bounded in time. The work goes on when the caller has gone."""
        instance = next(self._turns[service])
        if instance.down:
            answered(False)
            return
        waiting = True

        def answer(succeeded: bool) -> None:
            nonlocal waiting
            if waiting:
                waiting = False
                answered(succeeded)

        def done(succeeded: bool) -> None:
            instance.release(held)
            answer(succeeded)

        # An answer at the very instant of the timeout is too late, as it would be over a network.
        self.at(self._now_ns + self._timeout_ns, lambda: answer(False))
        held = instance.hold(lambda: answer(False))
        self._work(arrival, service, instance, 1, done)

    def _deliver(self, arrival: _Arrival, service: str, instance: _Instance) -> None:
        """An event in the hands of a consumer, until its work has succeeded; the same key one after the other."""
        if instance.down:
            self.at(instance.down_until_ns, partial(self._deliver, arrival, service, instance))
            return
        life = instance.life
        turns = instance.turns_of_key.setdefault(self._key(arrival.index), deque())

        def work(attempt: int = 1) -> None:
            if instance.life == life:
                self._work(arrival, service, instance, attempt, partial(done, attempt))

        def done(attempt: int, succeeded: bool) -> None:
            if not succeeded:
                wait_ns = min(FIRST_RETRY_NS * 2 ** min(attempt - 1, 10), LONGEST_RETRY_NS)
                self.at(self._now_ns + wait_ns, partial(work, attempt + 1))
                return
            instance.release(held)
            turns.popleft()
            if turns:
                turns[0]()

        held = instance.hold(partial(self._deliver, arrival, service, instance))
        turns.append(work)
        if len(turns) == 1:
            work()

    def _key(self, index: int) -> int:
        keys = self._keys
        return index if keys is None else luck.key(self._seed, index, keys.distribution, keys.count, keys.s)


@dataclass(frozen=True)
class _Arrival:
    row: int
    index: int
    id: uuid.UUID


@dataclass(frozen=True)
class _Task:
    """One attempt in one life of an instance; a kill begins another life, in which it is forgotten."""

    arrival: _Arrival
    attempt: int
    done: Done
    life: int


@dataclass
class _Instance:
    """One service instance: slots, and a queue in order of arrival; stopped until an instant, or down until one."""

    replay: _Replay
    settings: WorkSettings
    at_work: int = 0
    queue: deque[_Task] = field(default_factory=deque)
    life: int = 0
    paused_until_ns: int = -NEVER
    down_until_ns: int = -NEVER
    turns_of_key: dict[int, deque[Action]] = field(default_factory=dict)
    attempts: list[list[int]] = field(default_factory=list)  # the fields of ATTEMPT_DTYPE
    _in_hand: dict[int, Action] = field(default_factory=dict)
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    @property
    def down(self) -> bool:
        return self.replay.now_ns < self.down_until_ns

    def hold(self, when_lost: Action) -> int:
        """Say what happens if the instance is killed before the release of what this returns."""
        number = next(self._numbers)
        self._in_hand[number] = when_lost
        return number

    def release(self, held: int) -> None:
        del self._in_hand[held]

    def pause(self, until_ns: int) -> None:
        self.paused_until_ns = until_ns

    def kill(self, until_ns: int) -> None:
        self.down_until_ns, self.life, self.at_work = until_ns, self.life + 1, 0
        self.queue.clear()
        self.turns_of_key.clear()
        lost, self._in_hand = self._in_hand, {}
        for when_lost in lost.values():
            when_lost()

    def receive(self, task: _Task) -> None:
        if self._forgotten_or_later(task, self.receive):
            return
        if self.at_work < self.settings.concurrency:
            self._begin(task)
        else:
            self.queue.append(task)

    def _begin(self, task: _Task) -> None:
        self.at_work += 1
        begun_ns = self.replay.now_ns
        judgement = judge(self.settings, task.arrival.id, task.attempt, begun_ns)
        ends_ns = max(begun_ns, judgement.hang_until_ns or begun_ns) + round(judgement.work_ms * 1e6)
        record = [task.arrival.row, task.attempt, begun_ns, NEVER]
        self.attempts.append(record)
        self.replay.at(ends_ns, partial(self._end, judgement.status is None, record, task))

    def _end(self, succeeded: bool, record: list[int], task: _Task) -> None:
        if self._forgotten_or_later(task, partial(self._end, succeeded, record)):
            return
        record[-1] = self.replay.now_ns
        self.at_work -= 1
        if self.queue:
            self._begin(self.queue.popleft())
        task.done(succeeded)

    def _forgotten_or_later(self, task: _Task, step: Callable[[_Task], None]) -> bool:
        """Whether a step does not happen now: its life is over, or the process stands still until it goes on."""
        if task.life != self.life:
            return True
        if self.replay.now_ns < self.paused_until_ns:
            self.replay.at(self.paused_until_ns, partial(step, task))
            return True
        return False


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
