"""The command line's say: changes go through the same rules, and fault times scale with the duration."""

from __future__ import annotations

import pytest

from benchmarks.scenario import BrokerSpec, Scenario, ScenarioError, load_text
from benchmarks.scenario.override import override
from benchmarks.scenario.resolve import dump, resolve
from registration.latency import Latency

TEXT = """
version: 1
name: x
workload: {rate: 60, duration: 25s}
variants: [sync, events, {name: sync-hurried, base: sync, options: {timeout: 200ms}}]
faults:
  - {target: email, type: latency, at: 10s, duration: 10s, latency: 800ms}
  - {target: cache, type: hang, at: 20s, duration: 5s, variants: [sync]}
thresholds: {"drain_s{variant:sync}": ["< 9"], "registrations.lost": ["== 0"]}
hypothesis: {metric: "slo_ratio{window:during}", difference: events-sync, expect: "> 0.5"}
"""


@pytest.fixture
def scenario() -> Scenario:
    return load_text(TEXT, "x.yaml")


def windows(scenario: Scenario) -> list[tuple[float, float]]:
    return [(fault.at_s, round(fault.end_s, 9)) for fault in scenario.faults]


def test_nothing_given_changes_nothing(scenario: Scenario) -> None:
    assert override(scenario) == scenario


def test_the_rate_takes_its_bound_of_open_requests_along(scenario: Scenario) -> None:
    faster = override(scenario, rate=120)
    assert (faster.workload.rate, faster.workload.max_in_flight) == (120.0, 1800)


def test_a_bound_of_open_requests_that_the_file_gives_stays() -> None:
    scenario = load_text("version: 1\nname: x\nworkload: {maxInFlight: 7}\n", "x.yaml")
    assert override(scenario, rate=500).workload.max_in_flight == 7


def test_fault_times_scale_with_the_duration(scenario: Scenario) -> None:
    shorter = override(scenario, duration="12.5s")
    assert shorter.workload.duration_s == 12.5
    assert windows(shorter) == [(5.0, 10.0), (10.0, 12.5)]


def test_quick_is_three_blocks_of_eight_seconds_with_a_second_of_warmup(scenario: Scenario) -> None:
    quick = override(scenario, quick=True)
    assert (quick.blocks, quick.workload.duration_s, quick.workload.warmup_s) == (3, 8.0, 1.0)
    assert windows(quick) == [(3.2, 6.4), (6.4, 8.0)]
    assert quick.hypothesis == scenario.hypothesis
    assert quick.quick is not None
    assert scenario.quick is None


def test_what_is_given_beside_quick_wins(scenario: Scenario) -> None:
    quick = override(scenario, quick=True, blocks=2, duration="4s", seed=9)
    assert (quick.blocks, quick.workload.duration_s, quick.seed) == (2, 4.0, 9)


def test_quick_does_not_lengthen_a_short_run() -> None:
    scenario = load_text("version: 1\nname: x\nworkload: {duration: 5s, warmup: 0s}\n", "x.yaml")
    quick = override(scenario, quick=True)
    assert (quick.workload.duration_s, quick.workload.warmup_s) == (5.0, 0.0)


def left_out(text: str, **changes: object) -> tuple[Scenario, tuple[str, ...]]:
    """A quick look at a scenario of 25 s, 60 arrivals a second, and what it leaves out."""
    quick = override(
        load_text(f"version: 1\nname: x\nworkload: {{duration: 25s}}\n{text}", "x.yaml"), quick=True, **changes
    )
    assert quick.quick is not None
    assert load_text(dump(resolve(quick)), "stored") == quick
    return quick, quick.quick.left_out


def test_quick_leaves_out_what_it_has_too_few_arrivals_for() -> None:
    text = (
        "hypothesis: {metric: accept_latency_ms.p99, variant: sync, expect: '< 9'}\n"
        "thresholds: {accept_latency_ms.p99: ['< 9'], accept_latency_ms.p95: ['< 9']}\n"
    )
    quick, sentences = left_out(text)
    assert quick.hypothesis is None
    assert quick.thresholds == {"accept_latency_ms.p95": ("< 9",)}
    assert sentences == (
        "the hypothesis 'accept_latency_ms.p99', sync < 9: it needs 1,000 arrivals, and has 400",
        "the threshold 'accept_latency_ms.p99' < 9: it needs 1,000 arrivals, and has 400",
    )


