"""One trial: fresh processes of one variant, proven ready, loaded, drained, ended, and their traces read.

    spawn → ready → prove → start (one instant for all) → load → drain → pending → end → read → TrialResult

A trial only records. What the records mean is decided later, by pure functions.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import cast

import numpy as np
import psutil
from numpy.typing import NDArray

from benchmarks import subject
from benchmarks.analysis.history import read_trial
from benchmarks.brokers import Broker, ServerSpec
from benchmarks.faults.injection import FaultRecord, PlannedFault, carry_out, planned_faults
from benchmarks.load.rows import read as read_rows
from benchmarks.load.rows import schedule_of
from benchmarks.load.shares import deal, path_of
from benchmarks.planning.plan import Plan, PlannedTrial
from benchmarks.processes.child import ChildError
from benchmarks.processes.sampling import Sampler
from benchmarks.progress import Observer
from benchmarks.scenario import VariantSpec
from benchmarks.trial_result import TrialFacts, TrialFrames, TrialResult
from benchmarks.trials.drain import Drained
from benchmarks.trials.frames import fault_frame, in_flight_frame, lag_frame, resource_frame
from benchmarks.trials.load_workers import ONE_HERE, LoadWorkers
from benchmarks.trials.processes import ProcessSpec, trial_processes
from benchmarks.trials.supervisor import Supervisor
from registration.runtime.alarm import MonotonicClock
from registration.runtime.harness import ControlMessage

# From the start message to the first warm-up arrival: time enough for every process to hear it.
_START_LEAD_S = 0.1
# And for load workers elsewhere: it crosses a network, and passes through Locust's master and its runner there.
_START_LEAD_ELSEWHERE_S = 1.0
# What the generator needs to finish after the last person's patience has run out.
_CLOSING_S = 10.0
# For the rows of workers elsewhere to arrive.
_RETURN_S = 60.0


@dataclass
class RunContext:
    """What the trials of one run share. `brokers` holds one for each server that a variant of the plan asks for.

    `idle_ms_per_s`: what each takes while nothing uses it, learned in trials that do not. `traced` False: the processes
    keep no trace, so that only the generator's rows are left of the trial.
    """

    plan: Plan
    brokers: Mapping[ServerSpec, Broker]
    logs: Path
    run_tag: str
    take_port: Callable[[], int]
    observer: Observer
    idle_ms_per_s: dict[str, float] = field(default_factory=dict)
    traced: bool = True
    load_workers: LoadWorkers = ONE_HERE

    def broker_of(self, variant: VariantSpec) -> Broker | None:
        return None if variant.broker is None else self.brokers[variant.broker.server]

    def brokers_beside(self, broker: Broker | None) -> list[Broker]:
        """The run's other brokers, each once: a cluster that is not ours may serve as several."""
        return [other for other in {id(one): one for one in self.brokers.values()}.values() if other is not broker]


@dataclass
class _Measured:
    """What was read from the processes of one trial while it ran. Times are CLOCK_MONOTONIC, processor times in ms."""

    start_ns: int
    proven: bool
    cpu_begin_ms: Mapping[str, float]
    cpu_end_ms: Mapping[str, float]
    drained: Drained
    made: Sequence[ControlMessage]
    pending: Mapping[str, list[str]]
    dead_lettered: Mapping[str, list[str]]
    sampler: Sampler

    @property
    def span_s(self) -> float:
        return (self.drained.end_ns - self.start_ns) / 1e9


async def run_trial(trial: PlannedTrial, context: RunContext, directory: Path) -> TrialResult:
    """Run one trial in `directory` (its raw files go to `directory/raw`).

    Raises ChildError where a process cannot do its part, dies or stays silent, BrokerUnavailable where the broker dies.
    In any case, no process of the trial's own is left.
    """
    raw = directory / "raw"
    raw.mkdir(parents=True)
    schedule = _save_schedule(trial, context, raw)
    specs, brokers = _listed(trial, context, raw)
    running = Supervisor(trial.label, context.logs, specs, brokers)
    records: list[FaultRecord] = []
    try:
        measured = await _perform(trial, running, specs, context, raw, records)
    except ChildError as error:
        # A broker that dies can take a client with it: then the broker is what to report.
        if (trouble := running.broker_trouble()) is not None:
            raise trouble from error
        raise
    finally:
        # Also on Ctrl-C: no process is left behind, and none is waited for longer than the grace.
        await running.stop()
    if schedule is None:  # a closed loop's arrivals are known only now
        np.save(raw / "schedule.npy", schedule_of(read_rows(raw / "load.rows")))
    facts = _facts(trial, context, specs, measured)
    frames = read_trial(raw, facts, schedule)
    if facts.drain_s is None:
        facts = replace(facts, drain_s=_last_work_s(frames, facts))
    broker = trial.variant.broker
    lists_lag = broker is not None and subject.capabilities(broker.kind).lists_lag
    return TrialResult(
        facts,
        frames,
        lag_frame(running.lag_rows if lists_lag else [], facts),
        resource_frame(measured.sampler.rows, facts),
        fault_frame(context.plan.scenario, running.fault_edges, records, facts),
        in_flight_frame(sorted(raw.glob("*.inflight")), facts),
    )


