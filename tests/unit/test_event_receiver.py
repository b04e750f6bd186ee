"""The consumer's end: what is worked on when, what is settled, and what is said when it breaks."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from fakes import FakeClient, FakeRuntime, FakeSubscriber

from event_impl.brokers import CLIENTS
from event_impl.brokers.messages import message_of
from event_impl.brokers.port import Message
from event_impl.receiver import Receiver
from event_impl.wiring import ServiceWiring
from registration import luck, trace
from registration.effects.destination import DestinationSettings
from registration.event import UserRegistered
from registration.faults import WorkFault
from registration.latency import Latency
from registration.registration import Registration, user_id
from registration.registration import probe as nobody
from registration.runtime.alarm import MonotonicClock
from registration.runtime.role import RoleError
from registration.trace import RecordKind, Trace
from registration.work import Worker, WorkSettings, judge

SEED = luck.block_seed(1, 0)
FOREVER_NS = 3_600 * 10**9


def message(index: int, *, key: int | None = None) -> Message:
    who = Registration(luck.registration_id(SEED, index), user_id(SEED, index if key is None else key), f"u{index}@x")
    return message_of(UserRegistered(who))


def probe() -> Message:
    return message_of(UserRegistered(nobody(1)))


@dataclass
class Shelf:
    applied: list[str] = field(default_factory=list)
    broken: bool = False

    async def open(self) -> None:
        pass

    async def apply(self, registration: Registration, idempotency_key: str) -> None:
        assert idempotency_key == str(registration.registration_id)
        if self.broken:
            raise OSError("the disk is full")
        self.applied.append(registration.email)

    async def close(self) -> None:
        pass


@dataclass
class Consumer:
    receiver: Receiver
    runtime: FakeRuntime
    shelf: Shelf
    settings: WorkSettings

    @property
    def subscriber(self) -> FakeSubscriber:
        return FakeClient.made.the_subscriber

    def kinds(self) -> list[RecordKind]:
        return [RecordKind(kind) for kind in trace.read(self.runtime.trace_path)[1]["kind"].tolist()]


def fails(consumer: Consumer, index: int, attempt: int) -> bool:
    """What luck has in store for an attempt inside the window of a fault."""
    return judge(consumer.settings, luck.registration_id(SEED, index), attempt, 0).status is not None


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.002)


def make(directory: Path, *faults: WorkFault, concurrency: int = 8, latency_ms: float = 2.0) -> Consumer:
    runtime = FakeRuntime(directory)
    shelf = Shelf()
    work = WorkSettings("email", 0, SEED, Latency.fixed(latency_ms), concurrency=concurrency, faults=faults)
    wiring = ServiceWiring(
        name="email/0",
        directory=str(directory),
        block_seed=SEED,
        variant="events",
        work=work,
        destination=DestinationSettings("outside-world"),
        broker="fake",
        bootstrap="nowhere",
        topic="t",
        group="g",
    )
    heard = Trace(runtime.trace_path, {"process": "email/0"})
    worker = Worker(work, shelf, heard, MonotonicClock(), lambda: runtime.harness.send(type="probed"))
    worker.start(time.monotonic_ns())
    return Consumer(Receiver(wiring, runtime, worker), runtime, shelf, work)


@asynccontextmanager
async def consuming(
    directory: Path, *faults: WorkFault, concurrency: int = 8, latency_ms: float = 2.0
) -> AsyncIterator[Consumer]:
    consumer = make(directory, *faults, concurrency=concurrency, latency_ms=latency_ms)
    await consumer.receiver.open()
    yield consumer
    await consumer.runtime.tasks.close()
    await consumer.receiver.close()


@pytest.fixture(autouse=True)
def _fake_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(CLIENTS, "fake", "fakes:FakeClient")


async def test_what_is_delivered_is_worked_on_and_settled_after_its_effect(tmp_path: Path) -> None:
    async with consuming(tmp_path) as consumer:
        consumer.subscriber.put(message(0))
        await until(lambda: consumer.subscriber.committed == [0])
    assert consumer.shelf.applied == ["u0@x"]
    assert consumer.kinds() == [RecordKind.RECEIVED, RecordKind.STARTED, RecordKind.APPLIED, RecordKind.SETTLED]


async def test_it_is_busy_from_the_delivery_until_the_work_is_done(tmp_path: Path) -> None:
    async with consuming(tmp_path, latency_ms=20.0) as consumer:
        for index in range(3):
            consumer.subscriber.put(message(index))
        await until(lambda: consumer.runtime.busy == 3)
        await until(lambda: consumer.runtime.busy == 0)
        assert len(consumer.shelf.applied) == 3


async def test_events_of_one_user_are_worked_on_one_after_the_other_in_order(tmp_path: Path) -> None:
    async with consuming(tmp_path, latency_ms=5.0) as consumer:
        for index in range(5):
            consumer.subscriber.put(message(index, key=7))
        await until(lambda: len(consumer.shelf.applied) == 5)
    assert consumer.shelf.applied == [f"u{index}@x" for index in range(5)]
    working = [kind for kind in consumer.kinds() if kind in (RecordKind.STARTED, RecordKind.APPLIED)]
    assert working == [RecordKind.STARTED, RecordKind.APPLIED] * 5


async def test_events_of_different_users_are_worked_on_at_once(tmp_path: Path) -> None:
    async with consuming(tmp_path, latency_ms=50.0) as consumer:
        for index in range(5):
            consumer.subscriber.put(message(index))
        await until(lambda: len(consumer.shelf.applied) == 5)
    kinds = consumer.kinds()
    assert kinds.index(RecordKind.APPLIED) > len(kinds) - 1 - kinds[::-1].index(RecordKind.STARTED)


async def test_failing_work_is_tried_again_and_holds_the_offsets_behind_it(tmp_path: Path) -> None:
    flaky = WorkFault("flaky", 0, FOREVER_NS, probability=0.5, status=503)
    async with consuming(tmp_path, flaky) as consumer:
        fates = {index: [fails(consumer, index, attempt) for attempt in (1, 2)] for index in range(100)}
        unlucky = next(index for index, fate in fates.items() if fate == [True, False])
        lucky = next(index for index, fate in fates.items() if fate == [False, False])
        consumer.subscriber.put(message(unlucky))
        consumer.subscriber.put(message(lucky))
        await until(lambda: consumer.subscriber.committed == [0, 1])
    assert consumer.shelf.applied == [f"u{lucky}@x", f"u{unlucky}@x"]
    kinds = consumer.kinds()
    assert kinds.count(RecordKind.FAILED) == 1
    assert kinds[-3:] == [RecordKind.APPLIED, RecordKind.SETTLED, RecordKind.SETTLED]


async def test_a_probe_is_answered_and_settled_without_work_or_trace(tmp_path: Path) -> None:
    async with consuming(tmp_path) as consumer:
        consumer.subscriber.put(probe())
        await until(lambda: consumer.subscriber.committed == [0])
    assert consumer.runtime.harness.types_sent() == ["probed"]
    assert consumer.shelf.applied == []
    assert consumer.kinds() == []


async def test_an_event_that_cannot_be_read_is_reported_to_the_harness(tmp_path: Path) -> None:
    async with consuming(tmp_path) as consumer:
        consumer.subscriber.put(Message(b"", b"not json", []))
        await until(lambda: consumer.runtime.harness.types_sent() == ["error"])
        assert consumer.subscriber.committed == []


async def test_a_destination_that_breaks_is_reported_to_the_harness_and_nothing_is_committed(tmp_path: Path) -> None:
    async with consuming(tmp_path) as consumer:
        consumer.shelf.broken = True
        consumer.subscriber.put(message(0))
        await until(lambda: consumer.runtime.harness.types_sent() == ["error"])
        assert consumer.runtime.harness.sent[0]["message"] == "the disk is full"
        assert consumer.subscriber.committed == []


async def test_what_is_at_work_when_it_closes_is_not_settled(tmp_path: Path) -> None:
    async with consuming(tmp_path, latency_ms=60_000.0) as consumer:
        consumer.subscriber.put(message(0))
        await until(lambda: consumer.runtime.busy == 1)
    assert consumer.subscriber.committed == []
    assert consumer.runtime.harness.sent == []


async def test_work_on_what_was_taken_away_meanwhile_settles_nothing(tmp_path: Path) -> None:
    async with consuming(tmp_path, latency_ms=50.0) as consumer:
        consumer.subscriber.put(message(0))
        await until(lambda: consumer.runtime.busy == 1)
        consumer.subscriber.revoke()
        await until(lambda: consumer.runtime.busy == 0)
        assert consumer.subscriber.committed == []
    assert consumer.kinds() == [RecordKind.RECEIVED, RecordKind.STARTED, RecordKind.APPLIED]


async def test_what_was_taken_away_before_it_began_is_dropped(tmp_path: Path) -> None:
    async with consuming(tmp_path, concurrency=1, latency_ms=50.0) as consumer:
        for index in range(3):
            consumer.subscriber.put(message(index))
        await until(lambda: RecordKind.STARTED in consumer.kinds())
        consumer.subscriber.revoke()
        await until(lambda: consumer.runtime.busy == 0)
        assert consumer.subscriber.committed == []
    assert consumer.shelf.applied == ["u0@x"]


async def test_what_was_taken_away_between_two_attempts_is_not_tried_again(tmp_path: Path) -> None:
    broken = WorkFault("broken", 0, FOREVER_NS, status=503)
    async with consuming(tmp_path, broken) as consumer:
        consumer.subscriber.put(message(0))
        await until(lambda: RecordKind.FAILED in consumer.kinds())
        consumer.subscriber.revoke()
        await until(lambda: consumer.runtime.busy == 0)
    assert consumer.kinds() == [RecordKind.RECEIVED, RecordKind.STARTED, RecordKind.FAILED]


async def test_what_comes_back_is_worked_on_and_settled_for_itself_after_the_first_of_its_key(tmp_path: Path) -> None:
    async with consuming(tmp_path, latency_ms=50.0) as consumer:
        consumer.subscriber.put(message(0))
        await until(lambda: RecordKind.STARTED in consumer.kinds())
        consumer.subscriber.revoke()
        consumer.subscriber.put(message(0))
        await until(lambda: len(consumer.subscriber.committed) == 1)
    assert consumer.shelf.applied == ["u0@x", "u0@x"]
    once = [RecordKind.STARTED, RecordKind.APPLIED]
    assert [kind for kind in consumer.kinds() if kind != RecordKind.RECEIVED] == [*once, *once, RecordKind.SETTLED]


async def test_four_times_the_slots_may_be_in_hand(tmp_path: Path) -> None:
    async with consuming(tmp_path, concurrency=5) as consumer:
        assert consumer.subscriber.subscription.max_unsettled == 20


async def test_a_broker_that_does_not_answer_is_an_error_of_the_role(tmp_path: Path) -> None:
    consumer = make(tmp_path)
    consumer.subscriber.open_fails = True
    with pytest.raises(RoleError, match="no answer"):
        await consumer.receiver.open()