def test_quick_leaves_out_counts_that_were_meant_for_the_whole_run_and_keeps_those_that_are_zero() -> None:
    parts = (
        "{metric: registrations.complete, difference: events-sync, expect: '> 80'}",
        "{metric: registrations.complete, ratio: events/sync, expect: '> 1.1'}",
        "{metric: registrations.lost, variant: events, expect: '== 0'}",
    )
    quick, sentences = left_out(f"hypothesis: {{all: [{', '.join(parts)}]}}\n")
    assert quick.hypothesis is not None
    assert [part.label for part in quick.hypothesis.parts] == ["events/sync", "events"]
    assert sentences == (
        "the hypothesis 'registrations.complete', events-sync > 80: the count was meant for 25s, and this run lasts 8s",
    )


def test_quick_leaves_out_recovery() -> None:
    fault = "faults: [{target: email, type: kill, at: 2s, duration: 2s}]\n"
    quick, sentences = left_out(fault + "thresholds: {recovery_s: ['< 5'], drain_s: ['< 9']}\n")
    assert list(quick.thresholds) == ["drain_s"]
    assert sentences == ("the threshold 'recovery_s' < 5: what follows the fault is too short for it",)


def test_quick_leaves_out_a_fault_that_would_no_longer_outlast_the_session_and_what_is_asked_of_its_window() -> None:
    fault = "faults: [{target: email, type: kill, at: 2s, duration: 12s}]\n"
    asked = "hypothesis: {metric: 'slo_ratio{window:during}', difference: events-sync, expect: '> 0.5'}\n"
    quick, sentences = left_out(fault + asked)
    assert (quick.faults, quick.hypothesis) == ((), None)
    assert sentences == (
        "the fault 'kill-email': in 8s it would last 3.84 s, shorter than a consumer's session (10 s)",
        "questions about the window 'during', which the run does not have",
    )


@pytest.mark.parametrize(
    ("fault", "changes"),
    [
        ("{target: email, type: kill, at: 2s, duration: 9s}", {}),
        ("{target: email, type: kill, at: 2s, duration: 12s}", {"duration": "25s"}),
        ("{target: email, type: kill, at: 2s, duration: 12s}", {"variants": ["sync"]}),
        ("{target: api, type: pause, at: 2s, duration: 12s}", {}),
        ("{target: email, type: hang, at: 2s, duration: 12s}", {}),
    ],
)
def test_quick_keeps_faults_on_the_same_side_of_the_session(fault: str, changes: dict[str, object]) -> None:
    quick, sentences = left_out(f"faults: [{fault}]\n", **changes)
    assert len(quick.faults) == 1
    assert sentences == ()


def test_quick_keeps_all_questions_of_a_run_that_it_does_not_shorten() -> None:
    text = "thresholds: {registrations.complete: ['> 80'], recovery_s: ['< 5']}\n"
    quick, sentences = left_out("faults: [{target: email, type: kill, at: 2s, duration: 2s}]\n" + text, duration="25s")
    assert list(quick.thresholds) == ["registrations.complete", "recovery_s"]
    assert sentences == ()


def test_chosen_variants_keep_what_speaks_of_them(scenario: Scenario) -> None:
    chosen = override(scenario, variants=["events"])
    assert chosen.variant_names == ("events",)
    assert [fault.name for fault in chosen.faults] == ["latency-email"]
    assert list(chosen.thresholds) == ["registrations.lost"]
    assert chosen.hypothesis is None


def test_a_base_that_the_file_does_not_run_can_be_chosen(scenario: Scenario) -> None:
    chosen = override(scenario, variants=["events", "sync", "sync-concurrent"])
    assert chosen.variant_names == ("events", "sync", "sync-concurrent")
    assert chosen.hypothesis == scenario.hypothesis


def test_an_option_of_a_chosen_variant_stays(scenario: Scenario) -> None:
    (variant,) = override(scenario, variants=["sync-hurried"]).variants
    assert (variant.base, variant.options) == ("sync", {"timeout_s": 0.2, "bare_transport": False})


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"rate": 0.0}, "the command line: workload.rate: 0.0 must be above 0"),
        ({"rate": float("nan")}, "the command line: workload.rate: nan is not a finite number"),
        ({"blocks": 0}, "the command line: blocks: 0 must be 1 or more"),
        ({"duration": "9"}, "the command line: --duration: '9' needs a unit: 9ms or 9s"),
        ({"duration": "0s"}, "the command line: --duration: the duration must be above 0ms"),
        ({"variants": ["evnts"]}, "the command line: --variant: unknown variant 'evnts'; did you mean 'events'?"),
    ],
)
def test_a_change_that_makes_no_scenario_is_refused(
    scenario: Scenario, changes: dict[str, object], sentence: str
) -> None:
    with pytest.raises(ScenarioError) as caught:
        override(scenario, **changes)  # type: ignore[arg-type]
    assert str(caught.value).splitlines()[0] == sentence


