"""The processes of a trial: one list, made from values alone, that says of each entry how it is to be treated.

    scenario, trial, ports, brokers → [broker, topics, email/0 …, analytics/0 …, cache/0 …, (relay …), api/0 …, load]

An entry stands behind whatever it waits for. Both sides get the same services, instances, concurrency, faults and luck;
only the modules and the wiring differ. Whoever runs the list, with real processes or in virtual time, asks the entries
and knows none of them by name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.brokers import BrokerInfo
from benchmarks.load.shares import path_of, split
from benchmarks.planning.plan import PlannedTrial
from benchmarks.planning.work import work_settings
from benchmarks.scenario import Scenario, VariantSpec
from benchmarks.scenario.workload import Workload
from benchmarks.trials.load_workers import JOIN_LIMIT_S, ONE_HERE, LoadWorkers
from benchmarks.values.checked import API, BROKER
from benchmarks.words.numbers import plural
from registration.variant import OwnProcess

TOPICS, LOAD = "topics", "load"

READY_LIMIT_S = 30.0
_STOP_LIMIT_S = 3.0
_CLEAN_UP_LIMIT_S = 8.0  # for the role that removes the trial's topic from somebody else's cluster
# A sample is a handful of requests to the broker under test: few under load, more once it only drains.
LAG_SAMPLE_PERIOD_S = 0.5
DRAIN_SAMPLE_PERIOD_S = 0.1


@dataclass(frozen=True)
class Hears:
    """The proof that a process hears: probes reached `enough` processes of its `group`."""

    group: str
    enough: int


@dataclass(frozen=True)
class ProcessSpec:
    """One process of a trial, and how it is to be treated.

    module: what `python -m` runs; None for one that stood before the trial and outlives it.
    after: the entries that are ready before this one is told its role.
    hears: its further proof of readiness. probes: it sends probes when it is asked to.
    drains: it is asked `idle` until it has nothing in hand. samples_lag: its messages `lag` say what waits for others,
    and the drain needs one that says nothing waits. tells_pending: it knows which registrations it still holds.
    tells_dead_lettered: it knows which were put aside.
    ends: it says `done` when its part in the trial is over.
    counts: its processor time and memory are the system's under test. targets: what a fault calls it; empty for one
    that no fault may hit. waiting: what to tell the person while others wait for it.
    """

    name: str
    module: str | None
    role: str
    settings: Mapping[str, object]
    after: tuple[str, ...] = ()
    hears: Hears | None = None
    probes: bool = False
    drains: bool = False
    samples_lag: bool = False
    tells_pending: bool = False
    tells_dead_lettered: bool = False
    ends: bool = False
    counts: bool = False
    targets: tuple[str, ...] = ()
    waiting: str = ""
    ready_limit_s: float = READY_LIMIT_S
    stop_limit_s: float = _STOP_LIMIT_S


def side_of(variant: VariantSpec) -> str:
    """The package that implements a variant."""
    return variant.listed.side


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
    own: Sequence[OwnProcess] = (),
    traced: bool = True,
    load_workers: LoadWorkers = ONE_HERE,
) -> tuple[ProcessSpec, ...]:
    """The list of one trial, whose raw files go to `raw`. Raises NoFreePort.

    An open load follows `schedule`; several load workers each a file of their own beside it (`path_of`).

    `broker` is the trial's own, None where its variant has none; `others` are the run's further ones, which stand idle.
    `own` are the processes that the variant declares. `traced` False: without the traces, which only a calibration can
    do without.
    """
    variant = trial.variant
    wiring = _event_wiring(trial, run_tag, broker) if broker is not None else {}
    common: dict[str, object] = {
        "directory": str(raw),
        "variant": variant.base,
        "options": variant.options,
        "block_seed": str(trial.block_seed),
        **wiring,
    }
    if not traced:
        common["trace"] = False
    ports = {} if variant.uses_broker else {place: take_port() for place in _instances(scenario)}
    api_ports = [take_port() for _ in range(scenario.api.instances)]

    brokers = _brokers(broker, others)
    topics = () if broker is None else (_topics(scenario, trial, common, run_tag, broker),)
    there = tuple(spec.name for spec in (*(spec for spec in brokers if spec.counts), *topics))
    services = _services(scenario, trial, common, run_tag, ports, there)
    mine = tuple(_own(process, scenario, trial, common, run_tag, there) for process in own)
    api = _apis(scenario, trial, common, api_ports, ports, there, load_workers.api_host)
    addresses: list[object] = [[load_workers.api_host, port] for port in api_ports]
    load = _load(scenario, trial, addresses, raw / "load.rows", schedule, load_workers)
    # Last: it is ready when the API answers it.
    after = tuple(spec.name for spec in (*services, *mine, *api))
    return (*brokers, *topics, *services, *mine, *api, *(replace(spec, after=after) for spec in load))


def _instances(scenario: Scenario) -> list[tuple[str, int]]:
    return [(name, number) for name, spec in scenario.services.items() for number in range(spec.instances)]


def _brokers(broker: BrokerInfo | None, others: Sequence[BrokerInfo]) -> tuple[ProcessSpec, ...]:
    """The trial's own broker, and those that stand idle meanwhile: what these use is nobody's cost."""
    mine = () if broker is None else (_broker(BROKER, broker, used=True),)
    alone = broker is None and len(others) == 1
    idle = (_broker(BROKER if alone else f"{BROKER}:{other.label}", other, used=False) for other in others)
    return (*mine, *idle)


def _broker(name: str, broker: BrokerInfo, *, used: bool) -> ProcessSpec:
    settings = {"broker": broker.kind, "bootstrap": broker.bootstrap}
    targets = (BROKER,) if used and broker.hit_by_faults else ()
    return ProcessSpec(name, None, BROKER, settings, counts=used, targets=targets)


def _topics(
    scenario: Scenario, trial: PlannedTrial, common: Mapping[str, object], run_tag: str, broker: BrokerInfo
) -> ProcessSpec:
    settings = {
        **common,
        "name": TOPICS,
        "groups": {name: _group(name, trial, run_tag) for name in scenario.services},
        "own_topics": _every_own_topic(scenario, trial, run_tag),
        "heard_topics": list(trial.variant.listed.heard_topics),
        "dead_letters": list(trial.variant.listed.dead_letters),
        "sample_period_s": LAG_SAMPLE_PERIOD_S,
        "drain_sample_period_s": DRAIN_SAMPLE_PERIOD_S,
        # One node of ours holds one replica; a cluster decides by how many nodes it has.
        "replicas": 1 if broker.ours else None,
        "delete_topic": not broker.ours,
    }
    stop_limit_s = _STOP_LIMIT_S if broker.ours else _CLEAN_UP_LIMIT_S
    return ProcessSpec(
        TOPICS,
        side_of(trial.variant),
        TOPICS,
        settings,
        after=(BROKER,),
        samples_lag=True,
        tells_pending=True,
        tells_dead_lettered=bool(trial.variant.listed.dead_letters),
        stop_limit_s=stop_limit_s,
    )


def _services(
    scenario: Scenario,
    trial: PlannedTrial,
    common: Mapping[str, object],
    run_tag: str,
    ports: Mapping[tuple[str, int], int],
    after: tuple[str, ...],
) -> tuple[ProcessSpec, ...]:
    """Every instance. With a broker it is a member of its service's group; without, it listens on its port."""
    broker = trial.variant.broker
    specs = []
    for service, number in _instances(scenario):
        name, instances = f"{service}/{number}", scenario.services[service].instances
        work = work_settings(scenario, trial.variant.name, service, number, trial.block_seed)
        wire: dict[str, object] = (
            {"port": ports[service, number]}
            if broker is None
            else {"group": _group(service, trial, run_tag), "own_topics": _own_topics(service, trial, run_tag)}
        )
        # Of instances that share partitions only as many can hear as there are partitions; the plan warns of the rest.
        hearing = instances if broker is None else min(instances, broker.partitions)
        specs.append(
            ProcessSpec(
                name,
                side_of(trial.variant),
                "service",
                {**common, "name": name, "work": work.as_dict(), **wire},
                after=after,
                hears=Hears(service, hearing),
                drains=True,
                counts=True,
                targets=(service, name),
            )
        )
    return tuple(specs)


