"""Scenario files: found by name, and validated: every mistake named at its line, all at once, with a hint."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.planning.plan import make_plan
from benchmarks.scenario import Scenario, ScenarioError, UnknownScenarioError, load, load_text
from benchmarks.scenario.loader import BUNDLED, find, list_scenarios
from benchmarks.scenario.sample import windows_bounds_ns
from registration.latency import Latency

HEAD = "version: 1\nname: x\n"
SLOW_EMAIL = HEAD + "faults:\n  - {target: email, type: latency, at: 8s, duration: 8s, latency: 800ms}\n"


def problems(text: str) -> list[str]:
    with pytest.raises(ScenarioError) as caught:
        load_text(text, "x.yaml")
    return [str(problem) for problem in caught.value.problems]


def problem(text: str) -> str:
    """The only problem of `HEAD` and `text`, without the file's name and the line."""
    found = problems(HEAD + text)
    assert len(found) == 1, found
    return found[0].split(": ", 1)[1]


def loaded(text: str) -> Scenario:
    return load_text(HEAD + text, "x.yaml")


def test_two_lines_make_a_scenario_with_the_defaults() -> None:
    scenario = loaded("")
    assert (scenario.title, scenario.blocks, scenario.seed, scenario.drain_s) == ("x", 3, 1, 60.0)
    assert scenario.variant_names == ("sync", "events")
    assert [variant.options["timeout_s"] for variant in scenario.variants] == [2.0, 2.0]
    assert {name: service.latency for name, service in scenario.services.items()} == {
        "email": Latency.fixed(20.0),
        "analytics": Latency("lognormal", (10.0, 60.0)),
        "cache": Latency.fixed(2.0),
    }
    assert {(s.error_rate, s.concurrency, s.instances) for s in scenario.services.values()} == {(0.0, 64, 1)}
    workload = scenario.workload
    assert (workload.rate, workload.warmup_s, workload.duration_s, workload.timeout_ms) == (50.0, 3.0, 20.0, 10_000.0)
    assert (workload.arrival_count, workload.warmup_count, workload.max_in_flight) == (1000, 150, 750)
    assert (scenario.slo.accept_ms, scenario.slo.complete_ms) == (300.0, 30_000.0)
    assert scenario.during_ns is None


def test_a_service_given_in_part_keeps_the_rest_of_its_defaults() -> None:
    services = loaded("services: {cache: {concurrency: 2}, sms: {errorRate: 0.5}}").services
    assert list(services) == ["email", "analytics", "cache", "sms"]
    assert (services["cache"].latency, services["cache"].concurrency) == (Latency.fixed(2.0), 2)
    assert (services["sms"].latency, services["sms"].error_rate) == (Latency.fixed(10.0), 0.5)


def test_the_rate_counts_per_time_unit() -> None:
    workload = loaded("workload: {rate: 600, timeUnit: 1m, duration: 30s}").workload
    assert (workload.rate_per_s, workload.arrival_count) == (10.0, 300)


def test_variants_are_names_or_mappings_and_share_the_broker() -> None:
    variants = loaded(
        "broker: {partitions: 3}\n"
        "variants: [sync-concurrent, {name: sync-hurried, base: sync, options: {timeout: 200ms}},"
        " events, {name: events-wide, base: events, broker: {partitions: 12}}]"
    ).variants
    assert [variant.name for variant in variants] == ["sync-concurrent", "sync-hurried", "events", "events-wide"]
    assert [variant.options["timeout_s"] for variant in variants] == [2.0, 0.2, 2.0, 2.0]
    assert [variant.broker.partitions if variant.broker else None for variant in variants] == [None, None, 3, 12]


def test_faults_without_a_name_get_distinct_ones() -> None:
    fault = "{target: email, type: hang, at: 1s, duration: 1s}"
    faults = loaded(
        f"faults: [{fault}, {fault}, {{name: mine, target: cache, type: error, at: 0s, duration: 20s}}]"
    ).faults
    assert [fault.name for fault in faults] == ["hang-email", "hang-email-2", "mine"]


def test_during_spans_from_the_first_begin_to_the_last_end() -> None:
    scenario = loaded(
        "faults:\n  - {target: email, type: hang, at: 5s, duration: 1s}\n"
        "  - {target: cache, type: error, at: 9s, duration: 2s}\n"
    )
    assert scenario.during_ns == (5_000_000_000, 11_000_000_000)


