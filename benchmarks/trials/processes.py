"""The processes of a trial: one list, made from values alone, that says of each entry how it is to be treated.

    scenario, trial, ports, brokers → [broker, topics, email/0 …, analytics/0 …, cache/0 …, (relay …), api/0 …, load]

An entry comes after everything it waits for. Both sides get the same services, instances, concurrency, faults and luck;
only the modules and the wiring differ. What runs the list, with real processes or in virtual time, asks the entries
and knows none of them by name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.brokers import BrokerInfo
from benchmarks.load.shares import path_of, split
from benchmarks.planning.plan import PlannedTrial
from benchmarks.planning.work import work_settings
from benchmarks.scenario import Scenario
from benchmarks.scenario.workload import Workload
from benchmarks.trials.load_workers import JOIN_LIMIT_S, ONE_HERE, LoadWorkers
from benchmarks.trials.wiring import Basis, DirectWiring, EventWiring, Wiring
from benchmarks.values.checked import API, BROKER
from benchmarks.words.numbers import plural
from registration.address import Address
from registration.effects.destination import DestinationSettings
from registration.services import kind_of
from registration.settings import Settings
from registration.variant import OwnProcess

TOPICS, LOAD = "topics", "load"

READY_LIMIT_S = 30.0
_STOP_LIMIT_S = 3.0
_CLEAN_UP_LIMIT_S = 8.0  # for the role that removes the trial's topic from a cluster that is not ours


@dataclass(frozen=True)
class Hears:
    """The proof that a process hears: probes reached `enough` processes of its `group`."""

    group: str
    enough: int


@dataclass(frozen=True)
class ProcessSpec:
    """One process of a trial, and how it is to be treated.

    module: what `python -m` runs; None for one that stood before the trial and outlives it.
    after: the entries that are ready before this one is given its role.
    hears: its further proof of readiness. probes: it sends probes when it is asked to.
    drains: it is asked `idle` until it has nothing in hand. samples_lag: its messages `lag` say what waits for others,
    and the drain needs one that says nothing waits. reports_pending: it knows which registrations it still holds.
    reports_dead_lettered: it knows which were put aside.
    ends: it says `done` when its part in the trial is over.
    counts: its processor time and memory are the system's under test. targets: what a fault calls it; empty for one
    that no fault may hit. waiting: what to print while others wait for it.
    """

    name: str
    module: str | None
    role: str
    settings: Settings | Address | Mapping[str, object]
    after: tuple[str, ...] = ()
    hears: Hears | None = None
    probes: bool = False
    drains: bool = False
    samples_lag: bool = False
    reports_pending: bool = False
    reports_dead_lettered: bool = False
    ends: bool = False
    counts: bool = False
    targets: tuple[str, ...] = ()
    waiting: str = ""
    ready_limit_s: float = READY_LIMIT_S
    stop_limit_s: float = _STOP_LIMIT_S


def trial_processes(
    scenario: Scenario,
    trial: PlannedTrial,
    *,
    raw: Path,
    schedule: Path,
    run_tag: str,
    broker: BrokerInfo | None,
    take_port: Callable[[], int],
    others: Sequence[BrokerInfo] = (),
    own: Sequence[OwnProcess[Any]] = (),
    traced: bool = True,
    load_workers: LoadWorkers = ONE_HERE,
) -> tuple[ProcessSpec, ...]:
    """The list of one trial, whose raw files go to `raw`. Raises NoFreePort.

    An open load follows `schedule`; several load workers each a file of their own beside it (`path_of`).

    `broker` is the trial's own, None where its variant has none; `others` are the run's further ones, which stay idle.
    `own` are the processes that the variant declares. `traced` False: without the traces, which only a calibration can
    do without.
    """
    basis = Basis(scenario, trial, raw, traced)
    wiring = DirectWiring(basis, take_port) if broker is None else EventWiring(basis, run_tag, broker)
    brokers = _brokers(broker, others)
    topics = (_topics(trial, wiring, broker),) if isinstance(wiring, EventWiring) and broker is not None else ()
    there = tuple(spec.name for spec in (*(spec for spec in brokers if spec.counts), *topics))
    services = _services(basis, wiring, there)
    mine = tuple(_own(trial, wiring, process, there) for process in own)
    addresses = [Address(load_workers.api_host, take_port()) for _ in range(scenario.api.instances)]
    apis = _apis(wiring, addresses, there)
    load = _load(scenario, trial, addresses, raw / "load.rows", schedule, load_workers)
    # Last: it is ready when the API answers it.
    after = tuple(spec.name for spec in (*services, *mine, *apis))
    return (*brokers, *topics, *services, *mine, *apis, *(replace(spec, after=after) for spec in load))


def _brokers(broker: BrokerInfo | None, others: Sequence[BrokerInfo]) -> tuple[ProcessSpec, ...]:
    """The trial's own broker, and those that stay idle meanwhile: what these use counts for no side."""
    mine = () if broker is None else (_broker(BROKER, broker, used=True),)
    alone = broker is None and len(others) == 1
    idle = (_broker(BROKER if alone else f"{BROKER}:{other.label}", other, used=False) for other in others)
    return (*mine, *idle)


