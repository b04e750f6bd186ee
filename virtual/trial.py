"""A trial in virtual time: the same list of processes as a real one, the same roles, faults and drain.

    plan, variant, block → VirtualTrial.run() → people (replies), world (traces, users, effects)

What a process does is its role's code; what it runs on is a virtual runtime. Wires and broker cost no time; processes
start at once.
"""

from __future__ import annotations

import asyncio
import gc
import itertools
import signal
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from benchmarks.brokers import BrokerInfo
from benchmarks.faults.injection import FaultRecord, carry_out, planned_faults
from benchmarks.faults.process_kind import END_GRACE_S
from benchmarks.planning.plan import PlannedTrial
from benchmarks.trials.drain import Drained, Sample, drain, together
from benchmarks.trials.processes import LOAD, trial_processes
from benchmarks.values.checked import BROKER
from event_impl.__main__ import roles as event_roles
from event_impl.brokers.memory import MemoryBroker
from registration import luck
from registration.runtime.harness import Drain, Idle, Role, Start
from registration.settings import ApiSettings, Settings
from sync_impl.__main__ import roles as sync_roles
from virtual.clock import VirtualClock
from virtual.load import People
from virtual.loop import VirtualLoop
from virtual.network import MemoryWire
from virtual.process import Process, VirtualPlatform
from virtual.runtime import VirtualHarness, VirtualRuntime, World
from virtual.standstill import SIGNAL, Standstills, hold_up

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from benchmarks.planning.plan import Plan
    from benchmarks.planning.stalls import Stalls

_BACK_NS = 1_000_000_000  # after which a process that was killed at a point is back
_LEAD_NS = 100_000_000  # from the word to the warm-up, as in a real trial
_READY_S = 60  # for consumers to find together: a group takes a heartbeat or two for it
_CLOSING_S = 60  # beyond the drain