def test_a_pair_is_split_between_two_variants_of_the_run() -> None:
    text = "hypothesis: {metric: drain_s, difference: events-sync-concurrent, expect: '< 1'}"
    hypothesis = loaded("variants: [sync-concurrent, events]\n" + text).hypothesis
    assert hypothesis is not None
    assert hypothesis.parts[0].difference == ("events", "sync-concurrent")
    assert hypothesis.parts[0].label == "events-sync-concurrent"


def test_a_pair_that_can_be_split_in_two_ways_is_refused() -> None:
    variants = "[{name: a, base: sync}, {name: b-c, base: sync}, {name: a-b, base: sync}, {name: c, base: sync}]"
    text = f"variants: {variants}\nhypothesis: {{metric: drain_s, difference: a-b-c, expect: '< 1'}}"
    assert problem(text) == "hypothesis.difference: 'a-b-c' can be read in several ways; rename a variant"


def test_all_problems_are_reported_at_once_in_the_order_of_the_file() -> None:
    text = (
        "version: 2\n"
        "name: X!\n"
        "titel: t\n"
        "workload: {rate: 0, duration: 25}\n"
        "services: {emial: {}, cache: {concurrency: 0}}\n"
        "variants: [sync, evnts]\n"
        "blocks: 0\n"
        "faults:\n"
        "  - {target: emial, type: latency, at: 8s, duration: 8s, latency: 800ms}\n"
        "claim: blocking\n"
    )
    assert problems(text) == [
        "x.yaml:1: version: 2 is not valid here; it must be 1",
        "x.yaml:2: name: 'X!' is not a valid name; use small letters, digits and dashes",
        "x.yaml:3: titel: unknown key 'titel'; did you mean 'title'?",
        "x.yaml:4: workload.duration: 25 needs a unit: 25ms or 25s",
        "x.yaml:4: workload.rate: 0 must be above 0",
        "x.yaml:5: services.cache.concurrency: 0 must be 1 or more",
        "x.yaml:5: services.emial: unknown service 'emial'; did you mean 'email'? "
        "(a new service needs a less similar name)",
        "x.yaml:6: variants[1]: unknown variant 'evnts'; did you mean 'events'?",
        "x.yaml:7: blocks: 0 must be 1 or more",
        "x.yaml:9: faults[0].target: unknown target 'emial'; did you mean 'email'?",
        *[
            line
            for line in problems(text)
            if line.startswith("x.yaml:10: claim: 'blocking' is not valid here; it must be")
        ],
    ]


