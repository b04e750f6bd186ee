"""One trial: fresh processes of one variant, proven ready, loaded, drained, ended, and their traces read.

    spawn → ready → prove → start (one instant for all) → load → drain → pending → end → read → TrialResult

A trial only records. What the records mean is decided later, by pure functions.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import cast

import numpy as np
import psutil

from benchmarks.analysis.history import TrialFacts, TrialFrames, read_trial
from benchmarks.analysis.validity import TrialResult
from benchmarks.brokers import Broker
from benchmarks.faults.schedule import Happened, carry_out, planned_faults
from benchmarks.load.rows import read as read_rows
from benchmarks.load.rows import schedule_of
from benchmarks.load.shares import deal, path_of
from benchmarks.planning.plan import Plan, Trial
from benchmarks.processes.child import Child, ChildError, Message
from benchmarks.processes.sampling import Sampler
from benchmarks.progress import Observer
from benchmarks.trials.cast import READY_LIMIT_S, Cast, make_cast
from benchmarks.trials.drain import Drained, Sample, drain
from benchmarks.trials.ensemble import Ensemble
from benchmarks.trials.frames import fault_frame, in_flight_frame, lag_frame, resource_frame
from benchmarks.trials.load_workers import ONE_HERE, LoadWorkers
from benchmarks.words.numbers import plural
from registration.clock import MonotonicClock

_PROBE_TIMEOUT_S = 10.0
_PROBE_ROUND_S = 0.2
_ANSWER_S = 1.0
# From the word to the first warm-up arrival: time enough for every process to hear it.
_START_LEAD_S = 0.1
# And for load workers elsewhere: the word takes a network, and passes through Locust's master and its runner there.
_START_LEAD_ELSEWHERE_S = 1.0
# What the generator needs to close its books after the last person's patience has run out.
_CLOSING_S = 10.0
# For the rows of workers elsewhere to come home.
_RETURN_S = 60.0
_BROKER_LOOK_S = 0.2


@dataclass
class Stage:
    """What the trials of one run share. `broker_idle_ms_per_s` is learned in trials that do not use the broker.

    `traced` False: the processes keep no trace, so that only the generator's rows tell of the trial.
    """

    plan: Plan
    broker: Broker | None
    logs: Path
    run_tag: str
    take_port: Callable[[], int]
    observer: Observer
    broker_idle_ms_per_s: float | None = None
    traced: bool = True
    load_workers: LoadWorkers = ONE_HERE


async def run_trial(trial: Trial, stage: Stage, directory: Path) -> TrialResult:
    """Run one trial in `directory` (its raw files go to `directory/raw`).

    Raises ChildError where a process cannot do its part, dies or stays silent, BrokerUnavailable where the broker dies.
    No process is left in any case.
    """
    raw = directory / "raw"
    raw.mkdir(parents=True)
    schedule = None if stage.plan.scenario.workload.closed else stage.plan.schedule(trial.block_seed)
    if schedule is not None:
        np.save(raw / "schedule.npy", schedule)
        if stage.load_workers.master is None and stage.load_workers.count > 1:
            for worker, share in enumerate(deal(schedule, stage.load_workers.count)):
                np.save(path_of(raw / "schedule.npy", worker), share)
    broker = stage.broker if trial.variant.uses_broker else None
    parts = make_cast(
        stage.plan.scenario,
        trial,
        raw=raw,
        schedule=raw / "schedule.npy",
        run_tag=stage.run_tag,
        broker=broker.info if broker is not None else None,
        take_port=stage.take_port,
        traced=stage.traced,
        load_workers=stage.load_workers,
    )
    running = Ensemble(trial.label, stage.logs)
    happened: list[Happened] = []
    watching = asyncio.create_task(_watch(stage.broker, running)) if stage.broker is not None else None
    try:
        facts, sampler = await _perform(trial, running, parts, stage, raw, broker, happened)
    except ChildError as error:
        # A broker that dies can take a client with it: then the broker is what to tell of.
        if stage.broker is not None and (trouble := stage.broker.trouble()) is not None:
            raise trouble from error
        raise
    finally:
        if watching is not None:
            watching.cancel()
        # Also on Ctrl-C: nobody is left behind, and nobody is waited for longer than the grace.
        await running.stop()
    if schedule is None:  # a closed loop's arrivals are known only now
        np.save(raw / "schedule.npy", schedule_of(read_rows(raw / "load.rows")))
    frames = read_trial(raw, facts, schedule)
    if facts.drain_s is None:
        facts = replace(facts, drain_s=_last_work_s(frames, facts))
    return TrialResult(
        facts,
        frames,
        lag_frame(running.lag_rows if broker is not None and broker.info.lists_lag else [], facts),
        resource_frame(sampler.rows, facts),
        fault_frame(stage.plan.scenario, running.fault_edges, happened, facts),
        in_flight_frame(sorted(raw.glob("*.inflight")), facts),
    )


async def _perform(
    trial: Trial,
    running: Ensemble,
    parts: Cast,
    stage: Stage,
    raw: Path,
    broker: Broker | None,
    happened: list[Happened],
) -> tuple[TrialFacts, Sampler]:
    scenario = stage.plan.scenario
    workload = scenario.workload
    elsewhere = stage.load_workers.master
    stage.observer.step("starting the processes")
    await _assemble(running, parts, stage)
    stage.observer.step("proving that every service hears")
    proven = await _prove(running, parts)

    pids = running.pids()
    if stage.broker is not None and stage.broker.pid is not None:
        pids["broker"] = stage.broker.pid
    sampler = Sampler({**pids, "harness": psutil.Process().pid})
    sampling = asyncio.create_task(sampler.run())
    faults: asyncio.Task[None] | None = None
    try:
        warmup_ns, duration_ns = round(workload.warmup_s * 1e9), round(workload.duration_s * 1e9)
        lead_s = _START_LEAD_S if elsewhere is None else _START_LEAD_ELSEWHERE_S
        start_ns = time.monotonic_ns() + round(lead_s * 1e9) + warmup_ns
        running.start(start_ns, sampler)
        names = [part.name for part in (*parts.api, *parts.services)]
        planned = planned_faults(scenario.faults, trial.variant, names)
        faults = asyncio.create_task(carry_out(planned, running, MonotonicClock(), start_ns, happened))
        faults.add_done_callback(partial(_fail_with, running))
        stage.observer.load_began(trial, raw / "load.rows", start_ns)
        await _until(start_ns, running)
        cpu_begin_ms = sampler.cpu_ms()
        await _until(start_ns + duration_ns, running)
        stage.observer.load_ended(trial)

        # A restart near the end may still be under way; the drain is for a system that is whole.
        await running.unless_failed(asyncio.shield(faults))
        stage.observer.step("draining")
        if parts.topics is not None:
            running[parts.topics.name].send(type="drain")
        drained = await _drain(running, parts, scenario.drain_s, start_ns + duration_ns)
        cpu_end_ms = sampler.cpu_ms()
        # After the drain nobody works; only a person's unanswered request can keep the generator.
        closing_s = workload.timeout_ms / 1000 + _CLOSING_S + (0.0 if elsewhere is None else _RETURN_S)
        loads = [running[part.name].expect("done", closing_s) for part in parts.load]
        made: list[Message] = await running.unless_failed(asyncio.gather(*loads))
        pending = await _pending(running, parts, drained)
        sampler.sample()
    finally:
        # The faults first: one that is cut short lets go of its process, which then can be ended.
        for task in (faults, sampling):
            if task is not None:
                task.cancel()
                await asyncio.wait([task])
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
        cpu_begin_ms={name: ms for name, ms in cpu_begin_ms.items() if name in mine},
        cpu_end_ms={name: ms for name, ms in cpu_end_ms.items() if name in mine},
        broker_idle_ms_per_s=stage.broker_idle_ms_per_s if broker is not None else None,
        rss_mb_max={name: mb for name, mb in rss_mb_max.items() if name in mine},
        cores=psutil.cpu_count() or 1,
        cpu_span_s=(drained.end_ns - start_ns) / 1e9,
        closed=workload.closed,
        load_workers=stage.load_workers.count,
        load_clock=cast(dict[str, object], made[0]["clock"]) if elsewhere is not None else None,
        load_busy_share=max(cast(float, one["cpu_share_max_5s"]) for one in made) if elsewhere is not None else None,
    )
    return facts, sampler


async def _watch(broker: Broker, running: Ensemble) -> None:
    """Fail the trial as soon as the broker is gone."""
    while (trouble := broker.trouble()) is None:  # noqa: ASYNC110 - the end of a process has no event to await
        await asyncio.sleep(_BROKER_LOOK_S)
    running.fail(trouble)


async def _assemble(running: Ensemble, parts: Cast, stage: Stage) -> None:
    """Start every process at once; all but the topics wait for the topic to exist before they are told their role."""
    await running.spawn(parts.parts)
    if parts.topics is not None:
        await running.begin([parts.topics])
    await running.begin([*parts.services, *parts.api])
    if stage.load_workers.master is not None:
        host, port = stage.load_workers.master
        stage.observer.step(
            f"waiting for {plural(stage.load_workers.count, 'load worker')}: bench load-worker {host}:{port}"
        )
    await running.begin(parts.load)  # last: it is ready when the API answers it


def _fail_with(running: Ensemble, faults: asyncio.Task[None]) -> None:
    """A fault that does not heal fails the trial, with the process's own reason."""
    if faults.cancelled() or (error := faults.exception()) is None:
        return
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    running.fail(error if isinstance(error, Exception) else RuntimeError(repr(error)))


