"""The people of a virtual trial: they arrive on schedule, or again as soon as they are answered, and wait only so long.

open     each arrival at its time, whatever became of earlier ones, unless too many are under way
closed   a fixed number of people, each of whom comes again once the last reply is there
"""

from __future__ import annotations

import itertools
import uuid
from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from benchmarks.values.times import NEVER
from registration import luck
from registration.address import Address
from registration.call import Call
from registration.registration import Registration, traceparent_of, user_id
from virtual.loop import VirtualLoop
from virtual.process import Process
from virtual.runtime import World

if TYPE_CHECKING:
    from benchmarks.scenario.workload import Workload

# How long a closed loop's user pauses after a refused connection; see `benchmarks.load.executors.constant_vus`.
_REST_NS = 100_000_000


# This many arrivals of each person at one instant are taken for a loop that never ends.
_MOST_AT_ONCE = 100


class Endless(Exception):  # noqa: N818 - reads as what happened
    """A closed load has no end that a prediction could wait for; the message says why."""


class People:
    """Arrivals, and how each was answered. Times are scenario ns; one row per arrival, in the order of arriving."""

    def __init__(
        self,
        world: World,
        loop: VirtualLoop,
        workload: Workload,
        block_seed: int,
        apis: Sequence[Address],
        most: int,
        progress: Callable[[int], None],
    ) -> None:
        self._world = world
        self._loop = loop
        self.process = Process(loop, "load")
        self._workload = workload
        self._seed = block_seed
        self._apis = apis
        self._start_ns = 0
        self._timeout_ns = round(workload.timeout_ms * 1e6)
        self._most = most
        self._progress = progress
        self._in_flight: set[int] = set()  # rows
        self._at_once = 0  # arrivals of a closed load since time last went on
        self._under_way: deque[tuple[int, int]] = deque()  # deadline, row
        self.ids: list[uuid.UUID] = []
        self.index: list[int] = []
        self.intended_ns: list[int] = []
        self.replied_ns: list[int] = []  # NEVER where no reply came
        self.status: list[int] = []  # 0 where no reply came in time
        self._waiting: list[bool] = []

    def begin(self, schedule: NDArray[np.void] | None, start_ns: int) -> None:
        """Arrive by the schedule, or as a closed load from the start of the warm-up. `start_ns`: scenario time 0."""
        self._start_ns = start_ns
        if schedule is None:
            self._begin_closed()
        elif len(schedule):
            self._schedule: list[tuple[int, int]] = schedule.tolist()
            self._at(self._schedule[0][1], self._arrive_open, 0)

    @property
    def accepted(self) -> NDArray[np.bool_]:
        return np.array([200 <= status < 300 for status in self.status], dtype=np.bool_)

    # The open loop

    def _arrive_open(self, place: int) -> None:
        index, intended_ns = self._schedule[place]
        self._expire()
        row = self._new_row(index, intended_ns)
        if len(self._in_flight) < self._workload.max_in_flight:
            self._send(row, lambda: None)
        if place + 1 < len(self._schedule):
            self._at(self._schedule[place + 1][1], self._arrive_open, place + 1)

    # The closed loop

    def _begin_closed(self) -> None:
        self._warmup_numbers, self._numbers = itertools.count(-1, -1), itertools.count()
        for _ in range(self._workload.vus or 0):
            self._at(-round(self._workload.warmup_s * 1e9), self._arrive_closed)

    def _arrive_closed(self) -> None:
        now_ns = self._loop.now_ns - self._start_ns
        if now_ns >= round(self._workload.duration_s * 1e9):
            return
        self._at_once = self._at_once + 1 if self.intended_ns and self.intended_ns[-1] == now_ns else 0
        if self._at_once > _MOST_AT_ONCE * (self._workload.vus or 0):
            self._world.problems.append(
                Endless("a reply takes no time here, so only the wiring says how often people come")
            )
            return
        if len(self.index) >= self._most:
            self._world.problems.append(Endless(f"more than {self._most:,} arrivals a trial"))
            return
        row = self._new_row(next(self._warmup_numbers if now_ns < 0 else self._numbers), now_ns)
        deadline = self._loop.call_at_ns(
            self._start_ns + now_ns + self._timeout_ns, self._give_up_closed, row, context=self.process.context
        )

        def settled() -> None:
            deadline.cancel()
            self._arrive_closed()

        if not self._send(row, settled):
            deadline.cancel()
            self._at(now_ns + _REST_NS, self._arrive_closed)

    def _give_up_closed(self, row: int) -> None:
        if self._waiting[row]:
            self._waiting[row] = False
            self._arrive_closed()

    # Both

    def _new_row(self, index: int, intended_ns: int) -> int:
        self.ids.append(luck.registration_id(self._seed, index))
        self.index.append(index)
        self.intended_ns.append(intended_ns)
        self.replied_ns.append(NEVER)
        self.status.append(0)
        self._waiting.append(False)
        row = len(self.index) - 1
        if not row % 1000:
            self._progress(row)
        return row

    def _send(self, row: int, settled: Callable[[], None]) -> bool:
        index, id_, keys = self.index[row], self.ids[row], self._workload.keys
        key = index if keys is None else luck.key(self._seed, index, keys.distribution, keys.count, keys.s)
        registration = Registration(id_, user_id(self._seed, key), f"user-{key}@example.com", traceparent_of(id_))

        def heard(status: int | None) -> None:
            if not self._waiting[row]:
                return
            self._waiting[row] = False
            self._in_flight.discard(row)
            now_ns = self._loop.now_ns - self._start_ns
            if status is not None:
                self.replied_ns[row] = now_ns
                # A reply past the person's patience counts as none: they have gone.
                self.status[row] = status if now_ns - self.intended_ns[row] <= self._timeout_ns else 0
            settled()

        sent = self._world.network.request(self._apis[index % len(self._apis)], Call(registration), heard)
        if sent:
            self._waiting[row] = True
            self._in_flight.add(row)
            self._under_way.append((self.intended_ns[row] + self._timeout_ns, row))
        return sent

    def _expire(self) -> None:
        """Those whose patience has run out are no longer under way; a reply to them still shows in `replied_ns`."""
        now_ns = self._loop.now_ns - self._start_ns
        while self._under_way and self._under_way[0][0] <= now_ns:
            _, row = self._under_way.popleft()
            self._in_flight.discard(row)

    def _at(self, scenario_ns: int, callback: Callable[..., object], *args: object) -> None:
        self._loop.call_at_ns(self._start_ns + scenario_ns, callback, *args, context=self.process.context)