def test_a_setting_names_any_key_by_its_path(scenario: Scenario) -> None:
    changed = override(
        scenario,
        sets=[
            "faults.0.latency=400ms",
            "faults[1].at=19s",
            "services.email.concurrency=8",
            "services.analytics.latency.p99=90ms",
            "services.sms.errorRate=0.5",
            "workload.rate=80",
            "slo.accept=100ms",
            "variants.2.options.timeout=300ms",
            "broker.partitions=3",
            "hypothesis.expect=> 0.3",
            'thresholds.accept_latency_ms.p95{variant:events}=["< 100"]',
            "tags=[a, b]",
            "title=Set by hand",
        ],
    )
    assert changed.faults[0].resolved()["latency"] == "400ms"
    assert windows(changed) == [(10.0, 20.0), (19.0, 24.0)]
    assert changed.services["email"].concurrency == 8
    assert changed.services["analytics"].latency == Latency("lognormal", (10.0, 90.0))
    assert changed.services["sms"].error_rate == 0.5
    assert (changed.workload.rate, changed.workload.max_in_flight) == (80.0, 1200)
    assert changed.slo.accept_ms == 100.0
    assert changed.variant("sync-hurried").options == {"timeout_s": 0.3, "bare_transport": False}
    assert changed.variant("events").broker == BrokerSpec(partitions=3)
    assert changed.hypothesis is not None
    assert str(changed.hypothesis.parts[0].expect) == "> 0.3"
    assert changed.thresholds["accept_latency_ms.p95{variant:events}"] == ("< 100",)
    assert (changed.tags, changed.title) == (("a", "b"), "Set by hand")


def test_a_whole_list_can_be_set_and_another_entry_added() -> None:
    scenario = load_text("version: 1\nname: x\n", "x.yaml")
    changed = override(
        scenario,
        sets=["variants=[sync, events, sync-concurrent]", "faults.0={target: api, type: kill, at: 1s, duration: 1s}"],
    )
    assert changed.variant_names == ("sync", "events", "sync-concurrent")
    assert [fault.name for fault in changed.faults] == ["kill-api"]


def test_null_takes_a_key_away(scenario: Scenario) -> None:
    changed = override(scenario, sets=["hypothesis=null", "faults.1=", "seed=~"])
    assert (changed.hypothesis, len(changed.faults), changed.seed) == (None, 1, 1)


def test_settings_come_after_the_other_options(scenario: Scenario) -> None:
    changed = override(scenario, quick=True, rate=10, sets=["workload.rate=20", "workload.warmup=2s"])
    assert (changed.workload.rate, changed.workload.warmup_s, changed.workload.duration_s) == (20.0, 2.0, 8.0)


def test_another_executor_leaves_the_keys_of_the_old_one_behind(scenario: Scenario) -> None:
    closed = override(scenario, sets=["workload.executor=constant-vus", "workload.vus=5"])
    assert (closed.workload.vus, closed.workload.rate, closed.workload.duration_s) == (5, None, 25.0)
    ramp = override(
        scenario, sets=["workload.executor=ramping-arrival-rate", "workload.stages=[{duration: 25s, target: 80}]"]
    )
    assert (ramp.workload.arrival_count, ramp.workload.rate) == (1000, None)
    again = override(ramp, sets=["workload.executor=constant-arrival-rate", "workload.duration=25s"])
    assert again.workload.rate == 50.0


def test_another_type_of_fault_leaves_the_keys_of_the_old_one_behind_and_takes_another_name(scenario: Scenario) -> None:
    fault = override(scenario, sets=["faults.0.type=kill", "faults.0.target=api"]).faults[0]
    assert (fault.name, fault.type, fault.end_s - fault.at_s) == ("kill-api", "kill", 10.0)
    restart = override(scenario, sets=["faults.0.type=restart"]).faults[0]
    assert (restart.name, restart.lasts) == ("restart-email", False)


