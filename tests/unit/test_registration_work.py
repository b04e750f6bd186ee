"""The worker: who waits, who works, what is left behind."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from registration import luck, trace
from registration.faults import WorkFault
from registration.latency import Latency
from registration.registration import Registration, user_id
from registration.runtime.alarm import MonotonicClock
from registration.trace import RecordKind, Trace
from registration.work import Worker, WorkError, WorkSettings

SEED = luck.block_seed(1, 0)
FOREVER_NS = 3_600 * 10**9


def registration(index: int) -> Registration:
    return Registration(luck.registration_id(SEED, index), user_id(SEED, index), f"user-{index}@example.com")


@dataclass
class Shelf:
    """A destination that remembers, and tells how many were at work when an effect arrived."""

    applied: list[int] = field(default_factory=list)
    broken: bool = False

    async def open(self) -> None:
        pass

    async def apply(self, registration: Registration, _idempotency_key: str) -> None:
        if self.broken:
            raise OSError("the disk is full")
        self.applied.append(int(registration.email.removeprefix("user-").partition("@")[0]))

    async def close(self) -> None:
        pass


@dataclass
class Bench:
    """A worker with a shelf and a trace."""

    directory: Path
    settings: WorkSettings
    shelf: Shelf = field(default_factory=Shelf)

    def __post_init__(self) -> None:
        self.trace = Trace(self.directory / "email-0.trace", {"process": "email/0"})
        self.worker = Worker(self.settings, self.shelf, self.trace, MonotonicClock())

    async def attempt(self, index: int, attempt: int = 1) -> None:
        who = registration(index)
        await self.worker.perform(who, self.worker.receive(who), attempt)

    def records(self) -> NDArray[np.void]:
        return trace.read(self.directory / "email-0.trace")[1]

    def times_ms(self, kind: RecordKind) -> NDArray[np.float64]:
        records = self.records()
        return np.asarray(records["t_ns"][records["kind"] == kind] / 1e6)


def bench_of(
    directory: Path, *faults: WorkFault, concurrency: int = 64, latency_ms: float = 5.0, error_rate: float = 0.0
) -> Bench:
    latency = Latency.fixed(latency_ms)
    return Bench(directory, WorkSettings("email", 0, SEED, latency, error_rate, concurrency, faults))


@asynccontextmanager
async def bounded() -> AsyncIterator[None]:
    async with asyncio.timeout(10):
        yield


async def test_an_attempt_is_received_started_and_applied_in_that_order(tmp_path: Path) -> None:
    bench = bench_of(tmp_path)
    await bench.attempt(0)
    assert bench.records()["kind"].tolist() == [RecordKind.RECEIVED, RecordKind.STARTED, RecordKind.APPLIED]
    assert bench.shelf.applied == [0]


async def test_the_work_takes_its_time(tmp_path: Path) -> None:
    bench = bench_of(tmp_path, latency_ms=30.0)
    for index in range(5):
        await bench.attempt(index)
    took_ms = bench.times_ms(RecordKind.APPLIED) - bench.times_ms(RecordKind.STARTED)
    assert min(took_ms) >= 30.0
    assert np.median(took_ms) < 45.0


async def test_no_more_than_the_slots_are_at_work_and_the_rest_wait_in_order_of_arrival(tmp_path: Path) -> None:
    bench = bench_of(tmp_path, concurrency=3)
    async with bounded():
        await asyncio.gather(*(bench.attempt(index) for index in range(20)))
    assert bench.shelf.applied == list(range(20))
    changes = [
        {RecordKind.STARTED: 1, RecordKind.APPLIED: -1}[RecordKind(kind)]
        for kind in bench.records()["kind"].tolist()
        if kind != RecordKind.RECEIVED
    ]
    assert max(np.cumsum(changes)) == 3


async def test_one_that_gives_up_waiting_does_not_take_a_slot_along(tmp_path: Path) -> None:
    bench = bench_of(tmp_path, concurrency=1)
    async with bounded():
        first, second = asyncio.create_task(bench.attempt(0)), asyncio.create_task(bench.attempt(1))
        third = asyncio.create_task(bench.attempt(2))
        await asyncio.sleep(0)
        second.cancel()
        await asyncio.gather(first, third)
    assert bench.shelf.applied == [0, 2]


async def test_a_failing_attempt_leaves_no_effect_and_says_its_status(tmp_path: Path) -> None:
    bench = bench_of(tmp_path, WorkFault("broken", 0, FOREVER_NS, status=503))
    bench.worker.start(time.monotonic_ns())
    with pytest.raises(WorkError) as failure:
        await bench.attempt(0, attempt=4)
    assert failure.value.status == 503
    assert bench.shelf.applied == []
    last = bench.records()[-1]
    assert (last["kind"], last["attempt"], last["status"]) == (RecordKind.FAILED, 4, 503)


async def test_a_failing_attempt_gives_its_slot_back(tmp_path: Path) -> None:
    bench = bench_of(tmp_path, WorkFault("broken", 0, FOREVER_NS, status=503), concurrency=1)
    bench.worker.start(time.monotonic_ns())
    async with bounded():
        outcomes = await asyncio.gather(*(bench.attempt(index) for index in range(5)), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [WorkError] * 5


async def test_no_fault_is_on_before_scenario_time_is_known(tmp_path: Path) -> None:
    bench = bench_of(tmp_path, WorkFault("broken", 0, FOREVER_NS, status=503))
    await bench.attempt(0)
    assert bench.shelf.applied == [0]


async def test_no_fault_is_on_in_the_warm_up(tmp_path: Path) -> None:
    bench = bench_of(tmp_path, WorkFault("broken", 0, FOREVER_NS, status=503))
    bench.worker.start(time.monotonic_ns() + FOREVER_NS)
    await bench.attempt(0)
    assert bench.shelf.applied == [0]


async def test_hung_work_keeps_its_slot_until_the_window_ends_and_is_then_done(tmp_path: Path) -> None:
    bench = bench_of(tmp_path, WorkFault("hung", 0, 200_000_000, holds=True), concurrency=1)
    start_ns = time.monotonic_ns()
    bench.worker.start(start_ns)
    async with bounded():
        await asyncio.gather(bench.attempt(0), bench.attempt(1))
    assert bench.shelf.applied == [0, 1]
    assert bench.times_ms(RecordKind.APPLIED)[0] - start_ns / 1e6 >= 205.0
    # The second one waited for the slot, and began when the fault had healed.
    assert bench.times_ms(RecordKind.STARTED)[1] >= bench.times_ms(RecordKind.APPLIED)[0]


async def test_a_destination_that_breaks_is_no_failing_attempt(tmp_path: Path) -> None:
    bench = bench_of(tmp_path)
    bench.shelf.broken = True
    with pytest.raises(OSError, match="disk is full"):
        await bench.attempt(0)
    assert RecordKind.FAILED not in bench.records()["kind"]


async def test_deliveries_are_numbered_from_one_and_settled_by_that_number(tmp_path: Path) -> None:
    bench = bench_of(tmp_path)
    numbers = [bench.worker.receive(registration(0)) for _ in range(3)]
    bench.worker.settled(registration(0), 2)
    assert numbers == [1, 2, 3]
    assert bench.records()["delivery"].tolist() == [1, 2, 3, 2]


class Ahead(MonotonicClock):
    """An hour ahead of everybody's clock."""

    def now_ns(self) -> int:
        return time.monotonic_ns() + FOREVER_NS

    async def sleep_until(self, deadline_ns: int) -> None:
        await super().sleep_until(deadline_ns - FOREVER_NS)


async def test_the_worker_judges_by_the_clock_it_is_given(tmp_path: Path) -> None:
    bench = bench_of(tmp_path, WorkFault("broken", FOREVER_NS, 2 * FOREVER_NS, status=503))
    worker = Worker(bench.settings, bench.shelf, bench.trace, Ahead())
    worker.start(time.monotonic_ns())
    with pytest.raises(WorkError):
        await worker.perform(registration(0), worker.receive(registration(0)))
