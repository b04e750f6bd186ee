"""One trial: fresh processes of one variant, proven ready, loaded, drained, ended, and their traces read.

    spawn → ready → prove → start (one instant for all) → load → drain → pending → end → read → TrialResult

A trial only records. What the records mean is decided later, by pure functions.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar, cast

import numpy as np
import pandas as pd
import psutil

from benchmarks.analysis.history import TrialFacts, TrialFrames, read_trial
from benchmarks.analysis.validity import TrialResult
from benchmarks.brokers import Broker
from benchmarks.planning.plan import Plan, Trial
from benchmarks.processes.child import Child, ChildError, Message
from benchmarks.processes.sampling import Sampler
from benchmarks.progress import Observer
from benchmarks.trials.cast import Cast, Part, make_cast
from benchmarks.trials.drain import Drained, Sample, drain

T = TypeVar("T")

READY_TIMEOUT_S = 30.0
_PROBE_TIMEOUT_S = 10.0
_PROBE_ROUND_S = 0.2
_ANSWER_S = 1.0
# From the word to the first warm-up arrival: time enough for every process to hear it.
_START_LEAD_S = 0.1
# What the generator needs to close its books after the last person's patience has run out.
_CLOSING_S = 10.0
_STOP_GRACE_S = 3.0


@dataclass
class Stage:
    """What the trials of one run share. `broker_idle_ms_per_s` is learned in trials that do not use the broker."""

    plan: Plan
    broker: Broker | None
    logs: Path
    run_tag: str
    take_port: Callable[[], int]
    observer: Observer
    broker_idle_ms_per_s: float | None = None


@dataclass
class _Running:
    """A trial under way."""

    trial: Trial
    children: dict[str, Child] = field(default_factory=dict)
    probed: set[str] = field(default_factory=set)
    lag_rows: list[tuple[int, str, int]] = field(default_factory=list)
    fault_edges: dict[tuple[str, str], list[int]] = field(default_factory=dict)
    failure: asyncio.Future[None] = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    def __post_init__(self) -> None:
        # A failure that nobody waits for any more is no failure; retrieving it keeps asyncio from complaining.
        self.failure.add_done_callback(lambda failure: failure.exception())

    def hear(self, name: str, message: Message) -> None:
        """Keep what a child says of its own accord."""
        match message.get("type"):
            case "probed":
                self.probed.add(name)
            case "lag":
                t_ns = cast(int, message["t_ns"])
                for group, lag in cast(Mapping[str, int], message["groups"]).items():
                    self.lag_rows.append((t_ns, group, lag))
            case "fault":
                edge = (str(message["fault"]), str(message["edge"]))
                self.fault_edges.setdefault(edge, []).append(cast(int, message["t_ns"]))
            case "failed" if not self.failure.done():
                next_step = str(message.get("next_step", ""))
                self.failure.set_exception(ChildError(str(message.get("message")), next_step))


async def run_trial(trial: Trial, stage: Stage, directory: Path) -> TrialResult:
    """Run one trial in `directory` (its raw files go to `directory/raw`).

    Raises ChildError where a process cannot do its part, dies or stays silent. No process is left in any case.
    """
    raw = directory / "raw"
    raw.mkdir(parents=True)
    schedule = stage.plan.schedule(trial.block_seed)
    np.save(raw / "schedule.npy", schedule)
    broker = stage.broker if trial.variant.uses_broker else None
    parts = make_cast(
        stage.plan.scenario,
        trial,
        raw=raw,
        schedule=raw / "schedule.npy",
        run_tag=stage.run_tag,
        broker=broker.info if broker is not None else None,
        take_port=stage.take_port,
    )
    running = _Running(trial)
    try:
        facts, resources = await _perform(running, parts, stage, raw, broker)
    finally:
        # Also on Ctrl-C: nobody is left behind, and nobody is waited for longer than the grace.
        await asyncio.gather(*(child.stop(_STOP_GRACE_S) for child in running.children.values()))
    frames = read_trial(raw, facts, schedule)
    if facts.drain_s is None:
        facts = replace(facts, drain_s=_last_work_s(frames, facts))
    return TrialResult(
        facts,
        frames,
        _lag_frame(running, facts),
        _resource_frame(resources, facts),
        _fault_frame(running, stage.plan, facts),
    )


async def _perform(
    running: _Running, parts: Cast, stage: Stage, raw: Path, broker: Broker | None
) -> tuple[TrialFacts, Sampler]:
    trial, scenario = running.trial, stage.plan.scenario
    workload = scenario.workload
    stage.observer.step("starting the processes")
    await _spawn(running, parts, stage.logs)
    stage.observer.step("proving that every service hears")
    proven = await _prove(running, parts)

    pids = {name: child.pid for name, child in running.children.items()}
    if stage.broker is not None and stage.broker.pid is not None:
        pids["broker"] = stage.broker.pid
    sampler = Sampler({**pids, "harness": psutil.Process().pid})
    sampling = asyncio.create_task(sampler.run())
    try:
        warmup_ns, duration_ns = round(workload.warmup_s * 1e9), round(workload.duration_s * 1e9)
        start_ns = time.monotonic_ns() + round(_START_LEAD_S * 1e9) + warmup_ns
        for child in running.children.values():
            child.send(type="start", start_ns=start_ns)
        stage.observer.load_began(trial, raw / "load.rows", start_ns)
        await _until(start_ns, running)
        cpu_begin_ms = sampler.cpu_ms()
        await _until(start_ns + duration_ns, running)
        stage.observer.load_ended(trial)

        stage.observer.step("draining")
        drained = await _drain(running, parts, scenario.drain_s, start_ns + duration_ns)
        cpu_end_ms = sampler.cpu_ms()
        # After the drain nobody works; only a person's unanswered request can keep the generator.
        await _unless_failed(running.children["load"].expect("done", workload.timeout_ms / 1000 + _CLOSING_S), running)
        pending = await _pending(running, parts, drained)
        sampler.sample()
    finally:
        sampling.cancel()
        with suppress(asyncio.CancelledError):
            await sampling
    if broker is None and "broker" in cpu_begin_ms:
        span_s = (drained.end_ns - start_ns) / 1e9
        stage.broker_idle_ms_per_s = (cpu_end_ms["broker"] - cpu_begin_ms["broker"]) / span_s

    # The system under test; the generator, the harness and the role that looks at the broker are the measuring.
    mine = {part.name for part in (*parts.api, *parts.services)} | ({"broker"} if broker is not None else set())
    rss_mb_max = sampler.rss_mb_max()
    facts = TrialFacts(
        number=trial.number,
        variant=trial.variant.name,
        base=trial.variant.base,
        block=trial.block,
        block_seed=trial.block_seed,
        start_ns=start_ns,
        duration_ns=duration_ns,
        timeout_ms=workload.timeout_ms,
        services=tuple(scenario.services),
        # Polling found the end; what was written down last says when it was.
        drain_s=scenario.drain_s if drained.expired else None,
        drain_expired=drained.expired,
        readiness_proven=proven,
        pending=pending,
        broker={"kind": broker.info.kind, "version": broker.info.version} if broker is not None else None,
        events_over=[],
        cpu_begin_ms={name: ms for name, ms in cpu_begin_ms.items() if name in mine},
        cpu_end_ms={name: ms for name, ms in cpu_end_ms.items() if name in mine},
        broker_idle_ms_per_s=stage.broker_idle_ms_per_s if broker is not None else None,
        rss_mb_max={name: mb for name, mb in rss_mb_max.items() if name in mine},
        cores=psutil.cpu_count() or 1,
    )
    return facts, sampler


async def _spawn(running: _Running, parts: Cast, logs: Path) -> None:
    """Start every process at once; all but the topics wait for the topic to exist before they are told their role."""

    async def spawn(part: Part) -> None:
        log_path = logs / f"{running.trial.label}-{part.name.replace('/', '-')}.log"
        child = await Child.spawn(part.name, part.module, log_path)
        running.children[part.name] = child
        child.on_message = lambda message: running.hear(part.name, message)

    for part in parts.parts:
        await spawn(part)
    if parts.topics is not None:
        await _begin(running, [parts.topics])
    await _begin(running, [*parts.services, *parts.api])
    await _begin(running, [parts.load])  # last: it is ready when the API answers it


async def _begin(running: _Running, parts: list[Part]) -> None:
    for part in parts:
        running.children[part.name].begin(part.role, part.settings)
    ready = (running.children[part.name].expect("ready", READY_TIMEOUT_S) for part in parts)
    await _unless_failed(asyncio.gather(*ready), running)


async def _prove(running: _Running, parts: Cast) -> bool:
    """Send probes along the variant's own wiring until every service instance has reported one.

    Of instances that share partitions only as many can hear as there are partitions; the plan has warned of the rest.
    """
    partitions = cast(int, parts.topics.settings["partitions"]) if parts.topics is not None else None
    instances = Counter(part.name.partition("/")[0] for part in parts.services)

    def proven() -> bool:
        heard = Counter(name.partition("/")[0] for name in running.probed)
        return all(heard[name] >= min(count, partitions or count) for name, count in instances.items())

    deadline_s = time.monotonic() + _PROBE_TIMEOUT_S
    while not proven():
        if time.monotonic() > deadline_s:
            return False
        for part in parts.api:
            running.children[part.name].send(type="probe")
        round_ends_s = time.monotonic() + _PROBE_ROUND_S
        while not proven() and time.monotonic() < round_ends_s:
            await _unless_failed(asyncio.sleep(0.01), running)
    return True


async def _drain(running: _Running, parts: Cast, drain_s: float, load_end_ns: int) -> Drained:
    workers = [running.children[part.name] for part in (*parts.api, *parts.services)]
    groups = len(cast(dict[str, str], parts.topics.settings["groups"])) if parts.topics is not None else 0

    questions = itertools.count(1)

    async def busy() -> int:
        question = next(questions)
        counts = await asyncio.gather(*(_busy(child, question) for child in workers))
        return sum(counts)

    def lag() -> Sample | None:
        """The last sample of all groups; where there is no broker nothing waits."""
        if not groups:
            return Sample(time.monotonic_ns(), 0)
        if not running.lag_rows:
            return None
        last = running.lag_rows[-groups:]
        return Sample(last[-1][0], sum(records for _, _, records in last))

    return await _unless_failed(drain(busy, lag, load_end_ns + round(drain_s * 1e9)), running)


async def _busy(child: Child, question: int) -> int:
    """Registrations in a child's hands; one that does not answer is taken for busy."""
    child.send(type="idle", question=question)
    try:
        async with asyncio.timeout(_ANSWER_S):
            while True:
                answer = await child.expect("idle", _ANSWER_S)
                if answer["question"] == question:  # else a late answer to an earlier one
                    return cast(int, answer["busy"])
    except (ChildError, TimeoutError):
        return 1


