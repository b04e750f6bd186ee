"""The command line's say: changes go through the same rules, and fault times scale with the duration."""

from __future__ import annotations

import pytest

from benchmarks.scenario import Scenario, ScenarioError, load_text
from benchmarks.scenario.resolve import dump

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
    assert scenario.override() == scenario


def test_the_rate_takes_its_bound_of_open_requests_along(scenario: Scenario) -> None:
    faster = scenario.override(rate=120)
    assert (faster.workload.rate, faster.workload.max_in_flight) == (120.0, 1800)


def test_a_bound_of_open_requests_that_the_file_gives_stays() -> None:
    scenario = load_text("version: 1\nname: x\nworkload: {maxInFlight: 7}\n", "x.yaml")
    assert scenario.override(rate=500).workload.max_in_flight == 7


def test_fault_times_scale_with_the_duration(scenario: Scenario) -> None:
    shorter = scenario.override(duration="12.5s")
    assert shorter.workload.duration_s == 12.5
    assert windows(shorter) == [(5.0, 10.0), (10.0, 12.5)]


def test_quick_is_one_block_of_eight_seconds_with_a_second_of_warmup(scenario: Scenario) -> None:
    quick = scenario.override(quick=True)
    assert (quick.blocks, quick.workload.duration_s, quick.workload.warmup_s) == (1, 8.0, 1.0)
    assert windows(quick) == [(3.2, 6.4), (6.4, 8.0)]
    assert quick.hypothesis == scenario.hypothesis


def test_what_is_given_beside_quick_wins(scenario: Scenario) -> None:
    quick = scenario.override(quick=True, blocks=2, duration="4s", seed=9)
    assert (quick.blocks, quick.workload.duration_s, quick.seed) == (2, 4.0, 9)


def test_quick_does_not_lengthen_a_short_run() -> None:
    scenario = load_text("version: 1\nname: x\nworkload: {duration: 5s, warmup: 0s}\n", "x.yaml")
    quick = scenario.override(quick=True)
    assert (quick.workload.duration_s, quick.workload.warmup_s) == (5.0, 0.0)


def test_quick_leaves_out_a_hypothesis_that_it_cannot_answer() -> None:
    text = "version: 1\nname: x\nhypothesis: {metric: accept_latency_ms.p99, variant: sync, expect: '< 9'}\n"
    scenario = load_text(text, "x.yaml")
    assert scenario.hypothesis is not None
    assert scenario.override(quick=True).hypothesis is None


def test_chosen_variants_keep_what_speaks_of_them(scenario: Scenario) -> None:
    chosen = scenario.override(variants=["events"])
    assert chosen.variant_names == ("events",)
    assert [fault.name for fault in chosen.faults] == ["latency-email"]
    assert list(chosen.thresholds) == ["registrations.lost"]
    assert chosen.hypothesis is None


def test_a_base_that_the_file_does_not_run_can_be_chosen(scenario: Scenario) -> None:
    chosen = scenario.override(variants=["events", "sync", "sync-concurrent"])
    assert chosen.variant_names == ("events", "sync", "sync-concurrent")
    assert chosen.hypothesis == scenario.hypothesis


def test_an_option_of_a_chosen_variant_stays(scenario: Scenario) -> None:
    (variant,) = scenario.override(variants=["sync-hurried"]).variants
    assert (variant.base, variant.timeout_ms) == ("sync", 200.0)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"rate": 0.0}, "the command line: workload.rate: 0.0 must be above 0"),
        ({"rate": float("nan")}, "the command line: workload.rate: nan is no finite number"),
        ({"blocks": 0}, "the command line: blocks: 0 must be 1 or more"),
        ({"duration": "9"}, "the command line: --duration: '9' needs a unit: 9ms or 9s"),
        ({"duration": "0s"}, "the command line: --duration: the duration must be above 0ms"),
        ({"variants": ["evnts"]}, "the command line: --variant: 'evnts' is no variant; did you mean 'events'?"),
    ],
)
def test_a_change_that_makes_no_scenario_is_refused(
    scenario: Scenario, changes: dict[str, object], sentence: str
) -> None:
    with pytest.raises(ScenarioError) as caught:
        scenario.override(**changes)  # type: ignore[arg-type]
    assert str(caught.value).splitlines()[0] == sentence


def test_what_was_overridden_is_stored_and_read_back(scenario: Scenario) -> None:
    for changed in (scenario.override(quick=True), scenario.override(duration="7.77s"), scenario.override(rate=1 / 3)):
        assert load_text(dump(changed.resolved()), "stored") == changed
