"""Who plays: both sides get the same services, the same luck and the same faults, and differ by their wiring."""

import itertools
from pathlib import Path
from typing import cast

import pytest

from benchmarks.brokers import BrokerInfo
from benchmarks.planning.plan import make_plan
from benchmarks.planning.work import work_settings
from benchmarks.scenario import Scenario, load_text
from benchmarks.trials.cast import Cast, make_cast
from benchmarks.trials.load_workers import ONE_HERE, LoadWorkers
from registration.work import WorkSettings

BROKER = BrokerInfo("kafka", "4.1.0", "127.0.0.1:9092", ours=True, description={})
SCENARIO = """
version: 1
name: cast
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


@pytest.fixture
def scenario() -> Scenario:
    return load_text(SCENARIO, "cast")


def cast_of(scenario: Scenario, variant: str, load_workers: LoadWorkers = ONE_HERE) -> Cast:
    ports = itertools.count(20_001)
    trial = next(trial for trial in make_plan(scenario).trials if trial.variant.name == variant)
    return make_cast(
        scenario,
        trial,
        raw=Path("raw"),
        schedule=Path("raw/schedule.npy"),
        run_tag="abcd",
        broker=BROKER if trial.variant.uses_broker else None,
        take_port=lambda: next(ports),
        load_workers=load_workers,
    )


def works(cast_: Cast) -> dict[str, WorkSettings]:
    return {
        part.name: WorkSettings.from_dict(cast(dict[str, object], part.settings["work"])) for part in cast_.services
    }


def test_every_instance_of_every_service_is_a_part(scenario: Scenario) -> None:
    names = [part.name for part in cast_of(scenario, "sync").parts]
    assert names == ["load", "api/0", "api/1", "email/0", "email/1", "analytics/0", "cache/0", "fraud/0"]


def test_the_event_side_has_one_part_more_to_make_topics(scenario: Scenario) -> None:
    sync, events = (cast_of(scenario, name) for name in ("sync", "events"))
    assert {part.name for part in events.parts} - {part.name for part in sync.parts} == {"topics"}


def test_both_sides_get_the_same_work(scenario: Scenario) -> None:
    ours = [works(cast_of(scenario, name)) for name in ("hurried", "events")]
    assert ours[0] == ours[1]
    assert ours[0]["email/1"].concurrency == 7
    assert ours[0]["email/1"].error_rate == 0.1


def test_both_sides_get_the_same_load(scenario: Scenario) -> None:
    loads = [cast_of(scenario, name).load[0].settings for name in ("sync", "events")]
    same = [{key: value for key, value in load.items() if key != "addresses"} for load in loads]
    assert same[0] == same[1]
    assert [len(cast(list[object], load["addresses"])) for load in loads] == [2, 2]


def test_an_open_load_has_a_schedule_and_everybody_is_new(scenario: Scenario) -> None:
    load = cast_of(scenario, "sync").load[0].settings
    assert (load["executor"], load["schedule"], load["keys"]) == ("open", "raw/schedule.npy", None)


def test_a_closed_load_has_users_and_a_span_instead() -> None:
    workload = "{executor: constant-vus, vus: 8, duration: 10s, warmup: 1s, keys: {distribution: zipf, count: 50}}"
    scenario = load_text(f"version: 1\nname: closed\nworkload: {workload}\nvariants: [sync]\n", "closed")
    load = cast_of(scenario, "sync").load[0].settings
    assert "schedule" not in load
    assert {key: load[key] for key in ("executor", "vus", "warmup_ms", "duration_ms", "keys")} == {
        "executor": "constant-vus",
        "vus": 8,
        "warmup_ms": 1_000,
        "duration_ms": 10_000,
        "keys": {"distribution": "zipf", "count": 50, "s": 1.1},
    }


def test_a_fault_on_one_instance_meets_that_instance_alone(scenario: Scenario) -> None:
    work = works(cast_of(scenario, "events"))
    assert [fault.name for fault in work["email/1"].faults] == ["slow"]
    assert work["email/0"].faults == ()


def test_a_fault_for_one_variant_meets_that_variant_alone(scenario: Scenario) -> None:
    assert [len(works(cast_of(scenario, name))["cache/0"].faults) for name in ("sync", "hurried", "events")] == [
        1,
        0,
        0,
    ]


def test_a_fault_arrives_with_all_that_it_is(scenario: Scenario) -> None:
    slow = works(cast_of(scenario, "sync"))["email/1"].faults[0]
    assert (slow.name, slow.begin_ns, slow.end_ns) == ("slow", 2_000_000_000, 4_000_000_000)
    assert slow.latency is not None
    assert (slow.latency.mean_ms(), slow.jitter_ms, slow.probability, slow.status) == (100.0, 10.0, 0.5, None)
    broken = works(cast_of(scenario, "sync"))["fraud/0"].faults[0]
    assert (broken.probability, broken.status, broken.latency) == (0.4, 429, None)


def test_no_two_parts_share_a_port(scenario: Scenario) -> None:
    parts = cast_of(scenario, "sync").parts
    ports = [part.settings["port"] for part in parts if "port" in part.settings]
    assert len(ports) == 7
    assert len(set(ports)) == 7


def test_the_caller_knows_every_instance_of_every_service(scenario: Scenario) -> None:
    parts = cast_of(scenario, "sync")
    known = cast(dict[str, list[int]], parts.api[0].settings["services"])
    assert list(known) == ["email", "analytics", "cache", "fraud"]
    listening = {part.name: part.settings["port"] for part in parts.services}
    assert known["email"] == [listening["email/0"], listening["email/1"]]


def test_the_publisher_knows_no_service(scenario: Scenario) -> None:
    settings = cast_of(scenario, "events").api[0].settings
    assert "services" not in settings
    assert not any(name in str(settings) for name in scenario.services)


def test_instances_of_a_service_share_a_group_and_services_do_not(scenario: Scenario) -> None:
    groups = {part.name: part.settings["group"] for part in cast_of(scenario, "events").services}
    assert groups["email/0"] == groups["email/1"]
    assert len(set(groups.values())) == 4


def test_each_trial_has_a_topic_and_groups_of_its_own(scenario: Scenario) -> None:
    plan = make_plan(scenario)
    trials = [trial for trial in plan.trials if trial.variant.uses_broker]
    made = [
        make_cast(scenario, trial, raw=Path(), schedule=Path(), run_tag="ab", broker=BROKER, take_port=lambda: 20_001)
        for trial in trials
    ]
    assert len({part.settings["topic"] for cast_ in made for part in cast_.api}) == len(trials) == 3
    assert len({part.settings["group"] for cast_ in made for part in cast_.services}) == 3 * 4


def test_a_call_or_publish_has_two_seconds_unless_the_variant_says_otherwise(scenario: Scenario) -> None:
    timeouts = {name: cast_of(scenario, name).api[0].settings["timeout_s"] for name in scenario.variant_names}
    assert timeouts == {"sync": 2.0, "hurried": 0.2, "events": 2.0}


def test_settings_are_json(scenario: Scenario) -> None:
    import json

    for name in scenario.variant_names:
        for part in cast_of(scenario, name).parts:
            assert json.loads(json.dumps(part.settings)) == part.settings


def test_work_settings_do_not_depend_on_the_variant_but_for_its_faults(scenario: Scenario) -> None:
    assert work_settings(scenario, "sync", "email", 1, 5) == work_settings(scenario, "events", "email", 1, 5)


def test_several_load_workers_share_the_schedule_and_what_may_be_under_way(scenario: Scenario) -> None:
    one, several = (cast_of(scenario, "sync", LoadWorkers(count)) for count in (1, 4))
    assert [part.name for part in several.load] == ["load/0", "load/1", "load/2", "load/3"]
    assert [part.settings["schedule"] for part in several.load][:2] == ["raw/schedule-0.npy", "raw/schedule-1.npy"]
    assert [part.settings["rows"] for part in several.load][:2] == ["raw/load-0.rows", "raw/load-1.rows"]
    shares = [cast(int, part.settings["max_in_flight"]) for part in several.load]
    assert sum(shares) == one.load[0].settings["max_in_flight"]


def test_the_api_leaves_loopback_only_where_the_load_comes_from_elsewhere(scenario: Scenario) -> None:
    here, far = (cast_of(scenario, "sync", LoadWorkers(2, master)) for master in (None, ("10.0.0.5", 5557)))
    assert {part.settings["host"] for part in here.api} == {"127.0.0.1"}
    assert {part.settings["host"] for part in far.api} == {"10.0.0.5"}
    assert not any("host" in part.settings for part in far.services)
    (load,) = far.load
    assert (load.name, load.role, load.settings["listen"]) == ("load", "load-master", ["10.0.0.5", 5557])