def _save_schedule(trial: PlannedTrial, context: RunContext, raw: Path) -> NDArray[np.void] | None:
    """Put the arrivals where the load finds them; None for a closed loop, which has none yet."""
    if context.plan.scenario.workload.closed:
        return None
    schedule = context.plan.schedule(trial.block_seed)
    np.save(raw / "schedule.npy", schedule)
    if context.load_workers.master is None and context.load_workers.count > 1:
        for worker, share in enumerate(deal(schedule, context.load_workers.count)):
            np.save(path_of(raw / "schedule.npy", worker), share)
    return schedule


def _listed(trial: PlannedTrial, context: RunContext, raw: Path) -> tuple[tuple[ProcessSpec, ...], dict[str, Broker]]:
    """The trial's processes, and by name those of them that are up already."""
    broker = context.broker_of(trial.variant)
    standing = [*([] if broker is None else [broker]), *context.brokers_beside(broker)]
    specs = trial_processes(
        context.plan.scenario,
        trial,
        raw=raw,
        schedule=raw / "schedule.npy",
        run_tag=context.run_tag,
        broker=broker.info if broker is not None else None,
        others=[other.info for other in standing if other is not broker],
        own=trial.variant.listed.processes,
        take_port=context.take_port,
        traced=context.traced,
        load_workers=context.load_workers,
    )
    names = [spec.name for spec in specs if spec.module is None]
    return specs, dict(zip(names, standing, strict=True))


async def _perform(
    trial: PlannedTrial,
    running: Supervisor,
    specs: Sequence[ProcessSpec],
    context: RunContext,
    raw: Path,
    records: list[FaultRecord],
) -> _Measured:
    scenario, workload = context.plan.scenario, context.plan.scenario.workload
    elsewhere = context.load_workers.master is not None
    context.observer.step("starting the processes")
    await running.assemble(context.observer.step)
    context.observer.step("proving that every service hears")
    proven = await running.prove()
    async with _sampled(running) as sampler:
        lead_s = _START_LEAD_ELSEWHERE_S if elsewhere else _START_LEAD_S
        start_ns = time.monotonic_ns() + round((lead_s + workload.warmup_s) * 1e9)
        end_ns = start_ns + round(workload.duration_s * 1e9)
        running.start(start_ns, sampler)
        planned = planned_faults(scenario.faults, trial.variant, [spec.name for spec in specs if spec.targets])
        async with _faults(running, planned, start_ns, records) as faults:
            context.observer.load_began(trial, raw / "load.rows", start_ns)
            await running.until(start_ns)
            cpu_begin_ms = sampler.cpu_ms()
            await running.until(end_ns)
            context.observer.load_ended(trial)
            # A restart near the end may still be under way; the drain is for a system that is whole.
            await running.unless_failed(asyncio.shield(faults))
        context.observer.step("draining")
        drained = await running.drain(scenario.drain_s, end_ns)
        cpu_end_ms = sampler.cpu_ms()
        # After the drain nothing works; only a person's unanswered request can keep the generator.
        made = await running.done(workload.timeout_ms / 1000 + _CLOSING_S + (_RETURN_S if elsewhere else 0.0))
        pending = await running.pending(list(scenario.services)) if drained.expired else {}
        dead_lettered = await running.dead_lettered(list(scenario.services))
        sampler.sample()
    return _Measured(start_ns, proven, cpu_begin_ms, cpu_end_ms, drained, made, pending, dead_lettered, sampler)


