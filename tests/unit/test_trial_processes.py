"""A trial's processes: both sides get the same services, luck and faults, and differ by their wiring."""

import itertools
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import cast

import msgspec
import pytest

from benchmarks.brokers import BrokerInfo
from benchmarks.planning.plan import make_plan
from benchmarks.planning.work import work_settings
from benchmarks.scenario import Scenario, load_text
from benchmarks.trials.load_workers import ONE_HERE, LoadWorkers
from benchmarks.trials.processes import Hears, ProcessSpec, trial_processes
from event_impl.wiring import OwnWiring
from registration.faults import WorkFault
from registration.latency import Latency
from registration.runtime.process import Runtime
from registration.settings import ServiceSettings, Settings
from registration.variant import OwnProcess
from registration.work import WorkSettings

BROKER = BrokerInfo(
    "kafka", "4.1.0", "127.0.0.1:9092", ours=True, description={}, profile="quick", durability="os", hit_by_faults=True
)
SCENARIO = """
version: 1
name: listed
workload: {rate: 10, duration: 10s, warmup: 1s, timeout: 5s}
services:
  email: {latency: 30ms, errorRate: 0.1, concurrency: 7, instances: 2}
  fraud: {latency: {distribution: lognormal, p50: 5ms, p99: 50ms}}
api: {instances: 2}
broker: {kind: kafka, partitions: 4}
variants: [sync, {name: hurried, base: sync-concurrent, options: {timeout: 200ms}}, events]
faults:
  - {name: slow, target: email/1, type: latency, at: 2s, duration: 2s, latency: 100ms, jitter: 10ms, probability: 0.5}
  - {name: broken, target: fraud, type: error, at: 3s, duration: 2s, rate: 0.4, status: 429}
  - {name: only-sync, target: cache, type: hang, at: 3s, duration: 1s, variants: [sync]}
"""


async def relay(_wiring: OwnWiring, runtime: Runtime) -> None:
    """Never run here: a list of processes says what there is to be."""
    raise AssertionError(runtime.name)


@pytest.fixture
def scenario() -> Scenario:
    return load_text(SCENARIO, "listed")


def listed(
    scenario: Scenario,
    variant: str,
    load_workers: LoadWorkers = ONE_HERE,
    *,
    broker: BrokerInfo = BROKER,
    others: Sequence[BrokerInfo] = (),
    own: Sequence[OwnProcess[OwnWiring]] = (),
) -> tuple[ProcessSpec, ...]:
    ports = itertools.count(20_001)
    trial = next(trial for trial in make_plan(scenario).trials if trial.variant.name == variant)
    return trial_processes(
        scenario,
        trial,
        raw=Path("raw"),
        schedule=Path("raw/schedule.npy"),
        run_tag="abcd",
        broker=broker if trial.variant.uses_broker else None,
        others=others,
        own=own,
        take_port=lambda: next(ports),
        load_workers=load_workers,
    )


def named(specs: Sequence[ProcessSpec], name: str) -> list[ProcessSpec]:
    """Those of one service, of the API, or of the load."""
    return [spec for spec in specs if spec.name.partition("/")[0] == name]


def services(specs: Sequence[ProcessSpec]) -> list[ProcessSpec]:
    return [spec for spec in specs if spec.role == "service"]


def works(specs: Sequence[ProcessSpec]) -> dict[str, WorkSettings]:
    return {spec.name: spec.settings.work for spec in services(specs) if isinstance(spec.settings, ServiceSettings)}


def told(spec: ProcessSpec) -> dict[str, object]:
    """The settings as the process reads them."""
    read: dict[str, object] = msgspec.json.decode(msgspec.json.encode(spec.settings))
    return read


def test_every_instance_of_every_service_has_a_process(scenario: Scenario) -> None:
    names = [spec.name for spec in listed(scenario, "sync")]
    assert names == ["email/0", "email/1", "analytics/0", "cache/0", "fraud/0", "api/0", "api/1", "load"]


