"""Process faults begin and heal in time, heal whatever happens, and tell what they did; time passes as told."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import signal
from collections.abc import Awaitable

import pandas as pd
import pytest
from synthetic import facts_of

from benchmarks.faults import KINDS, Effect, ProcessKind
from benchmarks.faults.injection import FaultRecord, PlannedFault, carry_out, planned_faults
from benchmarks.scenario import Scenario, load_text
from benchmarks.scenario.resolve import dump
from benchmarks.trials.frames import fault_frame

START_NS = 5_000_000_000
SECOND = 1_000_000_000
PROCESS = [word for word, kind in KINDS.items() if issubclass(kind, ProcessKind)]
STATES = {Effect.WORKS: "runs", Effect.STANDS_STILL: "stopped", Effect.DOWN: "gone"}


class SteppedClock:
    """Stands still until everybody sleeps, and then goes to the first alarm."""

    def __init__(self) -> None:
        self._now_ns = START_NS
        self._numbers = itertools.count()
        self._sleepers: list[tuple[int, int, asyncio.Future[None]]] = []

    def now_ns(self) -> int:
        return self._now_ns

    async def sleep_until(self, deadline_ns: int) -> None:
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (deadline_ns, next(self._numbers), woken))
        await woken

    async def run(self, until_ns: int) -> None:
        """Let everybody go on up to an instant."""
        await self._settle()
        while self._sleepers and self._sleepers[0][0] <= until_ns:
            self._now_ns, _, woken = heapq.heappop(self._sleepers)
            woken.set_result(None)
            await self._settle()

    async def _settle(self) -> None:
        for _ in range(20):
            await asyncio.sleep(0)


class FakeProcesses:
    """Processes that do nothing but run, stand still or be gone."""

    def __init__(self, *names: str) -> None:
        self.state = dict.fromkeys(names, "runs")
        self.respawned: list[str] = []
        self.respawn_fails = False

    def signal(self, name: str, number: int) -> None:
        assert self.state[name] != "gone", "nobody is there to hear a signal"
        self.state[name] = {signal.SIGSTOP: "stopped", signal.SIGCONT: "runs"}[signal.Signals(number)]

    async def end(self, name: str, number: int) -> None:
        assert number in (signal.SIGKILL, signal.SIGTERM)
        self.state[name] = "gone"

    async def respawn(self, name: str) -> None:
        assert self.state[name] == "gone", "there would be two of them"
        if self.respawn_fails:
            raise RuntimeError("it does not come back")
        self.state[name] = "runs"
        self.respawned.append(name)


def scenario_with(*faults: dict[str, object]) -> Scenario:
    services = {"email": {"instances": 2}}
    return load_text(dump({"version": 1, "name": "x", "services": services, "faults": list(faults)}), "x.yaml")


def planned(*faults: dict[str, object], variant: str = "events") -> list[PlannedFault]:
    scenario = scenario_with(*faults)
    return planned_faults(scenario.faults, scenario.variant(variant), ["api/0", "email/0", "email/1", "broker"])


async def at(second: float, clock: SteppedClock, work: Awaitable[None]) -> asyncio.Future[None]:
    """`work` as far as it is at a second of scenario time."""
    task = asyncio.ensure_future(work)
    await clock.run(START_NS + round(second * SECOND))
    return task


@pytest.mark.parametrize("target", ["email", "email/1", "api", "broker"])
@pytest.mark.parametrize("word", PROCESS)
async def test_a_fault_is_on_its_target_for_its_time_and_on_nothing_else(word: str, target: str) -> None:
    processes, clock = FakeProcesses("api/0", "email/0", "email/1", "broker"), SteppedClock()
    faults = planned({**KINDS[word].example(), "target": target})
    assert {one.process.partition("/")[0] for one in faults} == {target.partition("/")[0]}
    assert len(faults) == (2 if target == "email" else 1)
    hit = {one.process for one in faults}

    task = await at(7.9, clock, carry_out(faults, processes, clock, START_NS, []))
    assert set(processes.state.values()) == {"runs"}
    await at(8, clock, task)
    on = STATES[KINDS[word].effect] if KINDS[word].lasts else "runs"
    assert processes.state == {name: on if name in hit else "runs" for name in processes.state}
    await (await at(20, clock, task))
    assert set(processes.state.values()) == {"runs"}


@pytest.mark.parametrize("word", PROCESS)
async def test_a_fault_heals_and_says_when_it_was_on(word: str) -> None:
    processes, clock = FakeProcesses("email/0"), SteppedClock()
    records: list[FaultRecord] = []
    faults = planned({**KINDS[word].example(), "target": "email/0"})
    task = await at(20, clock, carry_out(faults, processes, clock, START_NS, records))
    await task
    assert processes.state == {"email/0": "runs"}
    assert processes.respawned == (["email/0"] if KINDS[word].effect is Effect.DOWN else [])
    begin_ns, end_ns = START_NS + 8 * SECOND, START_NS + (16 if KINDS[word].lasts else 8) * SECOND
    assert records == [FaultRecord(f"{word}-email-0", "email/0", begin_ns, end_ns, 0.0)]


@pytest.mark.parametrize("word", [word for word in PROCESS if KINDS[word].lasts])
async def test_a_fault_that_is_cut_short_lets_its_process_end_and_starts_nothing_anew(word: str) -> None:
    processes, clock = FakeProcesses("email/0"), SteppedClock()
    records: list[FaultRecord] = []
    faults = planned({**KINDS[word].example(), "target": "email/0"})
    task = await at(9, clock, carry_out(faults, processes, clock, START_NS, records))
    task.cancel()
    await asyncio.wait([task])
    assert processes.state["email/0"] != "stopped"
    assert (processes.respawned, records) == ([], [])


async def test_faults_on_several_processes_do_not_wait_for_one_another() -> None:
    processes, clock = FakeProcesses("api/0", "email/0", "email/1"), SteppedClock()
    records: list[FaultRecord] = []
    faults = planned(
        {"target": "email/0", "type": "kill", "at": "1s", "duration": "6s"},
        {"target": "api", "type": "pause", "at": "1s", "duration": "2s"},
        {"target": "email/1", "type": "kill", "at": "1s", "duration": "3s"},
    )
    await (await at(20, clock, carry_out(faults, processes, clock, START_NS, records)))
    ended = [(done.process, (done.end_ns - START_NS) // SECOND) for done in records]
    assert ended == [("api/0", 3), ("email/1", 4), ("email/0", 7)]


async def test_a_process_that_does_not_come_back_is_an_error_of_the_trial() -> None:
    processes, clock = FakeProcesses("email/0"), SteppedClock()
    processes.respawn_fails = True
    faults = planned({"target": "email/0", "type": "kill", "at": "1s", "duration": "1s"})
    task = await at(20, clock, carry_out(faults, processes, clock, START_NS, []))
    with pytest.raises(ExceptionGroup) as caught:
        await task
    assert "does not come back" in str(caught.value.exceptions[0])


@pytest.mark.parametrize("word", PROCESS)
def test_a_fault_of_the_broker_is_not_planned_for_a_variant_without_one(word: str) -> None:
    fault = {**KINDS[word].example(), "target": "broker"}
    assert planned(fault, variant="sync") == []
    assert [one.process for one in planned(fault, variant="events")] == ["broker"]


@pytest.mark.parametrize("word", PROCESS)
def test_what_happened_is_written_down_and_what_cannot_happen_is_not_applicable(word: str) -> None:
    scenario = scenario_with({**KINDS[word].example(), "target": "broker"})
    done = FaultRecord(f"{word}-broker", "broker", 1_000, 2_000, 0.25)
    (hit,) = fault_frame(scenario, {}, [done], facts_of(variant="events", start_ns=100)).to_dict("records")
    assert (hit["applicable"], hit["begin_ns"], hit["end_ns"]) == (True, 900, 1_900)
    # Only what was gone had to become ready.
    assert pd.isna(hit["ready_s"]) == (KINDS[word].effect is not Effect.DOWN)
    (spared,) = fault_frame(scenario, {}, [], facts_of(variant="sync")).to_dict("records")
    assert not spared["applicable"]
    assert pd.isna(spared["begin_ns"])
