"""The plan: trials in balanced order, windows, utilisation and what to be warned of."""

from __future__ import annotations

import json
import math
from collections import Counter

import numpy as np
import pytest
from scipy import stats

from benchmarks.analysis.calibration import NoiseFloor
from benchmarks.planning.detect import ASSUMED_SD, smallest_effect
from benchmarks.planning.plan import Plan, make_plan
from benchmarks.scenario import load_text
from benchmarks.scenario.override import override
from registration.luck import block_seed

SLOW = """
workload: {rate: 60, duration: 25s}
faults:
  - {target: email, type: latency, at: 8s, duration: 8s, latency: 800ms}
"""


def plan(text: str = "") -> Plan:
    return make_plan(load_text("version: 1\nname: x\n" + text, "x"))


def test_each_block_has_one_trial_of_each_variant_in_the_order_of_the_scenario_first() -> None:
    trials = plan("variants: [sync, sync-concurrent, events]").trials
    assert [trial.variant.name for trial in trials[:3]] == ["sync", "sync-concurrent", "events"]
    assert [trial.number for trial in trials] == list(range(1, 10))
    for block in range(3):
        assert {t.variant.name for t in trials if t.block == block} == {"sync", "sync-concurrent", "events"}


def test_two_variants_take_turns_at_going_first() -> None:
    firsts = [trial.variant.name for trial in plan("blocks: 4").trials[::2]]
    assert firsts == ["sync", "events", "events", "sync"]


def test_within_as_many_blocks_as_variants_each_has_each_place_once() -> None:
    trials = plan("variants: [sync, sync-concurrent, events]\nblocks: 6").trials
    for half in (trials[:9], trials[9:]):
        places = Counter((trial.variant.name, (trial.number - 1) % 3) for trial in half)
        assert set(places.values()) == {1}


def test_the_trials_of_a_block_share_its_seed_and_arrivals() -> None:
    planned = plan("seed: 7")
    assert [trial.block_seed for trial in planned.trials] == [block_seed(7, block) for block in (0, 0, 1, 1, 2, 2)]
    assert np.array_equal(planned.schedule(planned.trials[0].block_seed), planned.schedule(block_seed(7, 0)))


def test_a_trial_s_label_is_its_number_and_variant() -> None:
    assert [trial.label for trial in plan().trials[:2]] == ["01-sync", "02-events"]


def test_utilisation_is_rate_times_work_over_slots_between_the_edges_of_faults() -> None:
    email = [row for row in plan(SLOW).utilisation if row.service == "email"]
    assert [(row.begin_s, row.end_s, row.faults) for row in email] == [
        (0, 8, ()),
        (8, 16, ("latency-email",)),
        (16, 25, ()),
    ]
    assert [row.utilisation for row in email] == pytest.approx([60 * 0.02 / 64, 60 * 0.82 / 64, 60 * 0.02 / 64])


def test_a_probability_counts_in_proportion_and_overlaps_add_up() -> None:
    text = (
        "faults:\n  - {target: cache, type: latency, at: 0s, duration: 20s, latency: 100ms, probability: 0.5}\n"
        "  - {target: cache, type: latency, at: 0s, duration: 20s, latency: 10ms, jitter: 10ms}\n"
    )
    (row,) = [row for row in plan(text).utilisation if row.service == "cache"]
    assert row.work_ms == pytest.approx(2 + 50 + 10)


def test_one_slow_instance_is_judged_by_its_own_share_of_the_arrivals() -> None:
    text = (
        "workload: {rate: 100}\nservices: {email: {instances: 2, concurrency: 10}}\n"
        "faults:\n  - {target: email/1, type: latency, at: 0s, duration: 20s, latency: 280ms}\n"
    )
    planned = plan(text)
    assert next(row for row in planned.utilisation if row.service == "email").utilisation == pytest.approx(1.5)
    assert planned.warnings[0].startswith("email/1 is overloaded from 0ms to 20s (latency-email-1): utilisation 1.50")


def test_a_hang_has_infinite_utilisation_which_json_calls_null() -> None:
    planned = plan("faults:\n  - {target: email, type: hang, at: 1s, duration: 2s}\n")
    rows = [row for row in planned.utilisation if row.service == "email"]
    assert [math.isinf(row.utilisation) for row in rows] == [False, True, False]
    assert planned.warnings == (
        "email does nothing from 1s to 3s (hang-email): its queue grows by every arrival until it heals",
    )
    stored = json.loads(json.dumps(planned.as_dict(), allow_nan=False))
    assert stored["utilisation"][1]["utilisation"] is None


def test_a_run_without_overload_has_no_warnings() -> None:
    assert plan(SLOW).warnings == ()