def test_the_event_side_has_a_broker_more_and_what_makes_its_topics(scenario: Scenario) -> None:
    sync, events = (listed(scenario, name) for name in ("sync", "events"))
    assert {spec.name for spec in events} - {spec.name for spec in sync} == {"broker", "topics"}


def test_each_stands_behind_what_it_waits_for(scenario: Scenario) -> None:
    for variant in scenario.variant_names:
        specs = listed(scenario, variant, own=[OwnProcess("relay", relay)])
        before: set[str] = set()
        for spec in specs:
            assert set(spec.after) <= before, spec.name
            before.add(spec.name)
        assert len(before) == len(specs)
        (load,) = named(specs, "load")
        assert {spec.name for spec in specs if spec.drains} <= set(load.after)


def test_each_service_is_proven_to_hear_as_often_as_it_can(scenario: Scenario) -> None:
    for variant in scenario.variant_names:
        specs = listed(scenario, variant)
        assert {spec.name for spec in specs if spec.hears} == {spec.name for spec in services(specs)}
        assert {spec.hears for spec in named(specs, "email")} == {Hears("email", 2)}
        assert [spec.name for spec in specs if spec.probes] == ["api/0", "api/1"]


def test_of_instances_that_share_one_partition_one_hears() -> None:
    narrow = "services: {email: {instances: 3}}\nbroker: {partitions: 1}\n"
    scenario = load_text(f"version: 1\nname: narrow\n{narrow}", "narrow")
    enough = {
        variant: [spec.hears.enough for spec in named(listed(scenario, variant), "email") if spec.hears]
        for variant in scenario.variant_names
    }
    assert enough == {"sync": [3, 3, 3], "events": [1, 1, 1]}


def test_the_system_under_test_is_what_counts_drains_and_can_be_hit(scenario: Scenario) -> None:
    for variant in scenario.variant_names:
        specs = listed(scenario, variant)
        measuring = {spec.name for spec in specs if not spec.counts}
        assert measuring == ({"load", "topics"} & {spec.name for spec in specs})
        assert all(spec.counts == bool(spec.targets) for spec in specs)
        assert {spec.name for spec in specs if spec.drains} == {
            spec.name for spec in specs if spec.counts and spec.module is not None
        }


def test_a_fault_finds_all_instances_by_the_service_and_one_by_its_name(scenario: Scenario) -> None:
    specs = listed(scenario, "events")

    def hit(target: str) -> list[str]:
        return [spec.name for spec in specs if target in spec.targets]

    assert hit("email") == ["email/0", "email/1"]
    assert hit("email/1") == ["email/1"]
    assert hit("api") == ["api/0", "api/1"]
    assert hit("broker") == ["broker"]
    assert hit("topics") == hit("load") == []


def test_somebody_else_s_broker_is_not_hit(scenario: Scenario) -> None:
    specs = listed(scenario, "events", broker=replace(BROKER, ours=False, hit_by_faults=False))
    assert [spec.targets for spec in named(specs, "broker")] == [()]


def test_brokers_that_stand_idle_are_watched_and_cost_nobody_anything(scenario: Scenario) -> None:
    full = replace(BROKER, profile="full")
    idle = [spec.name for spec in listed(scenario, "events", others=[full]) if spec.module is None and not spec.counts]
    assert idle == ["broker:kafka-full-os"]
    (alone,) = (spec for spec in listed(scenario, "sync", others=[BROKER]) if spec.module is None)
    assert (alone.name, alone.counts, alone.targets) == ("broker", False, ())


def test_a_variant_s_own_process_is_one_more(scenario: Scenario) -> None:
    process = OwnProcess("relay", relay, after=("email/0",), reports_pending=True)
    without, with_it = (listed(scenario, "events", own=own) for own in ([], [process]))
    (spec,) = named(with_it, "relay")
    assert {spec.name for spec in with_it} - {spec.name for spec in without} == {"relay"}
    assert (spec.module, spec.role, spec.targets) == ("event_impl", process.role("events"), ("relay",))
    assert spec.after == ("broker", "topics", "email/0")
    assert (spec.drains, spec.reports_pending, spec.counts) == (True, True, True)
    api = told(named(with_it, "api")[0])
    assert {key: told(spec)[key] for key in ("topic", "bootstrap", "directory")} == {
        key: api[key] for key in ("topic", "bootstrap", "directory")
    }