def _own(
    process: OwnProcess,
    scenario: Scenario,
    trial: PlannedTrial,
    common: Mapping[str, object],
    run_tag: str,
    there: tuple[str, ...],
) -> ProcessSpec:
    """A process that the variant declares. It knows the variant's own topics of each service."""
    return ProcessSpec(
        process.name,
        side_of(trial.variant),
        process.role(trial.variant.base),
        {**common, "name": process.name, "own_topics": _every_own_topic(scenario, trial, run_tag)},
        after=(*there, *process.after),
        drains=process.drains,
        tells_pending=process.tells_pending,
        counts=True,
        targets=(process.name,),
    )


def _apis(
    scenario: Scenario,
    trial: PlannedTrial,
    common: Mapping[str, object],
    api_ports: Sequence[int],
    ports: Mapping[tuple[str, int], int],
    after: tuple[str, ...],
    host: str,
) -> tuple[ProcessSpec, ...]:
    """Every instance. A publisher knows no service; a caller knows where each instance of each listens."""
    wire: dict[str, object] = {"host": host}
    if not trial.variant.uses_broker:
        wire["services"] = {
            name: [ports[name, number] for number in range(spec.instances)] for name, spec in scenario.services.items()
        }
    return tuple(
        ProcessSpec(
            f"{API}/{number}",
            side_of(trial.variant),
            API,
            {**common, "name": f"{API}/{number}", "port": port, **wire},
            after=after,
            probes=True,
            drains=True,
            counts=True,
            targets=(API, f"{API}/{number}"),
        )
        for number, port in enumerate(api_ports)
    )


def _load(
    scenario: Scenario, trial: PlannedTrial, addresses: list[object], rows: Path, schedule: Path, workers: LoadWorkers
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


def _event_wiring(trial: PlannedTrial, run_tag: str, broker: BrokerInfo) -> dict[str, object]:
    assert trial.variant.broker is not None, "a variant that uses a broker has one"
    return {
        "broker": broker.kind,
        "bootstrap": broker.bootstrap,
        # A topic and groups of its own for each trial: nothing of an earlier one can be read.
        "topic": _topic(trial, run_tag),
        "partitions": trial.variant.broker.partitions,
    }


def _topic(trial: PlannedTrial, run_tag: str) -> str:
    return f"user-registered-{run_tag}-{trial.number:02d}"


def _own_topics(service: str, trial: PlannedTrial, run_tag: str) -> dict[str, str]:
    """The topics that the variant has for each service, by the name that it gives them."""
    return {name: f"{_topic(trial, run_tag)}-{service}-{name}" for name in trial.variant.listed.topics}


def _every_own_topic(scenario: Scenario, trial: PlannedTrial, run_tag: str) -> dict[str, dict[str, str]]:
    return {service: _own_topics(service, trial, run_tag) for service in scenario.services}


def _group(service: str, trial: PlannedTrial, run_tag: str) -> str:
    return f"{service}-{run_tag}-{trial.number:02d}"