def test_more_instances_than_partitions_are_warned_of() -> None:
    planned = plan("services: {cache: {instances: 3}}\nbroker: {partitions: 2}")
    assert planned.warnings == (
        "events: 1 of the 3 instances of cache will be idle, since the topic has 2 partitions; raise broker.partitions",
    )
    assert plan("services: {cache: {instances: 3}}\nbroker: {partitions: 2}\nvariants: [sync]").warnings == ()


def test_too_few_blocks_for_a_verdict_are_warned_of() -> None:
    text = "hypothesis: {metric: drain_s, variant: sync, expect: '< 9'}\nblocks: 2"
    assert plan(text).warnings == ("2 blocks give no interval and no verdict; use 3",)


AWAY = "faults: [{target: email, type: TYPE, at: 2s, duration: 12s}]\nservices: {email: {instances: 2}}\n"


@pytest.mark.parametrize("type_", ["kill", "pause"])
def test_a_fault_that_outlasts_the_session_of_a_consumer_is_warned_of(type_: str) -> None:
    (warning,) = [one for one in plan(AWAY.replace("TYPE", type_)).warnings if "session" in one]
    assert warning.startswith(
        f"{type_}-email: email is away for 12 s, and after 10 s (the session) its consumer group goes on without it"
    )
    assert "counts as duplicated" in warning


@pytest.mark.parametrize(
    "text", [AWAY.replace("12s", "10s"), AWAY + "variants: [sync]\n", AWAY.replace("email,", "api,")]
)
def test_a_fault_that_no_session_ends_of_is_not(text: str) -> None:
    assert not [one for one in plan(text.replace("TYPE", "kill")).warnings if "session" in one]


def test_what_a_quick_run_leaves_out_is_said() -> None:
    text = "version: 1\nname: x\nworkload: {duration: 25s}\nthresholds: {registrations.complete: ['> 80']}\n"
    (warning,) = make_plan(override(load_text(text, "x"), quick=True)).warnings
    assert warning == (
        "--quick leaves out the threshold 'registrations.complete' > 80: "
        "the count was meant for 25s, and this run lasts 8s"
    )


def test_the_plan_says_what_difference_of_shares_stands_out() -> None:
    text = SLOW + "hypothesis: {metric: 'slo_ratio{window:during}', difference: events-sync, expect: '> 0.5'}"
    part = plan(text).detectable[0]
    assert part.arrivals is not None
    assert 440 < part.arrivals < 530
    chance = math.sqrt(2 * 0.25 / part.arrivals)  # two shares, each at its most uncertain
    assert part.smallest_difference == pytest.approx(smallest_effect(3, chance))


def test_the_plan_says_how_well_a_percentile_is_known() -> None:
    text = "hypothesis: {metric: accept_latency_ms.p95, ratio: events/sync, expect: '< 1'}"
    part = plan(text).detectable[0]
    assert part.smallest_difference is None
    assert part.smallest_ratio == pytest.approx(math.exp(smallest_effect(3, ASSUMED_SD)))
    assert "the p95 of one trial lies between the 93.6 % and the 96.4 % quantile" in part.sentence


@pytest.mark.parametrize("blocks", [3, 5, 10, 30])
def test_the_smallest_effect_is_found_in_four_runs_of_five(blocks: int) -> None:
    effect = smallest_effect(blocks, 0.03)
    limit, freedom = stats.t.ppf(0.975, blocks - 1), blocks - 1
    shift = effect * math.sqrt(blocks) / 0.03
    power = stats.nct.sf(limit, freedom, shift) + stats.nct.cdf(-limit, freedom, shift)
    assert power == pytest.approx(0.8, abs=1e-4)


def test_ten_pairs_find_one_standard_deviation() -> None:
    assert smallest_effect(10, 1.0) == pytest.approx(0.996, abs=5e-4)  # as tables of power have it (Cohen 1988)


def test_fewer_than_three_blocks_detect_nothing_and_say_so() -> None:
    with pytest.raises(ValueError, match="2 blocks"):
        smallest_effect(2, 0.03)
    part = plan("blocks: 2").detectable[0]
    assert part.smallest_ratio is None
    assert "use 3 blocks or more" in part.sentence


def test_accept_and_completion_are_told_of_whatever_the_hypothesis_and_one_variant_alone_is_not() -> None:
    assert [part.metric for part in plan("").detectable] == ["accept_latency_ms.p50", "completion_latency_ms.p50"]
    text = "hypothesis: {metric: accept_latency_ms.p50, ratio: events/sync, expect: '< 1'}"
    assert [part.metric for part in plan(text).detectable] == ["accept_latency_ms.p50", "completion_latency_ms.p50"]
    assert plan("variants: [sync]").detectable == ()