def test_a_problem_holds_its_place_and_the_offending_text() -> None:
    with pytest.raises(ScenarioError) as caught:
        load_text(HEAD + "faults:\n  - {type: hang, at: 1s, duration: 1s,\n     target: emial}\n", "x.yaml")
    (found,) = caught.value.problems
    assert (found.file, found.line, found.text) == ("x.yaml", 5, "emial")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            "workload: {rate: 0.01, duration: 1s}",
            "workload: rate × duration gives no arrivals; raise one of them",
        ),
        ("workload: {rate: .inf}", "workload.rate: inf is not a finite number"),
        ("workload: {rate: .nan}", "workload.rate: nan is not a finite number"),
        ("workload: {rate: '60'}", "workload.rate: '60' is not a number"),
        ("workload: {rate: true}", "workload.rate: true is not a number"),
        ("workload: {rate: -5}", "workload.rate: -5 must be above 0"),
        ("workload: {rate: }", "workload.rate: this is empty; give a value or leave the key out"),
        ("workload: {executor: constant-vu}", "workload.executor: 'constant-vu' is not valid here; did you mean 'co"),
        ("workload: {executor: constant-vus}", "workload.vus: a closed load needs the number of its people, as in vus"),
        (
            "workload: {executor: constant-vus, vus: 5, rate: 50}",
            "workload.rate: 'rate' is not for the executor 'constant-vus', only for 'constant-arrival-rate'",
        ),
        (
            "workload: {executor: constant-vus, vus: 5, maxInFlight: 5}",
            "workload.maxInFlight: 'maxInFlight' is not for the executor 'constant-vus', only for "
            "'constant-arrival-rate' and 'ramping-arrival-rate'",
        ),
        ("workload: {executor: constant-vus, vus: 0}", "workload.vus: 0 must be 1 or more"),
        (
            "workload: {vus: 5}",
            "workload.vus: 'vus' needs another executor; write executor: constant-vus",
        ),
        (
            "workload: {executor: ramping-arrival-rate}",
            "workload.stages: a ramp needs its stages, as in stages: [{duration: 10s, target: 80}]",
        ),
        (
            "workload: {executor: ramping-arrival-rate, duration: 5s, stages: [{duration: 5s, target: 9}]}",
            "workload.duration: 'duration' is not for the executor 'ramping-arrival-rate', only for",
        ),
        (
            "workload: {executor: ramping-arrival-rate, stages: []}",
            "workload.stages: the list is empty; give one entry or more",
        ),
        (
            "workload: {executor: ramping-arrival-rate, stages: [{duration: 5s, targt: 9, target: 9}]}",
            "workload.stages[0].targt: unknown key 'targt'; did you mean 'target'?",
        ),
        (
            "workload: {executor: ramping-arrival-rate, stages: [{duration: 5, target: 9}]}",
            "workload.stages[0].duration: 5 needs a unit: 5ms or 5s",
        ),
        (
            "workload: {executor: ramping-arrival-rate, stages: [{duration: 5s, target: -1}]}",
            "workload.stages[0].target: -1 must be 0 or more",
        ),
        (
            "workload: {executor: ramping-arrival-rate, stages: [{duration: 5s, target: 0}]}",
            "workload: rate × duration gives no arrivals; raise one of them",
        ),
        ("workload: {keys: {distribution: zipf}}", "workload.keys.count: this key is missing"),
        (
            "workload: {keys: {distribution: zip, count: 5}}",
            "workload.keys.distribution: 'zip' is not valid here; did you mean 'zipf'?",
        ),
        (
            "workload: {keys: {distribution: uniform, count: 5, s: 1.1}}",
            "workload.keys.s: 's' is not for keys of distribution 'uniform', only for 'zipf'",
        ),
        ("workload: {keys: {distribution: zipf, count: 0}}", "workload.keys.count: 0 must be 1 or more"),
        (
            "workload: {keys: uniqe}",
            "workload.keys: keys cannot be read; it must be 'unique' or a mapping, as in {dist",
        ),
        ("workload: {keys: 5}", "workload.keys: keys cannot be read; it must be 'unique' or a mapping, as in"),
        ("services: {api: {}}", "services.api: 'api' cannot be a service's name, since it is that of another part"),
        ("workload: {timeout: 0ms}", "workload.timeout: the duration must be above 0ms"),
        ("workload: []", "workload: a list is not a mapping of keys and values"),
        ("workload:", "workload: nothing is not a mapping of keys and values"),
        ("sweep: {}", "sweep: unknown key 'sweep'"),
        ("broker: {kind: rabbitmq}", "broker.kind: 'rabbitmq' is not valid here; it must be "),
        ("broker: {partitions: 65}", "broker.partitions: 65 must be 64 or less"),
        ("api: {instances: 0}", "api.instances: 0 must be 1 or more"),
        ("variants: []", "variants: the list is empty; give one entry or more"),
        ("variants: [sync, sync]", "variants[1].name: 'sync' is given twice; give one of them another name"),
        ("variants: [events-naive]", "variants[0]: unknown variant 'events-naive'; did you mean 'events'?"),
        ("variants: [{name: fast, base: synch}]", "variants[0].base: unknown variant 'synch'; did you mean 'sync'?"),
        ("variants: [{base: sync}]", "variants[0].name: this key is missing"),
        (
            "variants: [{name: fast, base: sync, options: {timeuot: 1s}}]",
            "variants[0].options.timeuot: unknown option 'timeuot'; did you mean 'timeout'",
        ),
        ("variants: [{name: fast, base: sync, broker: {}}]", "variants[0].broker: a variant of 'sync' has no broker"),
        ("services: {email: {latency: 20}}", "services.email.latency: 20 needs a unit: 20ms or 20s"),
        ("services: {email: {errorRate: 1.5}}", "services.email.errorRate: 1.5 must be 1 or less"),
        ("services: {email: {instances: 1.5}}", "services.email.instances: 1.5 is not a whole number"),
        ("services: {SMS: {}}", "services.SMS: 'SMS' is not a valid name; use small letters, digits and dashes"),
        (
            "services: {email: {latency: {distribution: lognormal, p50: 10ms, p99: 5ms}}}",
            "services.email.latency.p99: 'p50' must be above 0ms and 'p99' above 'p50'",
        ),
        (
            "services: {email: {latency: {distribution: uniform, min: 5ms, max: 5ms}}}",
            "services.email.latency.max: 'max' must be above 'min'",
        ),
        (
            "services: {email: {latency: {distribution: pareto, min: 5ms, alpha: 0}}}",
            "services.email.latency.alpha: 0 is outside 0.1 to 1000",
        ),
        (
            "services: {email: {latency: {distribution: exponential}}}",
            "services.email.latency.mean: 'exponential' needs 'mean' as well as 'distribution'",
        ),
        (
            "services: {email: {latency: {distribution: normal}}}",
            "services.email.latency.distribution: unknown distribution 'normal'; did you mean 'lognormal'?",
        ),
        ("slo: {accept: 1}", "slo.accept: 1 needs a unit: 1ms or 1s"),
        ("drainMayExpire: maybe", "drainMayExpire: 'maybe' is neither true nor false"),
        ("tags: blocking", "tags: 'blocking' is not a list"),
        ("seed: -1", "seed: -1 must be 0 or more"),
        ("claim: fire-and-forgot", "claim: 'fire-and-forgot' is not valid here; did you mean 'fire-and-forget'?"),
        ("thresholds: {lost: ['== 0']}", "thresholds.lost: unknown metric 'lost'; it must be one of "),
        (
            "thresholds: {drain_s: ['5']}",
            "thresholds.drain_s[0]: cannot read '5' as an expectation; write <, <=, >, >= or == and a",
        ),
        (
            "thresholds: {drain_s: []}",
            'thresholds.drain_s: this must be a list of one or more expressions, as in ["< 100"]',
        ),
        (
            "thresholds: {drain_s: '< 5'}",
            """thresholds.drain_s: '< 5' must be in a list, as in ["< 5"]""",
        ),
        (
            "thresholds: {'drain_s{variant:event}': ['< 5']}",
            "thresholds.drain_s{variant:event}: this scenario has no variant 'event'; did you mean 'events'?",
        ),
        (
            "thresholds: {'effects.lost{service:sms}': ['< 5']}",
            "thresholds.effects.lost{service:sms}: this scenario has no service 'sms'; it must be one of ",
        ),
    ],
)
def test_a_value_out_of_bounds_is_named(text: str, sentence: str) -> None:
    assert problem(text).startswith(sentence)