def _broker(name: str, broker: BrokerInfo, *, used: bool) -> ProcessSpec:
    targets = (BROKER,) if used and broker.hit_by_faults else ()
    return ProcessSpec(name, None, BROKER, {}, counts=used, targets=targets)


def _topics(trial: PlannedTrial, wiring: EventWiring, broker: BrokerInfo) -> ProcessSpec:
    return ProcessSpec(
        TOPICS,
        wiring.module,
        TOPICS,
        wiring.topics(TOPICS),
        after=(BROKER,),
        samples_lag=True,
        reports_pending=True,
        reports_dead_lettered=bool(trial.variant.listed.dead_letters),
        stop_limit_s=_STOP_LIMIT_S if broker.ours else _CLEAN_UP_LIMIT_S,
    )


def _services(basis: Basis, wiring: Wiring, after: tuple[str, ...]) -> tuple[ProcessSpec, ...]:
    """Every instance."""
    scenario, trial = basis.scenario, basis.trial
    specs = []
    for service, number in basis.instances:
        name = f"{service}/{number}"
        work = work_settings(scenario, trial.variant.name, service, number, trial.block_seed)
        destination = DestinationSettings(kind_of(service).destination, directory=str(basis.raw))
        specs.append(
            ProcessSpec(
                name,
                wiring.module,
                "service",
                wiring.service(name, work, destination),
                after=after,
                hears=Hears(service, wiring.hearing(scenario.services[service].instances)),
                drains=True,
                counts=True,
                targets=(service, name),
            )
        )
    return tuple(specs)


def _own(trial: PlannedTrial, wiring: Wiring, process: OwnProcess[Any], there: tuple[str, ...]) -> ProcessSpec:
    """A process that the variant declares."""
    return ProcessSpec(
        process.name,
        wiring.module,
        process.role(trial.variant.base),
        wiring.own(process.name),
        after=(*there, *process.after),
        drains=process.drains,
        reports_pending=process.reports_pending,
        counts=True,
        targets=(process.name,),
    )


def _apis(wiring: Wiring, addresses: Sequence[Address], after: tuple[str, ...]) -> tuple[ProcessSpec, ...]:
    """Every instance."""
    return tuple(
        ProcessSpec(
            f"{API}/{number}",
            wiring.module,
            API,
            wiring.api(f"{API}/{number}", address),
            after=after,
            probes=True,
            drains=True,
            counts=True,
            targets=(API, f"{API}/{number}"),
        )
        for number, address in enumerate(addresses)
    )


def _load(
    scenario: Scenario,
    trial: PlannedTrial,
    addresses: Sequence[Address],
    rows: Path,
    schedule: Path,
    workers: LoadWorkers,
) -> tuple[ProcessSpec, ...]:
    """The processes that make the load: one, one for each worker of this machine, or the master of those elsewhere."""
    whole: dict[str, object] = {
        "addresses": addresses,
        "path": "/registrations",
        **_load_model(scenario.workload, schedule),
        "block_seed": str(trial.block_seed),
        "timeout_ms": scenario.workload.timeout_ms,
        "max_in_flight": scenario.workload.max_in_flight,
        "rows": str(rows),
    }
    one = ProcessSpec(LOAD, "benchmarks.load", LOAD, whole, ends=True)
    if workers.master is not None:
        host, port = workers.master
        elsewhere = {"listen": [host, port], "workers": workers.count, "join_limit_s": JOIN_LIMIT_S}
        waiting = f"waiting for {plural(workers.count, 'load worker')}: bench load-worker {host}:{port}"
        limit_s = READY_LIMIT_S + 2 * JOIN_LIMIT_S  # it has limits of its own, and says which one was passed
        master = replace(one, role="load-master", settings={**whole, **elsewhere}, waiting=waiting)
        return (replace(master, ready_limit_s=limit_s),)
    if workers.count == 1:
        return (one,)
    most = split(scenario.workload.max_in_flight, workers.count)
    return tuple(
        replace(
            one,
            name=f"{LOAD}/{worker}",
            settings={
                **whole,
                "schedule": str(path_of(schedule, worker)),
                "max_in_flight": most[worker],
                "rows": str(path_of(rows, worker)),
            },
        )
        for worker in range(workers.count)
    )


def _load_model(workload: Workload, schedule: Path) -> dict[str, object]:
    """Which arrivals there are, when and by whom. A closed loop has no schedule: only its users and its span."""
    keys = None if workload.keys is None else workload.keys.as_dict()
    if not workload.closed:
        return {"executor": "open", "schedule": str(schedule), "keys": keys}
    return {
        "executor": "constant-vus",
        "vus": workload.vus,
        "warmup_ms": workload.warmup_s * 1000,
        "duration_ms": workload.duration_s * 1000,
        "keys": keys,
    }
