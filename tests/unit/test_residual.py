"""Measured minus predicted: zero for a trial that went as predicted, and what was added where something was."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from as_predicted import frames_of, trial_of

from benchmarks.analysis import residual
from benchmarks.analysis.residual import Residuals, RunResiduals, columns, compare_run, residuals
from benchmarks.planning.plan import Plan, make_plan
from benchmarks.planning.prediction import Prediction, Unpredicted
from benchmarks.scenario import Scenario, load_text
from benchmarks.trial_result import TrialResult
from virtual import predict as prediction_module
from virtual.predict import predict

HEAD = "version: 1\nname: x\nworkload: {rate: 20, duration: 10s, warmup: 1s, arrivals: uniform}\n"
HEAD += "services: {email: {latency: 50ms}, analytics: {latency: 20ms}, cache: {latency: 10ms}}\n"
SLOW = "faults: [{target: email, type: latency, at: 4s, duration: 2s, latency: 300ms}]\n"
Change = Callable[[pd.DataFrame, pd.DataFrame], None]


def scenario_of(text: str) -> Scenario:
    return load_text(HEAD + text, "x")


def held(text: str, variant: str, change: Change | None = None) -> Residuals:
    """A trial that went as predicted, but for a change."""
    scenario = scenario_of(text)
    prediction = predict(make_plan(scenario), variant)
    assert isinstance(prediction, Prediction)
    history, effects = frames_of(prediction)
    if change is not None:
        change(history, effects)
    return residuals(history, effects, prediction, scenario)


@pytest.mark.parametrize("variant", ["sync", "events"])
@pytest.mark.parametrize("text", ["", SLOW, SLOW.replace("latency,", "error,").replace(", latency: 300ms", "")])
def test_a_trial_that_went_as_predicted_has_no_residual(text: str, variant: str) -> None:
    found = held(text, variant)
    assert np.nanmax(np.abs(found.accept_ms)) == 0
    assert np.nanmax(np.abs(found.completion_ms)) == 0
    for times in (*found.done_ms.values(), *found.work_ms.values()):
        assert np.nanmax(np.abs(times)) == 0
    assert not (found.accept_differs | found.completion_differs | found.on_edge).any()


def test_what_each_step_took_longer_is_found_where_it_was_added() -> None:
    def change(history: pd.DataFrame, effects: pd.DataFrame) -> None:
        history["answered_ns"] += 3_000_000
        effects["applied_ns"] += 2_000_000
        effects.loc[effects["service"] == "cache", "started_ns"] += 1_500_000

    found = held("", "events", change)
    assert found.accept_ms == pytest.approx(3.0)
    assert found.completion_ms == pytest.approx(2.0)
    assert found.work_ms["email"] == pytest.approx(2.0)
    assert found.work_ms["cache"] == pytest.approx(0.5)


def test_where_measured_and_predicted_outcome_differ_there_is_no_time_but_a_count() -> None:
    def change(history: pd.DataFrame, effects: pd.DataFrame) -> None:
        history.loc[history["index"] < 3, "outcome"] = "indeterminate"
        effects.loc[(effects["index"] == 7) & (effects["service"] == "cache"), "applied_ns"] = pd.NA

    found = held("", "sync", change)
    assert np.flatnonzero(found.accept_differs).tolist() == [0, 1, 2]
    assert np.flatnonzero(found.completion_differs).tolist() == [7]
    assert np.isnan(found.accept_ms).sum() == 3
    assert np.isnan(found.completion_ms).sum() == 1


def test_work_that_began_on_the_other_side_of_a_faults_edge_is_told_apart() -> None:
    """Arrivals come every 50 ms; what arrived at 3.95 s begins 50 ms later, as the fault does."""

    def change(_: pd.DataFrame, effects: pd.DataFrame) -> None:
        of_it = (effects["index"] == 79) & (effects["service"] == "email")
        effects.loc[of_it, "started_ns"] += 50_000_000
        effects.loc[of_it, "applied_ns"] += 350_000_000
        late = effects["index"].isin([78, 80])  # as late, and on its own side
        effects.loc[late, ["started_ns", "applied_ns"]] += 40_000_000

    assert np.flatnonzero(held(SLOW, "events", change).on_edge).tolist() == [79]
    elsewhere = SLOW.replace("email", "cache")
    assert not held(elsewhere, "events", change).on_edge.any(), "another service's fault is none of its business"
    others = SLOW.replace("300ms}", "300ms, variants: [sync]}")
    assert not held(others, "events", change).on_edge.any(), "a fault that does not meet the variant"


def test_the_end_of_work_matters_only_to_what_stops_the_process() -> None:
    def change(_: pd.DataFrame, effects: pd.DataFrame) -> None:
        """The work of 3.9 s would be over at 3.95 s; it ends after 4 s."""
        of_it = (effects["index"] == 78) & (effects["service"] == "email")
        effects.loc[of_it, "applied_ns"] += 60_000_000

    paused = "faults: [{target: email, type: pause, at: 4s, duration: 2s}]\n"
    assert np.flatnonzero(held(paused, "events", change).on_edge).tolist() == [78]
    assert not held(SLOW, "events", change).on_edge.any()


def trials_of(plan: Plan) -> list[TrialResult]:
    """Every trial of a plan, each as predicted, and answered a millisecond later."""
    results = [
        trial_of(plan, trial) for trial in plan.trials if isinstance(predict(plan, trial.variant.name), Prediction)
    ]
    for result in results:
        result.frames.history["answered_ns"] += 1_000_000
    return results


def compared(plan: Plan) -> RunResiduals:
    return compare_run(plan.scenario, trials_of(plan), partial(predict, plan))


def test_a_run_pools_its_trials_and_keeps_a_row_for_each_registration() -> None:
    plan = make_plan(scenario_of("blocks: 2\n"))
    found = compared(plan)
    summary = found.summary["sync"]
    assert (summary.n, summary.trials, summary.trials_not_compared) == (400, 2, 0)
    assert summary.accept_ms == pytest.approx({"p50": 1.0, "p95": 1.0, "p99": None, "max": 1.0})
    assert summary.not_compared is None
    assert list(found.frame.columns) == columns(plan.scenario.services)
    assert len(found.frame) == 800
    assert found.predicted["sync"] == predict(plan, "sync").as_dict()


def test_a_closed_load_is_predicted_in_figures_and_not_compared() -> None:
    """Which arrivals there are depends on the replies, so the fifth of one is not the fifth of the other."""
    closed = HEAD.replace("rate: 20", "executor: constant-vus, vus: 2").replace(", arrivals: uniform", "")
    found = compared(make_plan(load_text(closed + "variants: [sync]\n", "x")))
    summary = found.summary["sync"]
    assert "depends on the replies" in str(summary.not_compared)
    assert (summary.n, summary.accept_ms) == (0, dict.fromkeys(("p50", "p95", "p99", "max")))
    assert found.predicted["sync"]["accept_latency_ms"]["p50"] == pytest.approx(80)
    assert found.frame.empty


def test_what_is_too_much_for_a_run_is_left_out_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    plan = make_plan(scenario_of("blocks: 3\n"))
    monkeypatch.setattr(residual, "MOST_ARRIVALS_OF_A_RUN", 4 * 220)
    summary = compared(plan).summary
    assert [(of.trials, of.trials_not_compared) for of in summary.values()] == [(2, 1), (2, 1)]
    monkeypatch.setattr(residual, "MOST_ARRIVALS_OF_A_RUN", 0)
    assert compared(plan).summary["sync"].not_compared == "more than 0 arrivals in the run"


def test_a_later_block_that_is_not_predicted_says_why_nothing_was_compared() -> None:
    plan = make_plan(scenario_of("blocks: 2\n"))
    later = [trial for trial in trials_of(plan) if trial.facts.block == 1]

    def only_the_first(variant: str, block: int) -> Prediction | Unpredicted:
        return (
            predict(plan, variant, block)
            if block == 0
            else Unpredicted(variant, block, "the draws of this block do not end")
        )

    summary = compare_run(plan.scenario, later, only_the_first).summary["sync"]
    assert (summary.trials, summary.trials_not_compared) == (0, 1)
    assert summary.not_compared == "the draws of this block do not end"


def test_a_trial_with_too_many_arrivals_is_not_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prediction_module, "MOST_ARRIVALS_OF_A_TRIAL", 219)
    plan = make_plan(scenario_of(""))
    found = compared(plan)
    assert found.summary["sync"].not_compared == "too many arrivals: 220 a trial, 219 at most"
    assert found.frame.empty


def test_a_run_without_a_finished_trial_is_compared_to_nothing(tmp_path: Path) -> None:
    plan = make_plan(scenario_of(""))
    found = compare_run(plan.scenario, [], partial(predict, plan))
    assert found.summary["events"].not_compared == "no trial was finished"
    found.frame.to_parquet(tmp_path / "residuals.parquet")
    assert list(pd.read_parquet(tmp_path / "residuals.parquet").columns) == columns(("email", "analytics", "cache"))