@pytest.mark.parametrize(
    ("keys", "sentence"),
    [
        ("type: kil", "faults[0].type: 'kil' is not valid here; did you mean 'kill'?"),
        (
            "type: hang, target: api",
            "faults[0].target: 'api' does no work that could go wrong; `bench faults` lists what can hit it",
        ),
        ("type: kill, target: api/1", "faults[0].target: 'api/1': 'api' has 1 instance, counted from 0"),
        ("type: kill, target: brokr", "faults[0].target: unknown target 'brokr'; did you mean 'broker'?"),
        ("type: hang, target: broker", "faults[0].target: 'broker' does no work that could go wrong; "),
        ("type: kill, target: broker/0", "faults[0].target: 'broker/0': 'broker' is one process, without instances; "),
        (
            "type: kill, target: broker, variants: [sync]",
            "faults[0].variants: none of these variants has a broker that a fault could hit; name one that has",
        ),
        ("type: hang, at: 20s", "faults[0].at: the fault begins at 20s, after the run, which lasts 20s"),
        (
            "type: restart",
            "faults[0].duration: 'duration' is not for faults of type 'restart', only for 'latency', 'error', 'hang', "
            "'kill' and 'pause'",
        ),
        ("type: kill, jitter: 1ms", "faults[0].jitter: 'jitter' is not for faults of type 'kill', only for 'latency'"),
        (
            "type: pause, probability: 0.5",
            "faults[0].probability: 'probability' is not for faults of type 'pause', only for 'latency', 'error' and",
        ),
        ("type: kill, rate: 0.5", "faults[0].rate: 'rate' is not for faults of type 'kill', only for 'error'"),
        ("type: kill, status: 500", "faults[0].status: 'status' is not for faults of type 'kill', only for 'error'"),
        ("type: pause, latency: 1s", "faults[0].latency: 'latency' is not for faults of type 'pause', only for"),
        ("type: hang, target: email/1", "faults[0].target: 'email/1': 'email' has 1 instance, counted from 0"),
        ("type: hang, at: 15s", "faults[0].duration: the fault ends at 23s, after the run, which lasts 20s"),
        ("type: hang, duration: 0s", "faults[0].duration: the duration must be above 0ms"),
        ("type: hang, probability: 1.1", "faults[0].probability: 1.1 must be 1 or less"),
        (
            "type: hang, latency: 1s",
            "faults[0].latency: 'latency' is not for faults of type 'hang', only for 'latency'",
        ),
        (
            "type: latency",
            "faults[0].latency: this key is missing: the time that it adds, fixed or a distribution, as in latency: 8",
        ),
        (
            "type: latency, latency: 1s, rate: 0.5",
            "faults[0].rate: 'rate' is not for faults of type 'latency', only for 'error'",
        ),
        ("type: error, rate: -0.1", "faults[0].rate: -0.1 must be 0 or more"),
        ("type: error, status: 399", "faults[0].status: 399 must be 400 or more"),
        (
            "type: error, variants: [sync, event]",
            "faults[0].variants[1]: this scenario has no variant 'event'; did you",
        ),
        ("type: error, variants: []", "faults[0].variants: the list is empty; give one entry or more"),
    ],
)
def test_a_fault_that_cannot_be_is_refused(keys: str, sentence: str) -> None:
    given = dict(pair.split(": ", 1) for pair in keys.split(", ") if pair.count(": ") == 1)
    defaults = {"target": "email", "at": "8s", "duration": "8s"}
    filled = ", ".join(f"{key}: {value}" for key, value in defaults.items() if key not in given)
    assert problem(f"faults:\n  - {{{keys}, {filled}}}\n").startswith(sentence)


