"""What people write in haste, or as in other tools: read where it is plain, else answered with what to write."""

from __future__ import annotations

import pytest

from benchmarks.planning.plan import make_plan
from benchmarks.scenario import Scenario, ScenarioError, load_text
from benchmarks.scenario.override import override

HEAD = "version: 1\nname: x\n"
FAULT = "faults: [{target: email, type: latency, at: 8s, duration: 8s, latency: 800ms}]\n"


def loaded(text: str) -> Scenario:
    return load_text(HEAD + text, "x.yaml")


def problems(text: str) -> list[str]:
    """Without the file's name and the line."""
    with pytest.raises(ScenarioError) as caught:
        loaded(text)
    return [problem.message for problem in caught.value.problems]


def problem(text: str) -> str:
    (found,) = problems(text)
    return found


def of_slo(expect: str, comparison: str = "difference: events-sync") -> str:
    return f"hypothesis: {{metric: slo_ratio, {comparison}, expect: '{expect}'}}"


def test_the_version_may_stand_in_quotes() -> None:
    assert load_text('version: "1"\nname: x\n', "x.yaml").version == 1


def test_per_cent_are_read_as_shares_wherever_shares_belong() -> None:
    scenario = loaded(
        "services: {email: {errorRate: 10%}}\n"
        "faults:\n  - {target: email, type: error, at: 1s, duration: 1s, rate: 12.5%, probability: 50 %}\n"
        'thresholds: {slo_ratio: ["> 95%"]}\n' + of_slo("> 7%")
    )
    assert scenario.services["email"].error_rate == 0.1
    assert scenario.faults[0].share == 0.0625
    assert scenario.thresholds == {"slo_ratio": ("> 0.95",)}
    assert scenario.hypothesis is not None
    assert scenario.hypothesis.parts[0].expect.bound == 0.07


def test_per_cent_of_what_is_not_a_share_is_refused() -> None:
    assert problem('thresholds: {drain_s: ["< 10%"]}') == (
        "thresholds.drain_s[0]: '< 10%' is a share, and 'drain_s' is not; write a number (s)"
    )
    assert problem("services: {email: {errorRate: 110%}}") == "services.email.errorRate: 1.1 must be 1 or less"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            of_slo("> 50"),
            "hypothesis.expect: no value can meet '> 50': a difference of shares lies between -1 and 1; "
            "for 50 per cent write '> 50%'",
        ),
        (
            of_slo("> 1.5", "variant: sync"),
            "hypothesis.expect: no value can meet '> 1.5': a share lies between 0 and 1; for 1.5 per cent "
            "write '> 1.5%'",
        ),
        (of_slo("< -1"), "hypothesis.expect: no value can meet '< -1': a difference of shares lies between -1 and 1; "),
        (of_slo("< 0", "ratio: events/sync"), "hypothesis.expect: no value can meet '< 0': a ratio is never below 0; "),
        (
            'thresholds: {drain_s: ["< 0"]}',
            "thresholds.drain_s[0]: no value can meet '< 0': 'drain_s' is never below 0",
        ),
        ('thresholds: {accept_ratio: ["> 1"]}', "thresholds.accept_ratio[0]: no value can meet '> 1': a share lies"),
    ],
)
def test_what_no_value_can_meet_is_refused(text: str, sentence: str) -> None:
    assert problem(text).startswith(sentence)