class VirtualTrial:
    """`schedule` is the plan's own unless the caller wants another. `most`: arrivals that a closed load may come to.

    `start_ns`: scenario time 0 on the loop's clock, from when all processes are ready on.

    `kill_at`: a process, and before which of its points from the first arrival on it dies, to be back a second later.

    `stalls` hold up every process from the start of the warm-up on, those of the broker and of the load too.
    `wire_ms`: what each message takes on its way to a process.
    """

    def __init__(
        self,
        plan: Plan,
        variant: str,
        block: int = 0,
        *,
        schedule: NDArray[np.void] | None = None,
        most: int = 50_000,
        kill_at: tuple[str, int] | None = None,
        stalls: Stalls | None = None,
        wire_ms: float = 0.0,
        progress: Callable[[int], None] = lambda _: None,
    ) -> None:
        self.scenario = scenario = plan.scenario
        self.spec = scenario.variant(variant)
        self.seed = luck.block_seed(scenario.seed, block)
        self._kill_at = kill_at
        self._stalls = stalls
        self._wire_ns = round(wire_ms * 1e6)
        self._standstills = Standstills()
        self._points: dict[str, int] = {}
        known = schedule is not None or scenario.workload.closed
        self._schedule = schedule if known else plan.schedule(self.seed)
        self.start_ns = 0
        self.loop = VirtualLoop()
        self.world = World(VirtualClock(self.loop))
        self.broker: MemoryBroker | None = None
        info = None
        if self.spec.uses_broker:
            self.broker = MemoryBroker(VirtualPlatform(self.loop))
            info = BrokerInfo("memory", None, self.broker.address, ours=True, description={}, hit_by_faults=True)
        self._specs = {
            each.name: each
            for each in trial_processes(
                scenario,
                PlannedTrial(1, block, self.spec, self.seed),
                raw=Path(),
                schedule=Path(),
                run_tag="virtual",
                broker=info,
                own=self.spec.listed.processes,
                take_port=itertools.count(1).__next__,
            )
        }
        self.processes: dict[str, Process] = {}
        self.fault_records: list[FaultRecord] = []
        self.drained: Drained | None = None
        self._talks: dict[str, VirtualHarness] = {}
        self._roles: dict[str, asyncio.Task[None]] = {}
        self._heard: dict[tuple[str, str], asyncio.Future[Mapping[str, Any]]] = {}
        self._lag: dict[str, Sample] = {}
        self._tables: Mapping[str, Mapping[str, Role]] = {
            "sync_impl": sync_roles(VirtualRuntime, lambda _calling: MemoryWire(self.world.network)),
            "event_impl": event_roles(VirtualRuntime),
        }
        self._harness = Process(self.loop, "harness")
        apis = [each.settings.address for each in self._specs.values() if isinstance(each.settings, ApiSettings)]
        self.people = People(self.world, self.loop, scenario.workload, self.seed, apis, most, progress)
        self.people.process.wire_ns = self._wire_ns

    def run(self) -> VirtualTrial:
        """From the start of the processes to the end of the drain. Raises what a process says it is broken by."""
        whole = self._harness.spawn(self._conduct())
        workload = self.scenario.workload
        # Beyond the drain a trial has nothing to wait for: an end that does not come is a fault of the model.
        most_s = _READY_S + workload.warmup_s + workload.duration_s + self.scenario.drain_s + _CLOSING_S
        with _nothing_collected():
            self.loop.run(round(most_s * 1e9), lambda: whole.done() or bool(self.world.problems))
            if self.world.problems:
                raise self.world.problems[0]
            self.loop.check()
        whole.result()
        return self

    def close(self) -> None:
        """Release what the processes were doing; none of it runs any more."""
        for process in (*self.processes.values(), self._harness):
            process.kill()
        self.loop.close()

    async def _conduct(self) -> None:
        clock = self.world.clock
        ready: dict[str, asyncio.Task[None]] = {}
        for name, spec in self._specs.items():
            if spec.module is not None and spec.role != LOAD:
                ready[name] = asyncio.create_task(self._bring_up(name, [ready[n] for n in spec.after if n in ready]))
        await asyncio.gather(*ready.values())
        self.start_ns = clock.now_ns() + _LEAD_NS + round(self.scenario.workload.warmup_s * 1e9)
        for talk in self._talks.values():
            talk.say(Start(self.start_ns))
        before = {name: process.points for name, process in self.processes.items()}
        struck = (
            None
            if self._kill_at is None
            else asyncio.create_task(self._strike(self._kill_at[0], self._doom(*self._kill_at)))
        )
        self.people.begin(self._schedule, self.start_ns)
        if self._stalls is not None:
            names = [LOAD, *self.processes, *([BROKER] if self.broker is not None else [])]
            hold_up(names, self._stalls, self._hit, self._standstills, self.loop)
        planned = planned_faults(
            self.scenario.faults, self.spec, [name for name, spec in self._specs.items() if spec.targets]
        )
        faults = asyncio.create_task(carry_out(planned, self, clock, self.start_ns, self.fault_records))
        load_end_ns = self.start_ns + round(self.scenario.workload.duration_s * 1e9)
        await clock.sleep_until(load_end_ns)
        await faults
        self._points = {name: process.points - before.get(name, 0) for name, process in self.processes.items()}
        if struck is not None:
            await struck
        for name, spec in self._specs.items():
            if spec.samples_lag:
                self._talks[name].say(Drain())
        patience_ns = round(self.scenario.drain_s * 1e9)
        self.drained = await drain(self._busy, self._waiting, load_end_ns + patience_ns, clock.now_ns)

    def points(self, name: str) -> int:
        """How many points a process has passed between the first arrival and the end of the load: steps and effects."""
        return self._points[name]

    def _doom(self, name: str, point: int) -> asyncio.Future[None]:
        """Have a process die just before a point, counted from now on; the future ends when it is gone."""
        process = self.processes[name]
        gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        process.when_gone.append(lambda: self._harness.hear(gone.set_result, None))
        process.doom = process.points + point
        return gone

    async def _strike(self, name: str, gone: asyncio.Future[None]) -> None:
        await gone
        await self.world.clock.sleep_until(self.world.clock.now_ns() + _BACK_NS)
        await self.respawn(name)

    async def _bring_up(self, name: str, after: Sequence[asyncio.Task[None]]) -> None:
        """Once what it waits for is ready: consumers of all groups at once, as in a real trial."""
        await asyncio.gather(*after)
        self._spawn(name)
        await self._expect(name, "ready")

    def _spawn(self, name: str, start_ns: int | None = None) -> None:
        spec = self._specs[name]
        process = self.processes[name] = Process(self.loop, name)
        process.wire_ns = self._wire_ns
        talk = self._talks[name] = VirtualHarness(self.world, process, self._hear)
        assert isinstance(spec.settings, Settings), "the load is nobody's role here"
        settings = msgspec.json.encode(replace(spec.settings, start_ns=start_ns))
        role = self._tables[spec.module or ""][spec.role]
        self._roles[name] = process.spawn(self._play(role(settings, talk), talk))

    async def _play(self, role: Awaitable[None], talk: VirtualHarness) -> None:
        try:
            await role
        except Exception as error:  # noqa: BLE001 - whatever ends a role breaks the trial
            talk.broken(error)

    def _hear(self, name: str, message: Mapping[str, Any]) -> None:
        kind = str(message["type"])
        if kind == "lag":
            self._lag[name] = Sample(message["t_ns"], sum(message["groups"].values()))
        waiting = self._heard.pop((name, kind), None)
        if waiting is not None:
            self._harness.hear(_set, waiting, message)

    async def _expect(self, name: str, kind: str) -> Mapping[str, Any]:
        waiting: asyncio.Future[Mapping[str, Any]] = asyncio.get_running_loop().create_future()
        self._heard[name, kind] = waiting
        return await waiting

    async def _busy(self) -> int:
        asked = [name for name, spec in self._specs.items() if spec.drains]
        answers = [asyncio.ensure_future(self._expect(name, "idle")) for name in asked]
        await asyncio.sleep(0)  # so that each is waited for before it is asked
        for name in asked:
            self._talks[name].say(Idle(0))
        return sum([int(message["busy"]) for message in await asyncio.gather(*answers)])

    def _waiting(self) -> Sample | None:
        """What has not been consumed; where nothing samples, nothing waits."""
        sampling = [name for name, spec in self._specs.items() if spec.samples_lag]
        return together([self._lag.get(name) for name in sampling]) if sampling else Sample(self.loop.now_ns, 0)

    # What a fault may do: see `benchmarks.faults.Processes`.

    def signal(self, name: str, number: int) -> None:
        """SIGSTOP or SIGCONT."""
        if number == signal.SIGSTOP:
            self._standstills.stop(self._hit(name), SIGNAL)
        elif number == signal.SIGCONT:
            self._standstills.go_on(self._hit(name), SIGNAL)

    async def end(self, name: str, number: int) -> None:
        """SIGKILL at once; SIGTERM in the process's own time."""
        if number == signal.SIGTERM and name in self._roles:
            self._talks[name].end()
            await asyncio.wait([self._roles[name]], timeout=END_GRACE_S)
        hit = self._hit(name)
        hit.kill()
        self._standstills.forget(hit)

    async def respawn(self, name: str) -> None:
        """Ready at once: how long a real one takes is not among the parameters."""
        if name not in self._roles:
            assert self.broker is not None, "only the broker has no role"
            self.broker.start_again()
            return
        self._spawn(name, start_ns=self.start_ns)
        await self._expect(name, "ready")

    def _hit(self, name: str) -> Process | MemoryBroker:
        if name == LOAD:
            return self.people.process
        if name in self.processes:
            return self.processes[name]
        assert self.broker is not None, "only the broker has no role"
        return self.broker


@contextmanager
def _nothing_collected() -> Iterator[None]:
    """What a trial makes is kept to its end, so looking through it again and again would find nothing.

    What was there before is left out of the one look at the end, which would be most of it.
    """
    collecting = gc.isenabled()
    gc.disable()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
        if collecting:
            gc.enable()


def _set(waiting: asyncio.Future[Mapping[str, Any]], message: Mapping[str, Any]) -> None:
    if not waiting.done():
        waiting.set_result(message)