@asynccontextmanager
async def _sampled(running: Supervisor) -> AsyncIterator[Sampler]:
    """Every process, and the harness, watched from here on."""
    sampler = Sampler({**running.pids(), "harness": psutil.Process().pid})
    async with _under_way(asyncio.create_task(sampler.run())):
        yield sampler


@asynccontextmanager
async def _faults(
    running: Supervisor, planned: Sequence[PlannedFault], start_ns: int, records: list[FaultRecord]
) -> AsyncIterator[asyncio.Task[None]]:
    """The faults at their times. One that is cut short releases its process, which can then be ended."""
    task = asyncio.create_task(carry_out(planned, running, MonotonicClock(), start_ns, records))
    task.add_done_callback(partial(_fail_with, running))
    async with _under_way(task):
        yield task


@asynccontextmanager
async def _under_way(task: asyncio.Task[None]) -> AsyncIterator[None]:
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


def _fail_with(running: Supervisor, faults: asyncio.Task[None]) -> None:
    """A fault that does not heal fails the trial, with the process's own reason."""
    if faults.cancelled() or (error := faults.exception()) is None:
        return
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    running.fail(error if isinstance(error, Exception) else RuntimeError(repr(error)))


def _facts(trial: PlannedTrial, context: RunContext, specs: Sequence[ProcessSpec], measured: _Measured) -> TrialFacts:
    scenario, workload = context.plan.scenario, context.plan.scenario.workload
    broker = context.broker_of(trial.variant)
    _learn_idle(context, broker, specs, measured)
    # The system under test; the generator, the harness and the role that looks at the broker are the measuring.
    mine = {spec.name for spec in specs if spec.counts}
    elsewhere = context.load_workers.master is not None
    return TrialFacts(
        number=trial.number,
        variant=trial.variant.name,
        base=trial.variant.base,
        block=trial.block,
        block_seed=trial.block_seed,
        start_ns=measured.start_ns,
        duration_ns=round(workload.duration_s * 1e9),
        timeout_ms=workload.timeout_ms,
        services=tuple(scenario.services),
        # Polling found the end; what was written down last says when it was.
        drain_s=scenario.drain_s if measured.drained.expired else None,
        drain_expired=measured.drained.expired,
        readiness_proven=measured.proven,
        pending=dict(measured.pending),
        dead_lettered=dict(measured.dead_lettered),
        broker=broker.info.as_dict() if broker is not None else None,
        cpu_begin_ms={name: ms for name, ms in measured.cpu_begin_ms.items() if name in mine},
        cpu_end_ms={name: ms for name, ms in measured.cpu_end_ms.items() if name in mine},
        broker_idle_ms_per_s=context.idle_ms_per_s.get(broker.info.label) if broker is not None else None,
        rss_mb_max={name: mb for name, mb in measured.sampler.rss_mb_max().items() if name in mine},
        cores=psutil.cpu_count() or 1,
        cpu_span_s=measured.span_s,
        closed=workload.closed,
        load_workers=context.load_workers.count,
        load_clock=cast(dict[str, object], measured.made[0]["clock"]) if elsewhere else None,
        load_busy_share=max(cast(float, one["cpu_share_max_5s"]) for one in measured.made) if elsewhere else None,
        load_hosts=tuple(host for one in measured.made for host in cast(list[str], one["hosts"])),
    )


def _learn_idle(context: RunContext, used: Broker | None, specs: Sequence[ProcessSpec], measured: _Measured) -> None:
    """What the idle brokers took, for the trials that use them."""
    idle = [spec.name for spec in specs if spec.module is None and not spec.counts]
    for name, broker in zip(idle, context.brokers_beside(used), strict=True):
        if name in measured.cpu_begin_ms:
            took_ms = measured.cpu_end_ms[name] - measured.cpu_begin_ms[name]
            context.idle_ms_per_s[broker.info.label] = took_ms / measured.span_s


def _last_work_s(frames: TrialFrames, facts: TrialFacts) -> float:
    """Seconds from the end of the load to the last thing that was done for a registration; 0 where none was later."""
    columns = [
        frames.history["replied_ns"],
        *(frames.effects[name] for name in ("started_ns", "applied_ns", "settled_ns")),
    ]
    last_ns = max((int(column.max()) for column in columns if column.notna().any()), default=0)
    return max(last_ns - facts.duration_ns, 0) / 1e9