@pytest.mark.parametrize("expect", ["> 0.99", ">= 1", "<= -1", "== 1", "> -5"])
def test_what_some_value_can_meet_is_not(expect: str) -> None:
    assert loaded(of_slo(expect)).hypothesis is not None


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            "hypothesis: {metric: slo_ratio{window:during}, variant: sync, expect: '> 0.5'}",
            'this is not YAML: put it in quotes: "slo_ratio{window:during}"',
        ),
        (
            "hypothesis: {metric: slo_ratio, variant: sync, expect: > 0.5}",
            'this is not YAML: put it in quotes: "> 0.5"',
        ),
        (
            "hypothesis:\n  metric: slo_ratio\n  variant: sync\n  expect: > 0.5",
            'this is not YAML: put it in quotes: "> ',
        ),
        ("thresholds: {drain_s: [< 5, > 1]}", 'this is not YAML: put it in quotes: "> 1"'),
    ],
)
def test_what_yaml_takes_for_something_else_has_to_be_quoted(text: str, sentence: str) -> None:
    assert problem(text).startswith(sentence)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            'thresholds: {http_req_duration: ["p(95)<200"]}',
            "unknown metric 'http_req_duration'; write 'accept_latency_",
        ),
        ('thresholds: {p95_latency: ["< 200"]}', "unknown metric 'p95_latency'; write 'accept_latency_ms.p95'"),
        (
            'thresholds: {"p(95)<200": ["< 1"]}',
            "cannot read 'p(95)<200' as a metric; name the figure and give the bound",
        ),
        ('thresholds: {drain_s: ["p(95)<200"]}', "cannot read 'p(95)<200' as an expectation; name the figure and give"),
        ('thresholds: {drain_s: [{threshold: "< 200"}]}', "thresholds.drain_s[0]: this must be an expression in"),
        ('thresholds: {drain_s: "< 200"}', """'< 200' must be in a list, as in ["< 200"]"""),
        ("workload: {vus: 5, duration: 5s}", "'vus' needs another executor; write executor: constant-vus"),
        ("workload: {stages: [{duration: 5s, target: 9}]}", "write executor: ramping-arrival-rate"),
        ('workload: {rate: "60"}', "'60' is not a number; leave out the quotes"),
        ("tags: blocking", "'blocking' is not a list; write it as one, as in [blocking]"),
        ("services: {cash: {concurrency: 2}}", "unknown service 'cash'; did you mean 'cache'?"),
        (
            "faults: [{target: kafka, type: kill, at: 1s, duration: 1s}]",
            "unknown target 'kafka'; did you mean 'broker'?",
        ),
        (
            "faults: [{target: [email, cache], type: hang, at: 1s, duration: 1s}]",
            "faults[0].target: a list is not text; a fault has one target, so write a fault for each",
        ),
    ],
)
def test_what_belongs_elsewhere_is_answered_with_what_to_write_here(text: str, sentence: str) -> None:
    assert any(sentence in found for found in problems(text)), problems(text)


@pytest.mark.parametrize("name", ["sms", "audit", "billing", "search", "cart", "sms-email", "crm", "mailer"])
def test_other_services_can_be_added(name: str) -> None:
    assert name in loaded(f"services: {{{name}: {{latency: 5ms}}}}").services


def test_a_key_of_a_wrong_type_hides_nothing_else_of_its_block() -> None:
    assert problems(
        'workload: {rate: "x", vus: 5, startRate: 1}\n'
        "broker: {partitions: many, profile: fastest}\n"
        "variants: [events, {name: a, base: sync, options: {timeout: 1}, broker: {}}]\n"
        'thresholds: {drain_s: 5, lost: ["< 1"]}\n'
    ) == [
        "workload.rate: 'x' is not a number",
        "workload.startRate: 'startRate' needs another executor; write executor: ramping-arrival-rate",
        "workload.vus: 'vus' needs another executor; write executor: constant-vus",
        "broker.partitions: 'many' is not a whole number",
        "broker.profile: the broker 'kafka' has no profile 'fastest'; it must be one of 'quick', 'full'",
        "variants[1].broker: a variant of 'sync' has no broker; leave it out",
        "variants[1].options.timeout: 1 needs a unit: 1ms or 1s",
        'thresholds.drain_s: this must be a list of one or more expressions, as in ["< 100"]',
        *problems('thresholds: {lost: ["< 1"]}'),
    ]


def test_a_threshold_with_too_few_arrivals_for_its_figure_is_refused() -> None:
    text = 'workload: {rate: 10, duration: 10s}\nthresholds: {accept_latency_ms.p99: ["< 500"], recovery_s: ["< 5"]}'
    assert (
        problem(text)
        == "thresholds.recovery_s: 'recovery_s' needs a fault, and this scenario has none; add one, or leave this out"
    )
    assert problem(text.replace(', recovery_s: ["< 5"]', "")) == (
        "thresholds.accept_latency_ms.p99: 'accept_latency_ms.p99' needs 1,000 arrivals, and a trial has 100; "
        "raise the rate or the duration"
    )


def test_a_threshold_of_what_a_fault_alone_has_goes_with_the_fault() -> None:
    only_events = FAULT.replace("800ms}", "800ms, variants: [events]}")
    scenario = loaded(only_events + 'thresholds: {recovery_s: ["< 5"], drain_s: ["< 5"]}')
    assert set(override(scenario, variants=["sync"]).thresholds) == {"drain_s"}