def test_the_noise_floor_of_the_machine_says_what_can_be_detected() -> None:
    entry = {
        "blocks": 5,
        "metrics": {
            "accept_latency_ms.p50": {"kind": "ratio", "low": 0.9, "high": 1.1, "sd": 0.1},
            "slo_ratio": {"kind": "difference", "low": 0, "high": 0, "sd": 0.0},
        },
    }
    floor = NoiseFloor.of({"calibration": {"noise_floor": {"here": entry}}}, "here")
    text = "hypothesis: {metric: slo_ratio, difference: events-sync, expect: '> 0'}"
    share, accept, completion = make_plan(plan(text).scenario, floor).detectable
    assert accept.smallest_ratio == pytest.approx(math.exp(smallest_effect(3, 0.1)))
    assert accept.sd_from == "sd 0.1, measured by A/A"
    assert "assumed" in str(completion.sd_from)
    assert "chance alone" in str(share.sd_from)  # shares that did not move say nothing of how far they could


def test_the_estimate_counts_every_trial_and_the_backlog_that_must_drain() -> None:
    calm, overloaded = plan(SLOW), plan(SLOW.replace("800ms", "8s"))
    assert 6 * 28 < calm.estimated_s < 6 * 33
    assert overloaded.estimated_s > calm.estimated_s + 6 * 30


def test_the_plan_is_the_same_for_the_same_scenario() -> None:
    assert plan(SLOW) == plan(SLOW)
    assert plan(SLOW).as_dict() == plan(SLOW).as_dict()


RAMP = (
    "workload: {executor: ramping-arrival-rate, stages: [{duration: 10s, target: 100}, {duration: 10s, target: 20}]}\n"
)
CLOSED = "workload: {executor: constant-vus, vus: 20, duration: 10s}\n"


def test_the_utilisation_of_a_ramp_is_that_of_its_highest_rate_between_two_edges() -> None:
    planned = plan(RAMP + "faults:\n  - {target: email, type: latency, at: 5s, duration: 10s, latency: 10ms}\n")
    email = [(row.begin_s, row.end_s, row.utilisation) for row in planned.utilisation if row.service == "email"]
    assert email == [
        (0, 5, pytest.approx(50 * 0.02 / 64)),
        (5, 10, pytest.approx(100 * 0.03 / 64)),
        (10, 15, pytest.approx(100 * 0.03 / 64)),
        (15, 20, pytest.approx(60 * 0.02 / 64)),
    ]


def test_a_closed_load_has_no_utilisation_and_says_that_its_arrivals_are_not_known() -> None:
    planned = plan(CLOSED + "hypothesis: {metric: accept_ratio, variant: sync, expect: '> 0'}")
    assert planned.utilisation == ()
    first = planned.detectable[0]
    assert (first.arrivals, first.sentence) == (
        None,
        "accept_ratio: a closed load, 3 blocks: only a run shows how far chance moves this figure",
    )
    stored = planned.as_dict()
    assert (stored["executor"], stored["arrivals_per_trial"]) == ("constant-vus", None)
    assert planned.estimated_s == pytest.approx(6 * 16 + 3)


@pytest.mark.parametrize(
    ("type_", "sentence"),
    [
        ("pause", "email does nothing from 1s to 3s (pause-email): its queue grows by every arrival until it heals"),
        ("kill", "email is down from 1s to 3s (kill-email): calls to it are refused, events wait until it is back"),
    ],
)
def test_a_process_that_stands_still_is_noted(type_: str, sentence: str) -> None:
    assert plan(f"faults:\n  - {{target: email, type: {type_}, at: 1s, duration: 2s}}\n").warnings == (sentence,)


def test_windows_of_process_faults_are_in_the_plan_and_a_restart_ends_as_it_begins() -> None:
    planned = plan(
        "faults:\n  - {target: api, type: restart, at: 2s}\n  - {target: api, type: kill, at: 5s, duration: 1s}\n"
    )
    windows = [(w.name, w.type, w.target, w.begin_ns, w.end_ns) for w in planned.fault_windows]
    assert windows == [
        ("restart-api", "restart", "api", 2_000_000_000, 2_000_000_000),
        ("kill-api", "kill", "api", 5_000_000_000, 6_000_000_000),
    ]
    assert (planned.during, planned.after_ns) == ((5_000_000_000, 6_000_000_000), 6_000_000_000)
    assert planned.as_dict()["after_ns"] == 6_000_000_000
    assert planned.warnings == (), "the API has no slots that could be overloaded"
