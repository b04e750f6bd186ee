"""The processes of a trial under way: spawned, proven, heard, ended and, where a fault wants it, started again.

    Supervisor.assemble → prove → start → (faults: signal / end / respawn) → drain → done, pending → stop

It knows no process by name: a process's `ProcessSpec` says what is done with it. The first process that fails
unasked fails the trial: code that waits through `unless_failed` learns it at once. One that a fault ends does not fail.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar, cast

from benchmarks.brokers import Broker, BrokerUnavailable
from benchmarks.faults.process_kind import END_GRACE_S
from benchmarks.processes.child import Child, ChildError
from benchmarks.processes.sampling import Sampler
from benchmarks.trials.drain import Drained, Sample, drain, together
from benchmarks.trials.processes import READY_LIMIT_S, ProcessSpec
from registration.runtime.harness import ControlMessage, DeadLettered, Drain, Idle, Pending, Probe, Question, Start
from registration.settings import Settings

T = TypeVar("T")

_PROBE_TIMEOUT_S = 10.0
_PROBE_ROUND_S = 0.2
_ANSWER_S = 1.0
_BROKER_LOOK_S = 0.2


class Supervisor:
    """The processes of one trial, and what they said of their own accord.

    `brokers`: those of the entries that stand already, by name. `lag_rows`: (t_ns, group, records). `fault_edges`:
    (fault, "begin" | "end") → instants at which services saw it. Times are CLOCK_MONOTONIC.
    """

    def __init__(
        self, label: str, logs: Path, specs: Sequence[ProcessSpec], brokers: Mapping[str, Broker] | None = None
    ) -> None:
        self.probed: set[str] = set()
        self.lag_rows: list[tuple[int, str, int]] = []
        self.fault_edges: dict[tuple[str, str], list[int]] = {}
        self.failure: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        # A failure that nothing waits for any more does not count; retrieving it keeps asyncio from complaining.
        self.failure.add_done_callback(lambda failure: None if failure.cancelled() else failure.exception())
        self._label = label
        self._logs = logs
        self._specs = {spec.name: spec for spec in specs}
        self._brokers = dict(brokers or {})
        self._children: dict[str, Child] = {}
        self._waiting: dict[str, Sample] = {}
        self._start_ns: int | None = None
        self._sampler: Sampler | None = None
        self._watching: asyncio.Task[None] | None = None

    def pids(self) -> dict[str, int]:
        """By name, of every process on this machine that is ours."""
        standing = {name: broker.pid for name, broker in self._brokers.items() if broker.pid is not None}
        return {**standing, **{name: child.pid for name, child in self._children.items()}}

    async def assemble(self, tell: Callable[[str], None] = lambda _waiting: None) -> None:
        """Start every process at once; each is given its role when those that it waits for are ready.

        They import while they wait. `tell` is called with what a spec wants printed while it is waited for.
        """
        if self._brokers:
            self._watching = asyncio.create_task(self._watch_brokers())
        for spec in self._specs.values():
            if spec.module is not None:
                await self._spawn(spec, spec.module)
        ready: dict[str, asyncio.Task[None]] = {}
        for name, spec in self._specs.items():
            ready[name] = asyncio.create_task(self._bring_up(spec, [ready[other] for other in spec.after], tell))
        await self.unless_failed(asyncio.gather(*ready.values()))

    async def prove(self) -> bool:
        """Send probes along the variant's own wiring until enough of each group have heard one; False if they do not.

        Each group's specs say how many are enough.
        """
        proofs = {spec.hears for spec in self._specs.values() if spec.hears is not None}

        def proven() -> bool:
            groups = [self._specs[name].hears for name in self.probed]
            heard = Counter(hears.group for hears in groups if hears is not None)
            return all(heard[proof.group] >= proof.enough for proof in proofs)

        deadline_s = time.monotonic() + _PROBE_TIMEOUT_S
        while not proven():
            if time.monotonic() > deadline_s:
                return False
            self._tell_all(lambda spec: spec.probes, Probe())
            round_ends_s = time.monotonic() + _PROBE_ROUND_S
            while not proven() and time.monotonic() < round_ends_s:
                await self.unless_failed(asyncio.sleep(0.01))
        return True

    def start(self, start_ns: int, sampler: Sampler) -> None:
        """Send every process the instant of scenario time 0; `sampler` learns of processes that are started again."""
        self._start_ns, self._sampler = start_ns, sampler
        self._tell_all(lambda _spec: True, Start(start_ns))

    def signal(self, name: str, number: int) -> None:
        """See `benchmarks.faults.Processes`."""
        if name in self._brokers:
            self._brokers[name].signal(number)
        else:
            self._children[name].signal(number)

    async def end(self, name: str, number: int) -> None:
        """See `benchmarks.faults.Processes`."""
        if name in self._brokers:
            cpu_s = await self._brokers[name].end(number)
        else:
            cpu_s = (await self._children[name].end(number, END_GRACE_S)).cpu_s
        if self._sampler is not None:
            self._sampler.gone(name, cpu_s * 1000)

    async def respawn(self, name: str) -> None:
        """See `benchmarks.faults.Processes`."""
        spec = self._specs[name]
        if spec.module is None:
            await self._brokers[name].respawn()
        else:
            child = await self._spawn(spec, spec.module)
            # The start goes into the settings: work that arrives at once is judged by the right time.
            assert isinstance(spec.settings, Settings), "only a process under test is hit"
            child.begin(spec.role, replace(spec.settings, start_ns=self._start_ns))
            await child.expect("ready", spec.ready_limit_s)
        if self._sampler is not None:
            self._sampler.back(name, self.pids()[name])

    async def drain(self, patience_s: float, load_end_ns: int) -> Drained:
        """Wait until no process has work in hand and nothing waits, at most `patience_s` after the load's end."""
        self._tell_all(lambda spec: spec.samples_lag, Drain())
        asked = [name for name, spec in self._specs.items() if spec.drains]
        sampling = [name for name, spec in self._specs.items() if spec.samples_lag]
        questions = itertools.count(1)

        async def busy() -> int:
            question = next(questions)
            return sum(await asyncio.gather(*(self._busy(name, question) for name in asked)))

        def lag() -> Sample | None:
            """The last samples as one, as old as the oldest; where nothing samples, nothing waits."""
            if not sampling:
                return Sample(time.monotonic_ns(), 0)
            return together([self._waiting.get(name) for name in sampling])

        return await self.unless_failed(drain(busy, lag, load_end_ns + round(patience_s * 1e9)))

    async def done(self, limit_s: float) -> list[ControlMessage]:
        """What the processes report whose part ends of its own accord, when it has ended."""
        ending = [name for name, spec in self._specs.items() if spec.ends]
        return await self.unless_failed(
            asyncio.gather(*(self._children[name].expect("done", limit_s) for name in ending))
        )

    async def pending(self, services: Sequence[str]) -> dict[str, list[str]]:
        """Which registrations are still held for which of `services`, by the processes that know."""
        asked = [name for name, spec in self._specs.items() if spec.reports_pending]
        return await self._reported("pending", asked, Pending(services))

    async def dead_lettered(self, services: Sequence[str]) -> dict[str, list[str]]:
        """Which registrations were put aside by which of `services`."""
        asked = [name for name, spec in self._specs.items() if spec.reports_dead_lettered]
        return await self._reported("dead_lettered", asked, DeadLettered(services))

    async def _reported(self, what: str, names: Sequence[str], question: Question) -> dict[str, list[str]]:
        found: dict[str, dict[str, None]] = {}
        for name in names:
            child = self._children[name]
            child.send(question)
            message = await self.unless_failed(child.expect(what, READY_LIMIT_S))
            for service, ids in cast(Mapping[str, list[str]], message["services"]).items():
                # One may be in an outbox and in the log at once.
                found.setdefault(service, {}).update(dict.fromkeys(ids))
        return {service: list(ids) for service, ids in found.items()}

    async def stop(self) -> None:
        """End every process of the trial's own, in order, and by force where it takes too long. None is left."""
        if self._watching is not None:
            self._watching.cancel()
        await asyncio.gather(*(child.stop(self._specs[name].stop_limit_s) for name, child in self._children.items()))

    async def unless_failed(self, work: Awaitable[T]) -> T:
        """What `work` returns, or the error of the first process that fails before it is done."""
        task = asyncio.ensure_future(work)
        # It may fail at the same moment as the trial, and then nothing asks what it says.
        task.add_done_callback(lambda done: None if done.cancelled() else done.exception())
        either: list[asyncio.Future[T] | asyncio.Future[None]] = [task, self.failure]
        try:
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if self.failure.done():
                self.failure.result()
            return task.result()
        finally:
            task.cancel()

    async def until(self, deadline_ns: int) -> None:
        """Sleep until an instant of CLOCK_MONOTONIC, unless a process fails before."""
        await self.unless_failed(asyncio.sleep(max(deadline_ns - time.monotonic_ns(), 0) / 1e9))

    def fail(self, error: Exception) -> None:
        """Fail the trial; the first error counts."""
        if not self.failure.done():
            self.failure.set_exception(error)

    def broker_trouble(self) -> BrokerUnavailable | None:
        """Why a broker is gone that no fault has ended."""
        return next(filter(None, (broker.trouble() for broker in self._brokers.values())), None)

    async def _watch_brokers(self) -> None:
        """Fail the trial as soon as a broker is gone unasked."""
        while (trouble := self.broker_trouble()) is None:  # noqa: ASYNC110 - the end of a process has no event to await
            await asyncio.sleep(_BROKER_LOOK_S)
        self.fail(trouble)

    async def _spawn(self, spec: ProcessSpec, module: str) -> Child:
        log_path = self._logs / f"{self._label}-{spec.name.replace('/', '-')}.log"
        child = await Child.spawn(spec.name, module, log_path)
        self._children[spec.name] = child
        child.on_message = lambda message: self._hear(spec.name, message)
        return child

    async def _bring_up(
        self, spec: ProcessSpec, before: Sequence[asyncio.Task[None]], tell: Callable[[str], None]
    ) -> None:
        if before:
            await asyncio.gather(*before)
        if spec.waiting:
            tell(spec.waiting)
        if (child := self._children.get(spec.name)) is not None:  # else it stood before the trial
            child.begin(spec.role, spec.settings)
            await child.expect("ready", spec.ready_limit_s)

    def _tell_all(self, whom: Callable[[ProcessSpec], bool], question: Question) -> None:
        for name, child in self._children.items():
            if whom(self._specs[name]):
                child.send(question)

    async def _busy(self, name: str, question: int) -> int:
        """Registrations in a process's hands; one that does not answer counts as busy."""
        child = self._children[name]
        child.send(Idle(question))
        try:
            async with asyncio.timeout(_ANSWER_S):
                while True:
                    answer = await child.expect("idle", _ANSWER_S)
                    if answer["question"] == question:  # else a late answer to an earlier one
                        return cast(int, answer["busy"])
        except (ChildError, TimeoutError):
            return 1

    def _hear(self, name: str, message: ControlMessage) -> None:
        match message.get("type"):
            case "probed":
                self.probed.add(name)
            case "lag":
                t_ns, groups = cast(int, message["t_ns"]), cast(Mapping[str, int], message["groups"])
                self.lag_rows += [(t_ns, group, lag) for group, lag in groups.items()]
                self._waiting[name] = Sample(t_ns, sum(groups.values()))
            case "fault":
                edge = (str(message["fault"]), str(message["edge"]))
                self.fault_edges.setdefault(edge, []).append(cast(int, message["t_ns"]))
            case "failed":
                self.fail(ChildError(str(message.get("message")), str(message.get("next_step", ""))))