def test_a_fault_may_end_with_the_run_and_hit_one_instance() -> None:
    (fault,) = loaded(
        "services: {email: {instances: 2}}\nfaults:\n  - {target: email/1, type: hang, at: 12s, duration: 8s}\n"
    ).faults
    assert (fault.process, fault.instance, fault.begin_ns, fault.end_ns) == ("email", 1, 12 * 10**9, 20 * 10**9)


def test_processes_of_services_and_of_the_api_can_be_hit() -> None:
    text = (
        "api: {instances: 2}\nservices: {email: {instances: 2}}\nfaults:\n"
        "  - {target: email, type: kill, at: 1s, duration: 1s}\n"
        "  - {target: email/1, type: pause, at: 2s, duration: 1s}\n"
        "  - {target: api/1, type: restart, at: 2s}\n"
        "  - {target: api, type: pause, at: 3s, duration: 1s}\n"
    )
    faults = loaded(text).faults
    assert [fault.name for fault in faults] == ["kill-email", "pause-email-1", "restart-api-1", "pause-api"]
    assert [(fault.process, fault.instance, fault.lasts) for fault in faults] == [
        ("email", None, True),
        ("email", 1, True),
        ("api", 1, False),
        ("api", None, True),
    ]
    assert (faults[2].begin_ns, faults[2].end_ns) == (2_000_000_000, 2_000_000_000)


BROKER_DIES = "faults: [{target: broker, type: kill, at: 1s, duration: 2s}]\n"


def test_a_fault_of_the_broker_meets_the_variants_that_use_one() -> None:
    scenario = loaded("variants: [sync, events, sync-concurrent]\n" + BROKER_DIES)
    assert [fault.concerns(variant) for fault in scenario.faults for variant in scenario.variants] == [
        False,
        True,
        False,
    ]
    assert make_plan(scenario).fault_windows[0].variants == ("events",)


@pytest.mark.parametrize("run", ["variants: [sync, sync-concurrent]\n", "broker: {kind: embedded}\n"])
def test_a_fault_that_no_variant_can_have_is_refused(run: str) -> None:
    assert problem(run + BROKER_DIES).startswith(
        "faults[0].target: no variant of this run has a broker that a fault could hit; add one that has"
    )


def test_faults_of_the_broker_that_overlap_are_refused() -> None:
    frozen = "{target: broker, type: pause, at: 2s, duration: 1s}"
    text = f"faults: [{{target: broker, type: kill, at: 1s, duration: 2s}}, {frozen}]"
    assert problem(text).startswith("faults[1].at: 'pause' of broker from 2s to 3s overlaps 'kill' from 1s to 3s")


KILL = "{target: email, type: kill, at: 4s, duration: 3s}"