async def _pending(running: _Running, parts: Cast, drained: Drained) -> dict[str, list[str]]:
    """Which registrations' events are still in the log, by service. Empty when the drain has ended by itself."""
    if parts.topics is None or not drained.expired:
        return {}
    child = running.children[parts.topics.name]
    child.send(type="pending")
    message = await _unless_failed(child.expect("pending", READY_TIMEOUT_S), running)
    return cast(dict[str, list[str]], message["services"])


async def _until(deadline_ns: int, running: _Running) -> None:
    """Sleep until an instant of CLOCK_MONOTONIC, unless a child fails before."""
    remaining_s = max(deadline_ns - time.monotonic_ns(), 0) / 1e9
    await _unless_failed(asyncio.sleep(remaining_s), running)


async def _unless_failed(work: Awaitable[T], running: _Running) -> T:
    """What `work` returns, or the error of the first child that fails before it is done."""
    task = asyncio.ensure_future(work)
    either: list[asyncio.Future[T] | asyncio.Future[None]] = [task, running.failure]
    try:
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if running.failure.done():
            running.failure.result()
        return task.result()
    finally:
        task.cancel()


def _last_work_s(frames: TrialFrames, facts: TrialFacts) -> float:
    """Seconds from the end of the load to the last thing that was done for a registration; 0 where none was later."""
    columns = [
        frames.history["replied_ns"],
        *(frames.effects[name] for name in ("started_ns", "applied_ns", "settled_ns")),
    ]
    last_ns = max((int(column.max()) for column in columns if column.notna().any()), default=0)
    return max(last_ns - facts.duration_ns, 0) / 1e9