@pytest.mark.parametrize(
    ("setting", "sentence"),
    [
        ("workload.rate", "--set workload.rate: write key=value, as in --set workload.rate=80"),
        ("=5", "--set =5: write key=value, as in --set workload.rate=80"),
        ("workload..rate=5", "--set workload..rate=5: the path has an empty part; write it as in faults.0.latency"),
        ("workload.rate=[1", "--set workload.rate=[1: this is not YAML: "),
        ("workload.rate=!!python/name:os.system", "--set workload.rate=!!python/name:os.system: the tag '"),
        ("workload.rate=*a", "--set workload.rate=*a: the alias '*a' is not supported; write the value out"),
        ("workload.rate=fast", "workload.rate: 'fast' is not a number"),
        ("workload.raet=5", "workload.raet: unknown key 'raet'; did you mean 'rate'?"),
        ("wrkload.rate=5", "wrkload: unknown key 'wrkload'; did you mean 'workload'?"),
        ("workload.duration=25", "workload.duration: 25 needs a unit: 25ms or 25s"),
        ("services.emial.concurrency=5", "services.emial: unknown service 'emial'; did you mean 'email'? (a new"),
        ("faults.0.latncy=5ms", "faults[0].latncy: unknown key 'latncy'; did you mean 'latency'?"),
        (
            "faults.5.at=1s",
            "--set faults[5].at: faults is a list with 2 entries, counted from 0; faults.2 would add one",
        ),
        ("faults.first.at=1s", "--set faults.first.at: faults is a list with 2 entries, counted from 0;"),
        (
            "services.email.latency.p50=5ms",
            "--set services.email.latency.p50: services.email.latency is '20ms' and has no 'p50'; set it as a whole",
        ),
        ("variants=[events]", "faults[1].variants[0]: this scenario has no variant 'sync'; it must be 'events'"),
        ("name=../../etc", "name: '../../etc' is not a valid name; use small letters, digits and dashes"),
    ],
)
def test_a_setting_that_makes_no_scenario_is_refused_with_its_path(
    scenario: Scenario, setting: str, sentence: str
) -> None:
    with pytest.raises(ScenarioError) as caught:
        override(scenario, sets=[setting])
    assert str(caught.value).splitlines()[0].removeprefix("the command line: ").startswith(sentence)


def test_all_settings_that_cannot_be_read_are_reported_at_once(scenario: Scenario) -> None:
    with pytest.raises(ScenarioError) as caught:
        override(scenario, sets=["a", "b", "faults.9.at=1s"])
    assert len(caught.value.problems) == 3


def test_the_stages_of_a_ramp_scale_with_the_duration() -> None:
    text = (
        "version: 1\nname: x\nworkload: {executor: ramping-arrival-rate, startRate: 9,"
        " stages: [{duration: 10s, target: 40}, {duration: 5s, target: 0}]}\n"
        "faults: [{target: email, type: restart, at: 9s}, {target: api, type: kill, at: 12s, duration: 3s}]\n"
    )
    scenario = override(load_text(text, "x.yaml"), duration="5s")
    assert scenario.workload.stages is not None
    assert [stage.duration_s for stage in scenario.workload.stages] == [3.333333, 1.666667]
    assert scenario.workload.duration_s == 5.0
    assert windows(scenario) == [(3.0, 3.0), (4.0, 5.0)]


def test_a_rate_for_a_load_that_has_none_is_refused() -> None:
    scenario = load_text("version: 1\nname: x\nworkload: {executor: constant-vus, vus: 3}\n", "x.yaml")
    with pytest.raises(ScenarioError, match="'rate' is not for the executor 'constant-vus'"):
        override(scenario, rate=5)


def test_a_threshold_and_a_hypothesis_about_a_window_that_is_gone_are_left_out() -> None:
    text = (
        "version: 1\nname: x\nfaults:\n"
        "  - {target: email, type: kill, at: 4s, duration: 2s, variants: [sync]}\n"
        "  - {target: email, type: restart, at: 4s, variants: [events]}\n"
        'thresholds: {"slo_ratio{window:during}": ["> 0"], "slo_ratio{window:after}": ["> 0"]}\n'
        'hypothesis: {metric: "slo_ratio{window:during}", variant: events, expect: "> 0"}\n'
    )
    chosen = override(load_text(text, "x.yaml"), variants=["events"])
    assert list(chosen.thresholds) == ["slo_ratio{window:after}"]
    assert chosen.hypothesis is None


def test_what_was_overridden_is_stored_and_read_back(scenario: Scenario) -> None:
    for changed in (
        override(scenario, quick=True),
        override(scenario, duration="7.77s"),
        override(scenario, rate=1 / 3),
    ):
        assert load_text(dump(resolve(changed)), "stored") == changed