@pytest.mark.parametrize(
    ("second", "sentence"),
    [
        (
            "{target: email, type: pause, at: 5s, duration: 1s}",
            "faults[1].at: 'pause' of email/0 from 5s to 6s overlaps 'kill' from 4s to 7s (kill-email); a process can "
            "have one such fault at a time",
        ),
        ("{target: email/0, type: kill, at: 6s, duration: 9s}", "faults[1].at: 'kill' of email/0 from 6s to 15s overl"),
        ("{target: email, type: restart, at: 6.9s}", "faults[1].at: 'restart' of email/0 at 6.9s overlaps 'kill' from"),
        ("{target: email, type: restart, at: 4s}", "faults[1].at: 'restart' of email/0 at 4s overlaps 'kill' from 4s"),
    ],
)
def test_faults_of_one_process_that_overlap_are_refused(second: str, sentence: str) -> None:
    assert problem(f"faults: [{KILL}, {second}]").startswith(sentence)


@pytest.mark.parametrize(
    "second",
    [
        "{target: email, type: pause, at: 7s, duration: 1s}",
        "{target: cache, type: pause, at: 5s, duration: 1s}",
        "{target: email, type: hang, at: 5s, duration: 1s}",
        "{target: email, type: restart, at: 7s}",
    ],
)
def test_faults_that_follow_each_other_or_hit_other_things_are_fine(second: str) -> None:
    assert len(loaded(f"faults: [{KILL}, {second}]").faults) == 2


def test_faults_of_one_process_in_different_variants_do_not_overlap() -> None:
    text = "faults: [{}, {}]".format(
        "{target: email, type: kill, at: 4s, duration: 3s, variants: [sync]}",
        "{target: email, type: pause, at: 4s, duration: 3s, variants: [events]}",
    )
    assert len(loaded(text).faults) == 2


def test_a_restart_has_no_during_and_after_begins_at_it() -> None:
    scenario = loaded("faults: [{target: email, type: restart, at: 4s}, {target: api, type: restart, at: 6s}]")
    assert (scenario.during_ns, scenario.after_ns) == (None, 6_000_000_000)
    assert windows_bounds_ns(scenario) == {
        "before": (0, 4_000_000_000),
        "during": None,
        "after": (6_000_000_000, 20_000_000_000),
    }


def test_during_is_of_the_faults_that_last() -> None:
    scenario = loaded(
        "faults: [{target: email, type: restart, at: 4s}, {target: email, type: hang, at: 6s, duration: 2s}]"
    )
    assert (scenario.during_ns, scenario.after_ns) == ((6_000_000_000, 8_000_000_000), 8_000_000_000)
    assert windows_bounds_ns(scenario)["before"] == (0, 4_000_000_000)


def test_a_run_without_faults_has_no_windows() -> None:
    assert loaded("").after_ns is None
    assert windows_bounds_ns(loaded("")) == {"before": None, "during": None, "after": None}


@pytest.mark.parametrize(("window", "valid"), [("before", True), ("during", False), ("after", True)])
def test_a_restart_makes_no_window_during(window: str, valid: bool) -> None:
    text = (
        "faults: [{target: email, type: restart, at: 4s}]\n"
        f"hypothesis: {{metric: 'slo_ratio{{window:{window}}}', variant: sync, expect: '< 1'}}"
    )
    if valid:
        assert loaded(text).hypothesis is not None
    else:
        assert "'window:during' needs a fault that lasts, and this scenario has none" in problem(text)


RAMP = "workload: {executor: ramping-arrival-rate, startRate: 10, stages: [%s]%s}"


def test_a_ramp_lasts_as_long_as_its_stages_and_has_the_arrivals_below_its_line() -> None:
    workload = loaded(
        RAMP % ("{duration: 10s, target: 50}, {duration: 5s, target: 50}, {duration: 4s, target: 0}", "")
    ).workload
    assert workload.duration_s == 19.0
    assert workload.arrival_count == 300 + 250 + 100
    assert workload.warmup_count == 30, "the warm-up has the rate that the run begins with"
    assert workload.max_in_flight == 750, "1.5 × the highest rate × the timeout"
    assert workload.rate_per_s == pytest.approx(650 / 19)
    assert [workload.rate_at(at_s) for at_s in (-1, 0, 5, 10, 12, 17, 19, 99)] == [10, 10, 30, 50, 50, 25, 0, 0]
    assert workload.highest_rate(12, 17) == 50