async def _prove(running: Ensemble, parts: Cast) -> bool:
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
            running[part.name].send(type="probe")
        round_ends_s = time.monotonic() + _PROBE_ROUND_S
        while not proven() and time.monotonic() < round_ends_s:
            await running.unless_failed(asyncio.sleep(0.01))
    return True


async def _drain(running: Ensemble, parts: Cast, drain_s: float, load_end_ns: int) -> Drained:
    workers = [running[part.name] for part in (*parts.api, *parts.services)]
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

    return await running.unless_failed(drain(busy, lag, load_end_ns + round(drain_s * 1e9)))


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


async def _pending(running: Ensemble, parts: Cast, drained: Drained) -> dict[str, list[str]]:
    """Which registrations' events are still in the log, by service. Empty when the drain has ended by itself."""
    if parts.topics is None or not drained.expired:
        return {}
    child = running[parts.topics.name]
    child.send(type="pending")
    message = await running.unless_failed(child.expect("pending", READY_LIMIT_S))
    return cast(dict[str, list[str]], message["services"])


async def _until(deadline_ns: int, running: Ensemble) -> None:
    """Sleep until an instant of CLOCK_MONOTONIC, unless a process fails before."""
    remaining_s = max(deadline_ns - time.monotonic_ns(), 0) / 1e9
    await running.unless_failed(asyncio.sleep(remaining_s))


def _last_work_s(frames: TrialFrames, facts: TrialFacts) -> float:
    """Seconds from the end of the load to the last thing that was done for a registration; 0 where none was later."""
    columns = [
        frames.history["replied_ns"],
        *(frames.effects[name] for name in ("started_ns", "applied_ns", "settled_ns")),
    ]
    last_ns = max((int(column.max()) for column in columns if column.notna().any()), default=0)
    return max(last_ns - facts.duration_ns, 0) / 1e9