def test_every_process_of_a_side_knows_variant_options_and_luck(scenario: Scenario) -> None:
    specs = [spec for spec in listed(scenario, "hurried") if spec.module == "sync_impl"]
    assert all(told(spec)["options"] == {"timeout_s": 0.2, "bare_transport": False} for spec in specs)
    seed = make_plan(scenario).trials[0].block_seed
    assert {told(spec)["block_seed"] for spec in listed(scenario, "hurried")} == {
        seed,
        str(seed),
    }  # the load's own settings have it as text


def test_both_sides_get_the_same_work(scenario: Scenario) -> None:
    ours = [works(listed(scenario, name)) for name in ("hurried", "events")]
    assert ours[0] == ours[1]
    assert ours[0]["email/1"].concurrency == 7
    assert ours[0]["email/1"].error_rate == 0.1


def test_both_sides_get_the_same_load(scenario: Scenario) -> None:
    loads = [told(named(listed(scenario, name), "load")[0]) for name in ("sync", "events")]
    same = [{key: value for key, value in load.items() if key != "addresses"} for load in loads]
    assert same[0] == same[1]
    assert [len(cast(list[object], load["addresses"])) for load in loads] == [2, 2]


def test_an_open_load_has_a_schedule_and_everybody_is_new(scenario: Scenario) -> None:
    load = told(named(listed(scenario, "sync"), "load")[0])
    assert (load["executor"], load["schedule"], load["keys"]) == ("open", "raw/schedule.npy", None)


def test_a_closed_load_has_users_and_a_span_instead() -> None:
    workload = "{executor: constant-vus, vus: 8, duration: 10s, warmup: 1s, keys: {distribution: zipf, count: 50}}"
    scenario = load_text(f"version: 1\nname: closed\nworkload: {workload}\nvariants: [sync]\n", "closed")
    load = told(named(listed(scenario, "sync"), "load")[0])
    assert "schedule" not in load
    assert {key: load[key] for key in ("executor", "vus", "warmup_ms", "duration_ms", "keys")} == {
        "executor": "constant-vus",
        "vus": 8,
        "warmup_ms": 1_000,
        "duration_ms": 10_000,
        "keys": {"distribution": "zipf", "count": 50, "s": 1.1},
    }


def test_a_fault_on_one_instance_meets_that_instance_alone(scenario: Scenario) -> None:
    work = works(listed(scenario, "events"))
    assert [fault.name for fault in work["email/1"].faults] == ["slow"]
    assert work["email/0"].faults == ()


def test_a_fault_for_one_variant_meets_that_variant_alone(scenario: Scenario) -> None:
    assert [len(works(listed(scenario, name))["cache/0"].faults) for name in ("sync", "hurried", "events")] == [
        1,
        0,
        0,
    ]


def test_a_fault_arrives_with_all_that_it_is(scenario: Scenario) -> None:
    slow = works(listed(scenario, "sync"))["email/1"].faults[0]
    added = Latency.fixed(100.0)
    assert slow == WorkFault("slow", 2_000_000_000, 4_000_000_000, probability=0.5, latency=added, jitter_ms=10.0)
    broken = works(listed(scenario, "sync"))["fraud/0"].faults[0]
    assert broken == WorkFault("broken", 3_000_000_000, 5_000_000_000, probability=0.4, status=429)


def test_no_two_processes_share_a_port(scenario: Scenario) -> None:
    specs = listed(scenario, "sync")
    ports = [str(told(spec)["address"]) for spec in specs if "address" in told(spec)]
    assert len(ports) == 7
    assert len(set(ports)) == 7


