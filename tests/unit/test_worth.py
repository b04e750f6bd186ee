"""What a verdict is worth: prediction, reach, cost, and what speaks for the other side."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from stored import stored_run
from synthetic import run_of, scenario_of

from benchmarks.analysis.calibration import NoiseFloor
from benchmarks.analysis.slo_curve import CANDIDATES_MS
from benchmarks.analysis.summary import summarise
from benchmarks.analysis.summary_model import Floor, PartVerdict, Summary
from benchmarks.analysis.worth import Evidence, with_worth
from benchmarks.scenario import Scenario
from benchmarks.trial_result import TrialResult

SHARE = "slo_ratio{window:during}"


@pytest.fixture(scope="module")
def trials(tmp_path_factory: pytest.TempPathFactory) -> list[TrialResult]:
    return run_of(scenario_of(), tmp_path_factory.mktemp("raw"))


def asked(trials: list[TrialResult], predicted: Mapping[str, object] | None = None, **changes: object) -> Summary:
    return summarise(scenario_of(**changes), trials, predicted=predicted)  # type: ignore[arg-type]


def question(metric: str, expect: str, **sides: str) -> dict[str, object]:
    return {"hypothesis": {"metric": metric, "expect": expect, **(sides or {"difference": "events-sync"})}}


def part(summary: Summary) -> PartVerdict:
    return summary.parts[0]


def told(sync: float, events: float) -> dict[str, object]:
    """A prediction of the share within the SLO during the fault."""
    return {name: {"windows": {"during": {"slo_ratio": share}}} for name, share in (("sync", sync), ("events", events))}


def test_a_prediction_on_the_verdict_s_side_is_as_predicted(trials: list[TrialResult]) -> None:
    found = part(asked(trials, told(0.0, 1.0)))
    assert found.predicted == 1.0
    assert found.as_predicted


def test_a_prediction_on_the_other_side_is_not(trials: list[TrialResult]) -> None:
    found = part(asked(trials, told(0.8, 1.0)))
    assert found.predicted == pytest.approx(0.2)
    assert not found.as_predicted


def test_a_refuted_expectation_can_be_as_predicted_too(trials: list[TrialResult]) -> None:
    assert part(asked(trials, told(0.0, 1.0), **question(SHARE, "< 0.5"))).as_predicted


def test_without_a_prediction_nothing_is_added(trials: list[TrialResult]) -> None:
    found = part(asked(trials))
    assert (found.predicted, found.adds, found.as_predicted) == (None, None, False)


def test_what_the_measurement_adds_to_shares_is_a_difference(trials: list[TrialResult]) -> None:
    added = part(asked(trials, told(0.1, 1.0))).adds
    assert added is not None
    assert added.estimate == pytest.approx(0.1, abs=0.01)
    assert added.ci95 is not None
    assert added.ci95[0] <= added.estimate <= added.ci95[1]


def test_what_it_adds_to_a_ratio_is_a_ratio(trials: list[TrialResult]) -> None:
    foretold = {name: {"accept_latency_ms": {"p50": ms}} for name, ms in (("sync", 30.0), ("events", 3.0))}
    found = part(asked(trials, foretold, **question("accept_latency_ms.p50", "< 0.5", ratio="events/sync")))
    assert found.predicted == pytest.approx(0.1)
    assert found.adds is not None
    assert found.adds.estimate == pytest.approx((found.estimate or 0) / 0.1)


def test_a_side_predicted_to_take_no_time_leaves_no_ratio_of_ratios(trials: list[TrialResult]) -> None:
    foretold = {name: {"accept_latency_ms": {"p50": ms}} for name, ms in (("sync", 30.0), ("events", 0.0))}
    found = part(asked(trials, foretold, **question("accept_latency_ms.p50", "< 0.5", ratio="events/sync")))
    assert (found.predicted, found.adds, found.as_predicted) == (0.0, None, True)


def test_each_block_is_held_against_its_own_prediction(trials: list[TrialResult]) -> None:
    own = {name: {block: told(0.0, 1.0)[name] for block in (1, 2)} for name in ("sync", "events")}
    summary = summarise(scenario_of(), trials, predicted=told(0.3, 1.0), predicted_blocks=own)  # type: ignore[arg-type]
    added = part(summary).adds
    assert added is not None
    assert added.estimate == pytest.approx(0.3 / 3, abs=0.01)


@pytest.mark.parametrize(("edge", "outside"), [(0.05, True), (0.5, False)])
def test_what_is_added_is_held_against_the_noise_floor(trials: list[TrialResult], edge: float, outside: bool) -> None:
    floor = NoiseFloor(metrics={SHARE: Floor("difference", -edge, edge)})
    scenario = scenario_of()
    summary = asked(trials, told(0.1, 1.0))
    again = with_worth(summary, scenario.hypothesis, Evidence(scenario.slo, curves_of(trials, scenario), floor))
    assert part(again).adds is not None
    assert part(again).adds.outside_floor is outside  # type: ignore[union-attr]


def curves_of(trials: list[TrialResult], scenario: Scenario) -> dict[str, dict[int, dict]]:
    from benchmarks.analysis.trial_metrics import measure
    from benchmarks.scenario.sample import windows_bounds_ns

    curves: dict[str, dict[int, dict]] = {}
    for trial in trials:
        frames, facts = trial.frames, trial.facts
        found = measure(frames.history, frames.effects, facts, scenario.slo, windows_bounds_ns(scenario), trial.lag)
        curves.setdefault(facts.variant, {})[facts.block] = dict(found.curves)
    return curves


def test_the_verdict_holds_between_what_one_side_takes_and_what_the_other_takes(trials: list[TrialResult]) -> None:
    # Email takes 800 ms longer; events reply after about 4 ms.
    holds = part(asked(trials)).holds_for
    assert holds is not None
    assert holds.accept_slo_ms is not None
    low, high = holds.accept_slo_ms
    assert 3.5 < low < 5  # type: ignore[operator]
    assert 780 < high < 860  # type: ignore[operator]


@pytest.mark.parametrize("edge", [0, 1])
def test_at_the_ends_of_the_range_the_verdict_is_the_same_and_beyond_them_it_is_not(
    trials: list[TrialResult], edge: int
) -> None:
    found = part(asked(trials)).holds_for
    assert found is not None
    assert found.accept_slo_ms is not None
    at = float(found.accept_slo_ms[edge] or 0)
    place = int(np.searchsorted(CANDIDATES_MS, at))
    beyond = float(CANDIDATES_MS[place + (1 if edge else -1)])

    def verdict(accept_ms: float) -> str | None:
        return part(asked(trials, slo={"accept": f"{accept_ms}ms", "complete": "30s"})).verdict

    assert (verdict(at), verdict(beyond) == "confirmed") == ("confirmed", False)


def test_an_end_that_no_slo_reaches_is_open(trials: list[TrialResult]) -> None:
    holds = part(asked(trials)).holds_for
    assert holds is not None
    assert holds.complete_slo_ms is not None
    low, high = holds.complete_slo_ms
    assert low is not None
    assert high is None


def test_a_metric_without_an_slo_says_the_strictest_bound(trials: list[TrialResult]) -> None:
    found = part(asked(trials, **question("accept_latency_ms.p50", "< 0.5", ratio="events/sync")))
    assert found.holds_for is not None
    assert found.ci95 is not None
    assert found.holds_for.bound == found.ci95[1]
    assert found.holds_for.accept_slo_ms is None
    refuted = part(asked(trials, **question("accept_latency_ms.p50", "> 0.5", ratio="events/sync")))
    assert refuted.holds_for is not None
    assert refuted.ci95 is not None
    assert refuted.holds_for.bound == refuted.ci95[1]


def test_where_there_is_no_verdict_it_holds_for_nothing(trials: list[TrialResult]) -> None:
    assert part(asked(trials[:2])).holds_for is None


def test_where_a_bracket_decided_the_rows_are_not_asked_again(trials: list[TrialResult]) -> None:
    scenario = scenario_of()
    summary = asked(trials, told(0.0, 1.0))
    bracketed = replace(summary, comparison=replace(part(summary), bracket=(0.9, 1.0)))
    again = part(with_worth(bracketed, scenario.hypothesis, Evidence(scenario.slo, curves_of(trials, scenario))))
    assert (again.holds_for, again.adds, again.predicted) == (None, None, 1.0)


def better_for_the_loser(summary: Summary) -> dict[str, str]:
    assert summary.worth is not None
    return {one.metric: one.variant for one in summary.worth.losing_side_better}


def test_what_is_better_on_the_losing_side_is_said(trials: list[TrialResult]) -> None:
    found = better_for_the_loser(asked(trials))
    assert found["cpu_ms_per_registration.total"] == "sync"
    assert "accept_latency_ms.p50" not in found


def test_a_refuted_claim_of_one_side_speaks_against_it(trials: list[TrialResult]) -> None:
    # That sync is better by half is refuted, so what speaks for sync is its cost again.
    found = better_for_the_loser(asked(trials, **question(SHARE, "> 0.5", difference="sync-events")))
    assert set(found.values()) == {"sync"}


def test_a_part_that_holds_where_both_are_alike_speaks_against_nobody(trials: list[TrialResult]) -> None:
    assert better_for_the_loser(asked(trials, **question(SHARE, "> -0.2"))) == {}


def test_an_advantage_is_told_from_the_losing_side_s_view(trials: list[TrialResult]) -> None:
    summary = asked(trials)
    assert summary.worth is not None
    cpu = next(one for one in summary.worth.losing_side_better if one.metric.startswith("cpu"))
    assert cpu.over == "events"
    assert cpu.ci95[0] <= cpu.estimate <= cpu.ci95[1] < 1


def test_costs_count_what_is_late_and_what_is_missing(trials: list[TrialResult]) -> None:
    costs = asked(trials, slo={"accept": "300ms", "complete": "500ms"}).worth.costs  # type: ignore[union-attr]
    assert costs["events"].effects_missing == 0
    assert costs["events"].late > 100  # all of 6 s at 40/s, three times
    assert costs["events"].drain_s == pytest.approx(0.9)


def test_what_is_stored_is_read_back(tmp_path: Path) -> None:
    stored_run(tmp_path, predicted=True)
    summary = Summary.read(tmp_path / "summary.json")
    assert summary.worth is not None
    assert part(summary).holds_for is not None
    assert part(summary).adds is not None
    assert summary.slo_ms == {"accept": 300.0, "complete": 30_000.0}
