"""Process faults begin and heal in time, heal whatever happens, and tell what they did."""

from __future__ import annotations

import asyncio
import signal
import time

import pytest

from benchmarks.faults import KINDS
from benchmarks.faults.schedule import Happened, PlannedFault, carry_out

MS = 1_000_000


class FakeProcesses:
    """Writes down what faults do, instead of doing it."""

    def __init__(self) -> None:
        self.did: list[tuple[str, str, int | None]] = []
        self.respawn_fails = False

    def signal(self, name: str, number: int) -> None:
        self.did.append(("signal", name, number))

    async def end(self, name: str, number: int) -> None:
        self.did.append(("end", name, number))

    async def respawn(self, name: str) -> None:
        if self.respawn_fails:
            raise RuntimeError("it does not come back")
        self.did.append(("respawn", name, None))


def planned(kind: str, process: str = "email/0", end_ms: int | None = 40) -> PlannedFault:
    return PlannedFault(f"{kind}-{process}", kind, process, 10 * MS, None if end_ms is None else end_ms * MS)


async def carried_out(*faults: PlannedFault, processes: FakeProcesses) -> tuple[int, list[Happened]]:
    start_ns = time.monotonic_ns()
    happened: list[Happened] = []
    await carry_out(faults, processes, start_ns, happened)
    return start_ns, happened


@pytest.mark.parametrize(
    ("kind", "end_ms", "did"),
    [
        ("kill", 40, [("end", "email/0", signal.SIGKILL), ("respawn", "email/0", None)]),
        ("pause", 40, [("signal", "email/0", signal.SIGSTOP), ("signal", "email/0", signal.SIGCONT)]),
        ("restart", None, [("end", "email/0", signal.SIGTERM), ("respawn", "email/0", None)]),
    ],
)
async def test_each_kind_begins_and_heals_with_its_own_means(
    kind: str, end_ms: int | None, did: list[tuple[str, str, int | None]]
) -> None:
    processes = FakeProcesses()
    start_ns, (done,) = await carried_out(planned(kind, end_ms=end_ms), processes=processes)
    assert processes.did == did
    assert done.begin_ns >= start_ns + 10 * MS
    assert done.end_ns >= done.begin_ns
    if end_ms is not None:
        assert done.end_ns >= start_ns + end_ms * MS
    assert done.ready_s >= 0


async def test_faults_on_several_processes_do_not_wait_for_one_another() -> None:
    processes = FakeProcesses()
    _, happened = await carried_out(
        planned("kill", "email/0", 60),
        planned("pause", "api/0", 20),
        planned("kill", "cache/1", 30),
        processes=processes,
    )
    assert [done.process for done in happened] == ["api/0", "cache/1", "email/0"]
    assert {name for what, name, _ in processes.did if what == "end"} == {"email/0", "cache/1"}


async def test_an_interrupted_pause_lets_its_process_go_on_so_that_it_can_end() -> None:
    processes = FakeProcesses()
    happened: list[Happened] = []
    task = asyncio.create_task(carry_out([planned("pause", end_ms=60_000)], processes, time.monotonic_ns(), happened))
    async with asyncio.timeout(5):
        while not processes.did:
            await asyncio.sleep(0.005)
    task.cancel()
    await asyncio.wait([task])
    assert processes.did[-1] == ("signal", "email/0", signal.SIGCONT)
    assert happened == []


async def test_an_interrupted_kill_starts_nothing_anew() -> None:
    processes = FakeProcesses()
    task = asyncio.create_task(carry_out([planned("kill", end_ms=60_000)], processes, time.monotonic_ns(), []))
    async with asyncio.timeout(5):
        while not processes.did:
            await asyncio.sleep(0.005)
    task.cancel()
    await asyncio.wait([task])
    assert [what for what, _, _ in processes.did] == ["end"]


async def test_a_process_that_does_not_come_back_is_an_error_of_the_trial() -> None:
    processes = FakeProcesses()
    processes.respawn_fails = True
    with pytest.raises(ExceptionGroup) as caught:
        await carried_out(planned("kill"), processes=processes)
    assert "does not come back" in str(caught.value.exceptions[0])


def test_every_kind_of_process_fault_of_a_scenario_can_be_carried_out() -> None:
    from benchmarks.scenario.fault import PROCESS_TYPES

    assert set(KINDS) == set(PROCESS_TYPES)