def test_a_quick_look_says_that_it_leaves_out_what_its_faults_would_have_shown() -> None:
    killed = "{target: email/0, type: kill, at: 4s, duration: 12s}"
    quick = override(loaded(f'faults: [{killed}]\nthresholds: {{recovery_s: ["< 5"]}}'), quick=True).quick
    assert quick is not None
    assert "questions about recovery_s, which needs a fault" in quick.left_out


STEP = "workload: {executor: ramping-arrival-rate, startRate: 10, stages: [%s]}"


def test_a_stage_that_takes_no_time_is_a_step() -> None:
    workload = loaded(
        STEP % "{duration: 5s, target: 10}, {duration: 0s, target: 50}, {duration: 5s, target: 50}"
    ).workload
    assert [workload.rate_at(at_s) for at_s in (0, 4.9, 5, 9)] == [10, 10, 50, 50]
    assert (workload.duration_s, workload.arrival_count) == (10.0, 300)
    assert workload.words.startswith("10 → 50")


def test_stages_that_take_no_time_together_are_refused() -> None:
    assert problem(STEP % "{duration: 0s, target: 50}") == (
        "workload.stages: together the stages take no time; make one longer than 0s"
    )


def test_another_rate_scales_a_ramp_to_have_it_as_its_highest() -> None:
    ramp = loaded(STEP % "{duration: 5s, target: 40}, {duration: 0s, target: 20}, {duration: 5s, target: 20}")
    assert override(ramp, rate=80.0).workload.words.startswith("20 → 80 → 40")
    shorter = override(ramp, duration="2s").workload
    assert [stage.duration_s for stage in shorter.stages or ()] == [1.0, 0.0, 1.0]


def warnings(text: str) -> tuple[str, ...]:
    return make_plan(loaded(text)).warnings


def test_jitter_that_is_cut_at_nothing_counts_in_the_mean() -> None:
    fault = "{target: email, type: latency, at: 0s, duration: 20s, latency: 10ms, jitter: 100ms}"
    plan = make_plan(
        loaded(f"workload: {{rate: 40}}\nservices: {{email: {{latency: 1ms, concurrency: 1}}}}\nfaults: [{fault}]")
    )
    row = plan.utilisation[0]
    # By hand: 1 ms, and (10 + 100)² ÷ 400 ms.
    assert (row.work_ms, row.utilisation) == (pytest.approx(31.25), pytest.approx(1.25))


def test_one_killed_instance_of_three_refuses_one_call_in_three() -> None:
    text = "services: {email: {instances: 3}}\nfaults: [{target: email/0, type: kill, at: 8s, duration: 2s}]"
    (warning,) = warnings(text)
    assert warning == (
        "1 of 3 instances of email is down from 8s to 10s (kill-email-0): 1 in 3 calls fail, and the events of its "
        "partitions wait until it is back or the session has expired"
    )
    row = next(row for row in make_plan(loaded(text)).utilisation if row.faults)
    assert row.utilisation == pytest.approx(50 / 3 * 0.020 / 64)


def test_a_fault_of_one_instance_is_shown_as_that_instance_s() -> None:
    fault = "{target: email/0, type: latency, at: 1s, duration: 1s, latency: 1s}"
    text = f"services: {{email: {{instances: 2}}}}\nfaults: [{fault}]"
    rows = [row.where for row in make_plan(loaded(text)).utilisation if row.service == "email"]
    assert rows == ["email", "email/0", "email"]


def test_a_work_time_without_a_mean_does_not_stand_still() -> None:
    (warning,) = warnings(
        "faults: [{target: email, type: latency, at: 1s, duration: 1s, "
        "latency: {distribution: pareto, min: 5ms, alpha: 0.9}}]"
    )
    assert "has no mean" in warning


def test_a_service_that_is_nearly_full_is_warned_of() -> None:
    nearly = "workload: {rate: %d}\nservices: {email: {latency: 20ms, concurrency: 1}}"
    assert "email is nearly full from 0ms to 20s: utilisation 0.96" in warnings(nearly % 48)[0]
    assert warnings(nearly % 46) == ()


def test_one_person_who_comes_too_often_for_one_worker_is_warned_of() -> None:
    text = "workload: {rate: 60, keys: {distribution: uniform, count: %d}}\nvariants: [%s]"
    assert "1.20 times what one worker of email can do" in warnings(text % (1, "events"))[0]
    assert warnings(text % (2, "events")) == ()
    assert warnings(text % (1, "sync")) == ()