def test_the_caller_knows_every_instance_of_every_service(scenario: Scenario) -> None:
    specs = listed(scenario, "sync")
    known = cast(dict[str, list[object]], told(named(specs, "api")[0])["services"])
    assert list(known) == ["email", "analytics", "cache", "fraud"]
    listening = {spec.name: told(spec)["address"] for spec in services(specs)}
    assert known["email"] == [listening["email/0"], listening["email/1"]]


def test_the_publisher_knows_no_service(scenario: Scenario) -> None:
    settings = told(named(listed(scenario, "events"), "api")[0])
    assert "services" not in settings
    assert not any(name in str(settings) for name in scenario.services)


def test_instances_of_a_service_share_a_group_and_services_do_not(scenario: Scenario) -> None:
    groups = {part.name: told(part)["group"] for part in services(listed(scenario, "events"))}
    assert groups["email/0"] == groups["email/1"]
    assert len(set(groups.values())) == 4


def test_each_trial_has_a_topic_and_groups_of_its_own(scenario: Scenario) -> None:
    plan = make_plan(scenario)
    trials = [trial for trial in plan.trials if trial.variant.uses_broker]
    made = [
        trial_processes(
            scenario, trial, raw=Path(), schedule=Path(), run_tag="ab", broker=BROKER, take_port=lambda: 20_001
        )
        for trial in trials
    ]
    assert len({told(spec)["topic"] for specs in made for spec in named(specs, "api")}) == len(trials) == 3
    assert len({told(spec)["group"] for specs in made for spec in services(specs)}) == 3 * 4


def test_a_call_or_publish_has_two_seconds_unless_the_variant_says_otherwise(scenario: Scenario) -> None:
    options = {name: told(named(listed(scenario, name), "api")[0])["options"] for name in scenario.variant_names}
    timeouts = {name: cast(dict[str, object], given)["timeout_s"] for name, given in options.items()}
    assert timeouts == {"sync": 2.0, "hurried": 0.2, "events": 2.0}


def test_settings_come_through_the_pipe_as_they_were(scenario: Scenario) -> None:
    for name in scenario.variant_names:
        for spec in listed(scenario, name):
            if isinstance(spec.settings, Settings):
                read = msgspec.json.decode(msgspec.json.encode(spec.settings), type=type(spec.settings))
                assert msgspec.json.encode(read) == msgspec.json.encode(spec.settings)


def test_work_settings_do_not_depend_on_the_variant_but_for_its_faults(scenario: Scenario) -> None:
    assert work_settings(scenario, "sync", "email", 1, 5) == work_settings(scenario, "events", "email", 1, 5)


def test_several_load_workers_share_the_schedule_and_what_may_be_under_way(scenario: Scenario) -> None:
    one, several = (listed(scenario, "sync", LoadWorkers(count)) for count in (1, 4))
    assert [part.name for part in named(several, "load")] == ["load/0", "load/1", "load/2", "load/3"]
    first_two = [told(part) for part in named(several, "load")][:2]
    assert [settings["schedule"] for settings in first_two] == ["raw/schedule-0.npy", "raw/schedule-1.npy"]
    assert [settings["rows"] for settings in first_two] == ["raw/load-0.rows", "raw/load-1.rows"]
    shares = [cast(int, told(part)["max_in_flight"]) for part in named(several, "load")]
    assert sum(shares) == told(named(one, "load")[0])["max_in_flight"]


def test_the_api_leaves_loopback_only_where_the_load_comes_from_elsewhere(scenario: Scenario) -> None:
    here, far = (listed(scenario, "sync", LoadWorkers(2, master)) for master in (None, ("10.0.0.5", 5557)))

    def hosts(specs: Sequence[ProcessSpec]) -> set[object]:
        return {cast(list[object], told(spec)["address"])[0] for spec in specs}

    assert hosts(named(here, "api")) == {"127.0.0.1"}
    assert hosts(named(far, "api")) == {"10.0.0.5"}
    assert hosts(services(far)) == {"127.0.0.1"}
    (load,) = named(far, "load")
    assert (load.name, load.role, told(load)["listen"]) == ("load", "load-master", ["10.0.0.5", 5557])