def _lag_frame(running: _Running, facts: TrialFacts) -> pd.DataFrame:
    frame = pd.DataFrame(running.lag_rows, columns=["t_ns", "group", "lag"])
    frame["t_ns"] -= facts.start_ns
    return _identified(frame.astype({"t_ns": "int64", "group": "str", "lag": "int64"}), facts)


def _resource_frame(sampler: Sampler, facts: TrialFacts) -> pd.DataFrame:
    frame = pd.DataFrame(sampler.rows, columns=["t_ns", "process", "cpu_ms", "rss_mb"])
    frame["t_ns"] -= facts.start_ns
    return _identified(frame.astype({"process": "str", "cpu_ms": "float64", "rss_mb": "float64"}), facts)


def _fault_frame(running: _Running, plan: Plan, facts: TrialFacts) -> pd.DataFrame:
    """One row per fault of the scenario: as planned, and as the services saw it begin (first) and end (last)."""
    rows = []
    for fault in plan.scenario.faults:
        begins = running.fault_edges.get((fault.name, "begin"), [])
        ends = running.fault_edges.get((fault.name, "end"), [])
        rows.append(
            {
                "name": fault.name,
                "target": fault.target,
                "type": fault.type,
                "planned_begin_ns": fault.begin_ns,
                "planned_end_ns": fault.end_ns,
                "begin_ns": min(begins) - facts.start_ns if begins else None,
                "end_ns": max(ends) - facts.start_ns if ends else None,
                "ready_s": None,
                "applicable": fault.concerns(facts.variant),
            }
        )
    columns = ["name", "target", "type", "planned_begin_ns", "planned_end_ns", "begin_ns", "end_ns", "ready_s"]
    frame = pd.DataFrame(rows, columns=[*columns, "applicable"])
    times = dict.fromkeys(("planned_begin_ns", "planned_end_ns", "begin_ns", "end_ns"), "Int64")
    words = dict.fromkeys(("name", "target", "type"), "str")
    return _identified(frame.astype({**times, **words, "ready_s": "float64", "applicable": "bool"}), facts)


def _identified(frame: pd.DataFrame, facts: TrialFacts) -> pd.DataFrame:
    """The frame behind the columns that every frame of a run begins with."""
    frame.insert(0, "trial", np.int16(facts.number))
    frame.insert(1, "variant", facts.variant)
    frame.insert(2, "block", np.int16(facts.block))
    return frame.astype({"variant": "str"})
