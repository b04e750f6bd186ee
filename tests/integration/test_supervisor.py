"""The supervisor of a trial's processes: it treats each as its spec says, and knows none by name."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
import pytest
from small_process import Small

from benchmarks.brokers import BrokerInfo, BrokerUnavailable
from benchmarks.faults import KINDS, ProcessKind
from benchmarks.processes import child as child_module
from benchmarks.processes.child import ChildError
from benchmarks.processes.sampling import Sampler
from benchmarks.scenario import load_text
from benchmarks.trials import supervisor as supervisor_module
from benchmarks.trials.processes import Hears, ProcessSpec
from benchmarks.trials.supervisor import Supervisor

BOUND_S = 30.0
SECOND = 1_000_000_000


@pytest.fixture(autouse=True)
def small_processes_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child_module, "TREE", f"{child_module.TREE}{os.pathsep}{Path(__file__).parent}")


@pytest.fixture
def diary(tmp_path: Path) -> Path:
    return tmp_path / "diary"


class FakeBroker:
    """A broker whose process is a sleeping one; what is done to it is written down."""

    def __init__(self) -> None:
        self.did: list[object] = []
        self.gone = ""
        self.pid: int | None = os.getpid()
        self.info = BrokerInfo("kafka", None, "127.0.0.1:1", ours=True, description={}, hit_by_faults=True)

    def trouble(self) -> BrokerUnavailable | None:
        return BrokerUnavailable(self.gone, "run again") if self.gone else None

    def signal(self, number: int) -> None:
        self.did.append(number)

    async def end(self, number: int) -> float:
        self.did.append(("end", number))
        return 2.5

    async def respawn(self) -> None:
        self.did.append("respawn")

    async def stop(self) -> float | None:
        self.did.append("stop")
        return 2.5


class FakeSampler(Sampler):
    """Writes down what it is told of processes that come and go."""

    def __init__(self) -> None:
        super().__init__({})
        self.told: list[tuple[str, str, float]] = []

    def gone(self, name: str, cpu_ms: float) -> None:
        self.told.append(("gone", name, cpu_ms))

    def back(self, name: str, pid: int) -> None:
        self.told.append(("back", name, pid))


def small(name: str, diary: Path, *, after: Sequence[str] = (), **settings: object) -> ProcessSpec:
    place = {"directory": str(diary.parent), "block_seed": 1, "variant": ""}
    told = Small(name=name, diary=str(diary), **place, **settings)  # type: ignore[arg-type]
    return ProcessSpec(name, "small_process", "small", told, after=tuple(after), drains=True)


def changed(spec: ProcessSpec, **fields: object) -> ProcessSpec:
    return ProcessSpec(**{**vars(spec), **fields})  # type: ignore[arg-type]


@asynccontextmanager
async def running(tmp_path: Path, *specs: ProcessSpec, broker: FakeBroker | None = None) -> AsyncIterator[Supervisor]:
    supervised = Supervisor("test", tmp_path, specs, {} if broker is None else {"broker": broker})
    try:
        async with asyncio.timeout(BOUND_S):
            await supervised.assemble()
            yield supervised
    finally:
        pids = supervised.pids()
        await supervised.stop()
        pids.pop("broker", None)
        assert not [pid for pid in pids.values() if psutil.pid_exists(pid)]


def entries(diary: Path) -> list[str]:
    return diary.read_text().splitlines()


async def test_each_is_told_its_role_when_those_that_it_waits_for_are_ready(tmp_path: Path, diary: Path) -> None:
    specs = [
        # Whoever waits for nobody is told without waiting for topics: else these two would wait for each other.
        small("topics", diary, ready_after_entry="told other"),
        small("relay", diary, after=["topics"], ready_after_s=0.1),
        small("api/0", diary, after=["topics", "relay"]),
        small("other", diary),
    ]
    async with running(tmp_path, *specs):
        happened = entries(diary)
    for spec in specs:
        for earlier in spec.after:
            assert happened.index(f"ready {earlier}") < happened.index(f"told {spec.name}")
    assert happened.index("told other") < happened.index("ready topics")


async def test_what_is_waited_for_is_told_when_its_turn_has_come(tmp_path: Path, diary: Path) -> None:
    told: list[str] = []
    master = changed(small("load", diary, after=["api/0"]), waiting="waiting for 2 load workers")
    supervised = Supervisor("test", tmp_path, [small("api/0", diary), master])
    try:
        await supervised.assemble(told.append)
    finally:
        await supervised.stop()
    assert told == ["waiting for 2 load workers"]


async def test_it_is_proven_when_enough_of_each_group_have_heard(
    tmp_path: Path, diary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor_module, "_PROBE_TIMEOUT_S", 0.5)
    two, one = (
        [changed(small(f"email/{n}", diary, hears=n == 0), hears=Hears("email", enough)) for n in range(2)]
        for enough in (2, 1)
    )
    prober = changed(small("api/0", diary), probes=True)
    async with running(tmp_path, *two, prober) as supervised:
        assert not await supervised.prove()
        assert "probed api/0" in entries(diary)
        assert "probed email/0" not in entries(diary)
    async with running(tmp_path, *one, prober) as supervised:
        assert await supervised.prove()


async def test_a_drain_waits_for_work_in_hand_and_for_what_waits(tmp_path: Path, diary: Path) -> None:
    specs = [
        small("email/0", diary, busy=[2, 1, 0]),
        changed(small("topics", diary, lag=[5, 4, 3, 0]), samples_lag=True),
    ]
    async with running(tmp_path, *specs) as supervised:
        drained = await supervised.drain(BOUND_S, time.monotonic_ns())
        assert not drained.expired
        assert [lag for _, group, lag in supervised.lag_rows if group == "email"][:4] == [5, 4, 3, 0]


async def test_a_drain_expires_where_somebody_holds_on(tmp_path: Path, diary: Path) -> None:
    async with running(tmp_path, small("email/0", diary, busy=[1])) as supervised:
        assert (await supervised.drain(0.2, time.monotonic_ns())).expired


async def test_whoever_does_not_drain_is_not_asked(tmp_path: Path, diary: Path) -> None:
    busy = changed(small("load", diary, busy=[1]), drains=False)
    async with running(tmp_path, busy, small("email/0", diary)) as supervised:
        assert not (await supervised.drain(BOUND_S, time.monotonic_ns())).expired


async def test_what_is_pending_is_put_together_by_service_and_said_once(tmp_path: Path, diary: Path) -> None:
    specs = [
        changed(small("topics", diary, pending={"email": ["a", "b"], "cache": ["a"]}), reports_pending=True),
        changed(small("relay", diary, pending={"email": ["b", "c"], "fraud": ["d"]}), reports_pending=True),
        small("email/0", diary),
    ]
    async with running(tmp_path, *specs) as supervised:
        assert await supervised.pending(["email", "cache"]) == {"email": ["a", "b", "c"], "cache": ["a"]}


async def test_what_was_put_aside_is_asked_of_who_can_tell_and_of_nobody_else(tmp_path: Path, diary: Path) -> None:
    specs = [
        changed(small("topics", diary, dead_lettered={"email": ["a"], "fraud": ["d"]}), reports_dead_lettered=True),
        changed(small("relay", diary, pending={"email": ["b"]}), reports_pending=True),
    ]
    async with running(tmp_path, *specs) as supervised:
        assert await supervised.dead_lettered(["email", "cache"]) == {"email": ["a"]}


async def test_it_is_over_when_all_whose_part_ends_have_said_so(tmp_path: Path, diary: Path) -> None:
    loads = [changed(small(f"load/{n}", diary, done=True), ends=True) for n in range(2)]
    async with running(tmp_path, *loads, small("api/0", diary)) as supervised:
        supervised.start(time.monotonic_ns(), FakeSampler())
        assert [one["name"] for one in await supervised.done(BOUND_S)] == ["load/0", "load/1"]


async def test_a_process_that_ends_by_itself_fails_the_trial(tmp_path: Path, diary: Path) -> None:
    async with running(tmp_path, small("email/0", diary)) as supervised:
        os.kill(supervised.pids()["email/0"], signal.SIGKILL)
        with pytest.raises(ChildError, match="email/0 ended by itself"):
            await supervised.until(time.monotonic_ns() + round(BOUND_S * SECOND))


@pytest.mark.parametrize("kind", [word for word, kind in KINDS.items() if issubclass(kind, ProcessKind)])
async def test_a_process_that_a_fault_hits_does_not_and_is_whole_again(tmp_path: Path, diary: Path, kind: str) -> None:
    sampler = FakeSampler()
    (fault,) = load_text(f"version: 1\nname: hit\nfaults: [{json.dumps(KINDS[kind].example())}]\n", "hit").faults
    assert isinstance(fault, ProcessKind)
    async with running(tmp_path, small("email/0", diary)) as supervised:
        supervised.start(time.monotonic_ns(), sampler)
        first = supervised.pids()["email/0"]
        await fault.begin(supervised, "email/0")
        await fault.heal(supervised, "email/0")
        again = supervised.pids()["email/0"]
        assert not (await supervised.drain(BOUND_S, time.monotonic_ns())).expired
        assert not supervised.failure.done()
    if again == first:
        assert sampler.told == []
    else:
        assert [(what, name) for what, name, _ in sampler.told] == [("gone", "email/0"), ("back", "email/0")]
        assert sampler.told[0][2] > 0
        assert sampler.told[1][2] == again
        assert "knows-the-start email/0" in entries(diary)


BROKER = ProcessSpec("broker", None, "broker", {}, counts=True, targets=("broker",))


async def test_a_broker_that_stands_is_neither_started_nor_stopped(tmp_path: Path, diary: Path) -> None:
    broker = FakeBroker()
    async with running(tmp_path, BROKER, small("topics", diary, after=["broker"]), broker=broker) as supervised:
        assert supervised.pids()["broker"] == broker.pid
        assert entries(diary) == ["told topics", "ready topics"]
    assert broker.did == []


async def test_a_fault_reaches_a_broker_that_stands_and_its_cost_goes_on(tmp_path: Path) -> None:
    broker, sampler = FakeBroker(), FakeSampler()
    async with running(tmp_path, BROKER, broker=broker) as supervised:
        supervised.start(time.monotonic_ns(), sampler)
        supervised.signal("broker", signal.SIGSTOP)
        await supervised.end("broker", signal.SIGKILL)
        await supervised.respawn("broker")
    assert broker.did == [signal.SIGSTOP, ("end", signal.SIGKILL), "respawn"]
    assert sampler.told == [("gone", "broker", 2500.0), ("back", "broker", broker.pid)]


async def test_a_broker_that_dies_by_itself_fails_the_trial(tmp_path: Path) -> None:
    broker = FakeBroker()
    async with running(tmp_path, BROKER, broker=broker) as supervised:
        broker.gone = "The broker died"
        with pytest.raises(BrokerUnavailable, match="The broker died"):
            await supervised.until(time.monotonic_ns() + round(BOUND_S * SECOND))