def test_a_ramp_s_rates_count_per_time_unit() -> None:
    workload = loaded(RAMP % ("{duration: 30s, target: 10}", ", timeUnit: 1m")).workload
    assert (workload.rate_per_s, workload.arrival_count) == (pytest.approx(1 / 6), 5)


def test_a_ramp_bounds_its_faults() -> None:
    text = RAMP % ("{duration: 10s, target: 50}", "") + "\nfaults: [{target: email, type: kill, at: 5s, duration: 6s}]"
    assert problem(text) == "faults[0].duration: the fault ends at 11s, after the run, which lasts 10s"


def test_a_window_of_a_ramp_has_the_arrivals_that_its_rate_brings() -> None:
    text = (
        RAMP % ("{duration: 10s, target: 300}", ", arrivals: uniform")
        + "\nfaults: [{target: email, type: hang, at: 2s, duration: 4s}]\n"
        + "hypothesis: {metric: 'accept_latency_ms.p99{window:during}', variant: sync, expect: '< 1'}"
    )
    # From 68 to 184 a second within four seconds.
    assert "needs 1,000 arrivals, and the window 'during' has 504;" in problem(text)


def test_a_closed_load_has_people_and_no_rate() -> None:
    workload = loaded("workload: {executor: constant-vus, vus: 7, duration: 5s}").workload
    assert workload.closed
    assert (workload.vus, workload.rate, workload.rate_per_s, workload.rate_at(1.0)) == (7, None, None, None)
    assert (workload.arrival_count, workload.warmup_count, workload.max_in_flight) == (None, None, 7)


def test_the_sample_of_a_closed_load_is_not_known_before() -> None:
    text = "workload: {executor: constant-vus, vus: 1, duration: 1s}\n"
    assert loaded(text + "hypothesis: {metric: accept_latency_ms.p999, variant: sync, expect: '< 1'}").hypothesis


def test_keys_say_who_comes_again() -> None:
    zipf = loaded("workload: {keys: {distribution: zipf, count: 100}}").workload.keys
    even = loaded("workload: {keys: {distribution: uniform, count: 100}}").workload.keys
    assert zipf is not None
    assert even is not None
    assert zipf.as_dict() == {"distribution": "zipf", "count": 100, "s": 1.1}
    assert even.as_dict() == {"distribution": "uniform", "count": 100, "s": 0.0}
    assert loaded("workload: {keys: unique}").workload.keys is None


@pytest.mark.parametrize(
    ("hypothesis", "sentence"),
    [
        ("{metric: drain_s, variant: sync, expect: '1'}", "hypothesis.expect: cannot read '1' as an expectation"),
        (
            "{metric: drain, variant: sync, expect: '< 1'}",
            "hypothesis.metric: unknown metric 'drain'; did you mean 'drain_s'?",
        ),
        ("{metric: drain_s, expect: '< 1'}", "hypothesis: give exactly one of variant, ratio and difference"),
        (
            "{metric: drain_s, variant: sync, ratio: sync/events, expect: '< 1'}",
            "hypothesis.ratio: give exactly one of",
        ),
        (
            "{metric: drain_s, ratio: sync/event, expect: '< 1'}",
            "hypothesis.ratio: 'sync/event' does not name two variants of",
        ),
        (
            "{metric: drain_s, ratio: sync/sync, expect: '< 1'}",
            "hypothesis.ratio: 'sync/sync' compares a variant with itself",
        ),
        (
            "{metric: drain_s, variant: event, expect: '< 1'}",
            "hypothesis.variant: this scenario has no variant 'event'",
        ),
        ("{metric: drain_s, variant: sync}", "hypothesis.expect: 'expect' is missing"),
        ("{metric: drain_s, variant: sync, expect: 1}", "hypothesis.expect: this must be text in quotes"),
        (
            "{metric: drain_s, variant: sync, expct: '< 1', expect: '< 1'}",
            "hypothesis.expct: a hypothesis has no key 'expct'",
        ),
        (
            "{metric: 'drain_s{variant:sync}', variant: sync, expect: '< 1'}",
            "hypothesis.metric: the tag 'variant' is for",
        ),
        (
            "{metric: 'slo_ratio{window:during}', variant: sync, expect: '< 1'}",
            "hypothesis.metric: 'window:during' needs a",
        ),
        ("{all: []}", "hypothesis.all: this must be a list of one or more hypotheses"),
        (
            "{all: [{metric: drain_s, variant: x, expect: '< 1'}]}",
            "hypothesis.all[0].variant: this scenario has no variant 'x'",
        ),
        ("text", "hypothesis: this must be a mapping of metric, expect and one of"),
    ],
)
def test_a_hypothesis_that_cannot_be_tested_is_refused(hypothesis: str, sentence: str) -> None:
    assert problem(f"hypothesis: {hypothesis}").startswith(sentence)


