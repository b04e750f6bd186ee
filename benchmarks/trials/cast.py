"""Who plays in a trial: every process of one variant, by name, with the settings that it is given.

    scenario, variant, ports, broker → [load, api/0 …, email/0 …, analytics/0 …, cache/0 …, (topics)]

Both sides get the same services, instances, concurrency, faults and luck; only the modules and the wiring differ.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.brokers import BrokerInfo
from benchmarks.planning.plan import Trial
from benchmarks.planning.work import work_settings
from benchmarks.processes.ports import HOST
from benchmarks.scenario import Scenario, VariantSpec
from benchmarks.scenario.workload import Workload

# A sample is a handful of requests to the broker under test: few under load, more once it only drains.
LAG_SAMPLE_PERIOD_S = 0.5
DRAIN_SAMPLE_PERIOD_S = 0.1


@dataclass(frozen=True)
class Part:
    """One process: `python -m module`, told its role and settings."""

    name: str
    module: str
    role: str
    settings: dict[str, object]


@dataclass(frozen=True)
class Cast:
    """All parts of a trial. `topics` is None where there is no broker."""

    load: Part
    api: tuple[Part, ...]
    services: tuple[Part, ...]
    topics: Part | None

    @property
    def parts(self) -> tuple[Part, ...]:
        return (self.load, *((self.topics,) if self.topics else ()), *self.api, *self.services)


def side_of(variant: VariantSpec) -> str:
    """The package that implements a variant."""
    return "event_impl" if variant.uses_broker else "sync_impl"


def make_cast(
    scenario: Scenario,
    trial: Trial,
    *,
    raw: Path,
    schedule: Path,
    run_tag: str,
    broker: BrokerInfo | None,
    take_port: Callable[[], int],
) -> Cast:
    """The parts of one trial, whose raw files go to `raw`; an open load follows `schedule`. Raises NoFreePort."""
    variant = trial.variant
    side = side_of(variant)
    instances = [(name, number) for name, spec in scenario.services.items() for number in range(spec.instances)]
    ports = {place: take_port() for place in instances} if not variant.uses_broker else {}
    wiring = _event_wiring(trial, run_tag, broker) if broker is not None else {}
    common: dict[str, object] = {"directory": str(raw), "variant": variant.base, **wiring}

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
        settings = {**common, "name": f"api/{number}", "port": port, "timeout_s": variant.timeout_ms / 1000}
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

    load = Part(
        "load",
        "benchmarks.load",
        "load",
        {
            "addresses": [[HOST, port] for port in api_ports],
            "path": "/registrations",
            **_load_model(scenario.workload, schedule),
            "block_seed": str(trial.block_seed),
            "timeout_ms": scenario.workload.timeout_ms,
            "max_in_flight": scenario.workload.max_in_flight,
            "rows": str(raw / "load.rows"),
        },
    )
    return Cast(load, tuple(api), tuple(services), topics)


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
