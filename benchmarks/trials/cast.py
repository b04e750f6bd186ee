"""Who plays in a trial: every process of one variant, by name, with the settings that it is given.

    scenario, variant, ports, broker → [load (or load/0 …), api/0 …, email/0 …, analytics/0 …, cache/0 …, (topics)]

Both sides get the same services, instances, concurrency, faults and luck; only the modules and the wiring differ.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.brokers import BrokerInfo
from benchmarks.load.shares import path_of, split
from benchmarks.planning.plan import Trial
from benchmarks.planning.work import work_settings
from benchmarks.scenario import Scenario, VariantSpec
from benchmarks.scenario.workload import Workload
from benchmarks.trials.load_workers import JOIN_LIMIT_S, ONE_HERE, LoadWorkers

READY_LIMIT_S = 30.0
# A sample is a handful of requests to the broker under test: few under load, more once it only drains.
LAG_SAMPLE_PERIOD_S = 0.5
DRAIN_SAMPLE_PERIOD_S = 0.1


@dataclass(frozen=True)
class Part:
    """One process: `python -m module`, told its role and settings; it has `ready_limit_s` to become ready."""

    name: str
    module: str
    role: str
    settings: dict[str, object]
    ready_limit_s: float = READY_LIMIT_S


@dataclass(frozen=True)
class Cast:
    """All parts of a trial. `load` are several where the schedule is dealt out; `topics` is None without a broker."""

    load: tuple[Part, ...]
    api: tuple[Part, ...]
    services: tuple[Part, ...]
    topics: Part | None

    @property
    def parts(self) -> tuple[Part, ...]:
        return (*self.load, *((self.topics,) if self.topics else ()), *self.api, *self.services)


def side_of(variant: VariantSpec) -> str:
    """The package that implements a variant."""
    return variant.listed.side


def make_cast(
    scenario: Scenario,
    trial: Trial,
    *,
    raw: Path,
    schedule: Path,
    run_tag: str,
    broker: BrokerInfo | None,
    take_port: Callable[[], int],
    traced: bool = True,
    load_workers: LoadWorkers = ONE_HERE,
) -> Cast:
    """The parts of one trial, whose raw files go to `raw`. Raises NoFreePort.

    An open load follows `schedule`; several load workers each a file of their own beside it (`path_of`).

    `traced` False: without the traces, which only a calibration can do without.
    """
    variant = trial.variant
    side = side_of(variant)
    instances = [(name, number) for name, spec in scenario.services.items() for number in range(spec.instances)]
    ports = {place: take_port() for place in instances} if not variant.uses_broker else {}
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

    services = []
    for name, number in instances:
        work = work_settings(scenario, variant.name, name, number, trial.block_seed)
        settings: dict[str, object] = {**common, "name": f"{name}/{number}", "work": work.as_dict()}
        if variant.uses_broker:
            settings["group"] = _group(name, trial, run_tag)
        else:
            settings["port"] = ports[name, number]
        services.append(Part(f"{name}/{number}", side, "service", settings))

    api = []
    api_ports = [take_port() for _ in range(scenario.api.instances)]
    for number, port in enumerate(api_ports):
        settings = {**common, "name": f"api/{number}", "port": port}
        settings["host"] = load_workers.api_host
        if not variant.uses_broker:
            settings["services"] = {
                name: [ports[name, n] for n in range(spec.instances)] for name, spec in scenario.services.items()
            }
        api.append(Part(f"api/{number}", side, "api", settings))

    topics = None
    if broker is not None:
        groups = {name: _group(name, trial, run_tag) for name in scenario.services}
        settings = {
            **common,
            "name": "topics",
            "groups": groups,
            "sample_period_s": LAG_SAMPLE_PERIOD_S,
            "drain_sample_period_s": DRAIN_SAMPLE_PERIOD_S,
            # One node of ours holds one replica; a cluster decides by how many nodes it has.
            "replicas": 1 if broker.ours else None,
        }
        topics = Part("topics", side, "topics", {**settings, "delete_topic": not broker.ours})

    addresses: list[object] = [[load_workers.api_host, port] for port in api_ports]
    load = _load(scenario, trial, addresses, raw / "load.rows", schedule, load_workers)
    return Cast(load, tuple(api), tuple(services), topics)


def _load(
    scenario: Scenario, trial: Trial, addresses: list[object], rows: Path, schedule: Path, workers: LoadWorkers
) -> tuple[Part, ...]:
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
    if workers.master is not None:
        elsewhere = {"listen": list(workers.master), "workers": workers.count, "join_limit_s": JOIN_LIMIT_S}
        limit_s = READY_LIMIT_S + 2 * JOIN_LIMIT_S  # it has limits of its own, and says which one was passed
        return (Part("load", "benchmarks.load", "load-master", {**whole, **elsewhere}, limit_s),)
    if workers.count == 1:
        return (Part("load", "benchmarks.load", "load", whole),)
    most = split(scenario.workload.max_in_flight, workers.count)
    return tuple(
        Part(
            f"load/{worker}",
            "benchmarks.load",
            "load",
            {
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


def _event_wiring(trial: Trial, run_tag: str, broker: BrokerInfo) -> dict[str, object]:
    assert trial.variant.broker is not None, "a variant that uses a broker has one"
    return {
        "broker": broker.kind,
        "bootstrap": broker.bootstrap,
        # A topic and groups of its own for each trial: nothing of an earlier one can be read.
        "topic": f"user-registered-{run_tag}-{trial.number:02d}",
        "partitions": trial.variant.broker.partitions,
    }


def _group(service: str, trial: Trial, run_tag: str) -> str:
    return f"{service}-{run_tag}-{trial.number:02d}"