@pytest.mark.parametrize(
    ("metric", "rate", "sentence"),
    [
        (
            "accept_latency_ms.p99",
            49,
            "hypothesis.metric: 'accept_latency_ms.p99' needs 1,000 arrivals, and a trial has 980;",
        ),
        ("accept_latency_ms.p99", 50, None),
        (
            "accept_latency_ms.p999",
            499,
            "hypothesis.metric: 'accept_latency_ms.p999' needs 10,000 arrivals, and a trial has",
        ),
        ("accept_latency_ms.p999", 500, None),
        (
            "'accept_latency_ms.p99{window:during}'",
            60,
            "hypothesis.metric: 'accept_latency_ms.p99{window:during}' needs 1,000",
        ),
        ("'accept_latency_ms.p99{window:during}'", 200, None),
    ],
)
def test_a_percentile_needs_its_sample_in_each_trial(metric: str, rate: int, sentence: str | None) -> None:
    text = SLOW_EMAIL + f"workload: {{rate: {rate}}}\nhypothesis: {{metric: {metric}, variant: sync, expect: '< 1'}}\n"
    if sentence is None:
        assert load_text(text, "x.yaml").hypothesis is not None
    else:
        assert problems(text)[0].startswith("x.yaml:6: " + sentence)


def test_the_sample_is_counted_in_the_arrivals_that_will_run() -> None:
    """At 125/s a window of 8 s has about 1,000 arrivals; whether p99 can be had depends on the draw."""
    head = SLOW_EMAIL + "workload: {rate: 125}\nhypothesis: {metric: 'accept_latency_ms.p99{window:during}', "
    text = head + "variant: sync, expect: '< 1'}\nblocks: 20\n"
    (found,) = problems(text)
    count = int(found.split("has ")[1].split(";")[0].replace(",", ""))
    assert 900 < count < 1000


def test_the_name_is_the_file_s_own(tmp_path: Path) -> None:
    path = tmp_path / "other.yaml"
    path.write_text(HEAD)
    with pytest.raises(ScenarioError, match=r"other\.yaml:2: name: 'x' is not the file's own name, 'other'"):
        load(path)


def test_the_most_arrivals_are_bounded() -> None:
    assert "more than 2,000,000 arrivals" in problem("workload: {rate: 1000000, duration: 1h}")


def test_a_bundled_scenario_is_found_by_its_name(tmp_path: Path) -> None:
    assert find("baseline", tmp_path) == BUNDLED / "baseline.yaml"


def test_a_scenario_of_the_working_directory_hides_the_bundled_one(tmp_path: Path) -> None:
    mine = tmp_path / "scenarios" / "baseline.yaml"
    mine.parent.mkdir()
    mine.write_text("version: 1\nname: baseline\n")
    assert find("baseline", tmp_path) == mine
    assert dict(list_scenarios(tmp_path))["baseline"] == mine


def test_a_name_with_a_separator_or_a_suffix_is_a_path(tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    path.write_text("")
    assert find("own.yaml", tmp_path) == path
    assert find("./own.yaml", tmp_path) == path
    assert find(str(path)) == path


def test_a_path_that_is_not_there_is_unknown(tmp_path: Path) -> None:
    with pytest.raises(UnknownScenarioError, match=r"there is no file 'baseline\.yaml'"):
        find("baseline.yaml", tmp_path)


def test_an_unknown_name_is_answered_with_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(UnknownScenarioError, match="unknown scenario 'slow-dwnstream'; did you mean 'slow-downstream'"):
        find("slow-dwnstream", tmp_path)


def test_the_list_is_in_order_of_names(tmp_path: Path) -> None:
    names = [name for name, _ in list_scenarios(tmp_path)]
    assert names == sorted(names)
    assert {"baseline", "slow-downstream", "overloaded-downstream", "flaky-downstream"} <= set(names)
