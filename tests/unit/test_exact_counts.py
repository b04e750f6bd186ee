"""Three services that fail one call in ten: the seeded draws alone say every count of the reconciliation."""

from __future__ import annotations

from pathlib import Path

import pytest
from draws import WAYS, Expected, expected, filled
from synthetic import Script, facts_of

from benchmarks.analysis.reconcile import reconcile
from benchmarks.load.rows import Outcome
from benchmarks.planning.plan import make_plan
from benchmarks.planning.prediction import Prediction
from benchmarks.scenario import Scenario, load_text
from benchmarks.values.times import NEVER
from registration import luck
from virtual.predict import predict

RATES = {"email": 0.1, "analytics": 0.1, "cache": 0.1}
SCENARIO = f"""
version: 1
name: one-in-ten
workload: {{rate: 60, duration: 5s, warmup: 1s}}
services: {{email: {{errorRate: 0.1}}, analytics: {{errorRate: 0.1}}, cache: {{errorRate: 0.1}}}}
variants: [{", ".join(WAYS)}]
blocks: 1
"""
BLOCK_SEED = luck.block_seed(1, 0)


@pytest.fixture(scope="module")
def scenario() -> Scenario:
    return load_text(SCENARIO, "one-in-ten")


def drawn(variant: str, arrivals: int = 300) -> Expected:
    return expected(variant, BLOCK_SEED, range(arrivals), RATES)


def as_recorded(prediction: Prediction, variant: str) -> Script:
    """The trial that the plan comes to by its prediction, as its processes would have recorded it."""
    script = Script(facts_of(variant=variant, base=variant, block_seed=BLOCK_SEED))
    for index, intended_ns in enumerate(prediction.intended_ns.tolist()):
        intended_ms, replied_ms = intended_ns / 1e6, float(prediction.replied_ns[index]) / 1e6
        accepted = bool(prediction.accepted[index])
        outcome, status = (Outcome.ACKED, 201) if accepted else (Outcome.FAILED, 502)
        script.arrival(index, intended_ms, intended_ms, replied_ms, outcome=outcome, status=status)
        script.api(index, intended_ms, intended_ms, replied_ms)
        for service, applied_ns in prediction.applied_ns.items():
            if applied_ns[index] != NEVER:
                script.effect(index, service, float(applied_ns[index]) / 1e6)
    return script


@pytest.mark.parametrize("variant", WAYS)
def test_a_predicted_trial_reconciles_to_exactly_what_was_drawn(
    variant: str, scenario: Scenario, tmp_path: Path
) -> None:
    script = as_recorded(predict(make_plan(scenario), variant), variant)
    frames = script.frames(tmp_path)
    found, wanted = reconcile(frames.history, frames.effects, script.facts), drawn(variant)
    assert found.registrations == filled(wanted.registrations, found.registrations)
    assert found.effects == filled(wanted.effects, found.effects)
    for service, effects in found.effects_by_service.items():
        assert effects == filled(wanted.by_service[service], effects)
    acked = frames.history["outcome"] == "acked"
    assert acked.to_list() == [fate.acked for fate in wanted.fates.values()]


def test_three_in_a_row_accept_what_three_times_nine_in_ten_leave() -> None:
    for variant in ("sync", "sync-concurrent"):
        assert drawn(variant, 20_000).accept_ratio == pytest.approx(0.729, abs=0.01)  # three standard errors


def test_calling_at_once_accepts_the_same_people_and_leaves_more_half_done() -> None:
    in_turn, at_once = drawn("sync"), drawn("sync-concurrent")
    assert in_turn.counts == at_once.counts
    assert [fate.acked for fate in in_turn.fates.values()] == [fate.acked for fate in at_once.fates.values()]
    assert at_once.registrations["unexpected"] > in_turn.registrations["unexpected"]


def test_events_complete_all_and_retry_one_in_nine() -> None:
    found = drawn("events", 20_000)
    assert found.accept_ratio == 1
    assert found.registrations["complete"] == 20_000
    retries = sum(sum(fate.failed_attempts.values()) for fate in found.fates.values())
    assert retries / 60_000 == pytest.approx(1 / 9, abs=0.005)
