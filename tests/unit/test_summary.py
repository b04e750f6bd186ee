"""The whole of `summary.json`, from simulated trials."""

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from synthetic import SERVICES, result_of, run_of, scenario_of, write_results

from benchmarks.analysis.summary import summarise as summarised
from benchmarks.analysis.summary_model import Summary, plain
from benchmarks.metrics import METRICS
from benchmarks.metrics.definition import Definition
from benchmarks.scenario import Scenario
from benchmarks.scenario.metric import rows
from benchmarks.trial_result import TrialResult


def summarise(*args: Any, **kwargs: Any) -> dict[str, Any]:
    """As `summary.json` has it."""
    return summarised(*args, **kwargs).as_dict()


@pytest.fixture(scope="module")
def scenario() -> Scenario:
    return scenario_of()


@pytest.fixture(scope="module")
def trials(scenario: Scenario, tmp_path_factory: pytest.TempPathFactory) -> list[TrialResult]:
    return run_of(scenario, tmp_path_factory.mktemp("raw"))


@pytest.fixture(scope="module")
def summary(scenario: Scenario, trials: list[TrialResult]) -> dict:
    return summarise(scenario, trials)


@pytest.fixture(scope="module")
def overloaded(tmp_path_factory: pytest.TempPathFactory) -> dict:
    """Email does half of what arrives while it is slow."""
    scenario = scenario_of(
        hypothesis={"metric": "accept_latency_ms.p95{window:during}", "ratio": "events/sync", "expect": "< 1"}
    )
    return summarise(scenario, run_of(scenario, tmp_path_factory.mktemp("overloaded"), servers=16))


def leaves(value: object) -> Iterator[object]:
    if isinstance(value, Mapping):
        for item in value.values():
            yield from leaves(item)
    elif isinstance(value, list):
        for item in value:
            yield from leaves(item)
    else:
        yield value


class TestShape:
    def test_the_run_s_keys_come_as_specified(self, summary: dict) -> None:
        specified = ["format_version", "scenario", "claim", "seed", "valid", "invalid_reasons", "variants"]
        assert list(summary)[:10] == [*specified, "comparison", "comparisons", "thresholds"]
        assert summary["format_version"] == 1
        assert list(summary["variants"]) == ["sync", "events"]

    @pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
    def test_every_metric_is_in_every_variant_trial_and_window(self, metric: Definition, summary: dict) -> None:
        for variant in summary["variants"].values():
            windows = variant["windows"].values() if "window" in metric.tags else ()
            for figures in (variant, *variant["trials"], *windows):
                found = figures[metric.name]
                if metric.stats:
                    assert set(metric.stats) <= set(found)
                if "service" in metric.tags:
                    assert [list(of) for of in found["by_service"].values()] == [list(metric.stats)] * len(SERVICES)

    def test_what_is_not_kept_by_window_is_in_none(self, summary: dict) -> None:
        whole = {metric.name for metric in METRICS if "window" not in metric.tags}
        for variant in summary["variants"].values():
            assert list(variant["windows"]) == ["before", "during", "after"]
            assert not any(whole & set(window) for window in variant["windows"].values())

    def test_trials_come_one_by_one_with_the_same_keys(self, summary: dict) -> None:
        for variant in summary["variants"].values():
            assert [trial["block"] for trial in variant["trials"]] == [0, 1, 2]
            for trial in variant["trials"]:
                assert [*trial, "trials"] == ["trial", "block", *variant]

    def test_what_is_read_is_what_was_written(self, summary: dict) -> None:
        assert Summary.from_dict(json.loads(json.dumps(summary))).as_dict() == summary

    def test_a_file_that_is_no_summary_is_refused(self, summary: dict, tmp_path: Path) -> None:
        sync = {**summary["variants"]["sync"], "trials": [{"block": 0}]}
        for damaged in ([], {**summary, "valid": None}, {**summary, "variants": {"sync": sync}}):
            (tmp_path / "summary.json").write_text(json.dumps(damaged))
            with pytest.raises(ValueError, match="Summary"):
                Summary.read(tmp_path / "summary.json")

    def test_a_zero_has_its_bound_beside_it(self, summary: dict) -> None:
        offered = summary["variants"]["sync"]["counts"]["offered"]
        assert summary["variants"]["sync"]["zero_upper95"] == pytest.approx(1 - 0.05 ** (1 / offered), rel=1e-5)

    @pytest.mark.parametrize("category", ["complete", "lost", "stranded", "duplicated"])
    def test_a_share_of_endings_is_their_number_among_all_that_were_offered(
        self, category: str, overloaded: dict
    ) -> None:
        for variant in overloaded["variants"].values():
            for one in (variant, *variant["trials"]):
                share = one["registrations"][category] / one["counts"]["offered"]
                assert one[f"{category}_ratio"] == pytest.approx(share, rel=1e-5)
        assert overloaded["variants"]["sync"]["complete_ratio"] < 1

    def test_what_does_not_apply_is_null(self, summary: dict) -> None:
        sync, events = summary["variants"]["sync"], summary["variants"]["events"]
        assert sync["broker"] is None
        assert sync["consumer_lag_max"] is None
        assert events["broker"] == {"kind": "kafka", "version": "4.1.0"}
        assert events["consumer_lag_max"] > 0
        assert sync["windows"]["during"] is not None

    def test_recovery_is_that_of_every_trial(self, summary: dict) -> None:
        sync = summary["variants"]["sync"]
        times = [trial["recovery_s"] for trial in sync["trials"]]
        assert sync["recovery_s"] == pytest.approx(sum(times) / 3, rel=1e-5)
        assert (sync["recovered"], sync["recovered_trials"]) == (True, 3)
        assert [trial["recovered_trials"] for trial in sync["trials"]] == [1, 1, 1]

    def test_it_is_json_without_nan_and_with_six_digits(self, summary: dict) -> None:
        assert json.loads(json.dumps(summary, allow_nan=False)) == summary
        for leaf in leaves(summary):
            assert leaf is None or type(leaf) in (str, int, float, bool)
            if isinstance(leaf, float):
                assert leaf == float(f"{leaf:.6g}")

    def test_rounding_nulls_what_is_not_finite(self) -> None:
        assert plain({"a": [math.nan, math.inf, 1 / 3]}) == {"a": [None, None, 0.333333]}


class TestCombination:
    def test_counts_are_summed_over_trials(self, summary: dict) -> None:
        for variant in summary["variants"].values():
            for part in ("counts", "registrations"):
                for name, count in variant[part].items():
                    assert count == sum(trial[part][name] for trial in variant["trials"])
            assert variant["counts"]["offered"] == 3 * 800

    def test_latencies_are_geometric_means_of_the_trials(self, summary: dict) -> None:
        for variant in summary["variants"].values():
            trials = [trial["accept_latency_ms"]["p95"] for trial in variant["trials"]]
            assert variant["accept_latency_ms"]["p95"] == pytest.approx(math.prod(trials) ** (1 / 3), rel=1e-5)

    def test_ratios_come_from_the_sums(self, summary: dict) -> None:
        sync = summary["variants"]["sync"]["windows"]["during"]
        acked = sync["counts"]["acked"]
        assert sync["accept_ratio"] == pytest.approx(acked / sync["counts"]["offered"], rel=1e-5)

    def test_windows_add_up_to_the_whole(self, summary: dict) -> None:
        for variant in summary["variants"].values():
            for name in variant["counts"]:
                assert sum(part["counts"][name] for part in variant["windows"].values()) == variant["counts"][name]

    def test_both_sides_met_the_same_arrivals(self, summary: dict) -> None:
        windows = [variant["windows"]["during"]["counts"]["offered"] for variant in summary["variants"].values()]
        assert windows[0] == windows[1] > 0

    def test_without_faults_all_windows_are_null(self, tmp_path: Path) -> None:
        calm = scenario_of(faults=[], hypothesis=None, blocks=1)
        summary = summarise(calm, run_of(calm, tmp_path))
        for variant in summary["variants"].values():
            assert variant["windows"] == {"before": None, "during": None, "after": None}
        assert not any("window" in entry["metric"] for entry in summary["comparisons"])
        assert summary["comparison"] is None


class TestComparison:
    def test_the_hypothesis_is_confirmed_with_its_interval(self, summary: dict) -> None:
        comparison = summary["comparison"]
        assert comparison["metric"] == "slo_ratio{window:during}"
        assert comparison["difference"] == "events-sync"
        assert comparison["verdict"] == "confirmed"
        low, high = comparison["ci95"]
        assert 0.5 < low <= comparison["estimate"] <= high <= 1

    @pytest.mark.parametrize(("expect", "verdict"), [("< 0", "refuted"), ("> 0.998", "inconclusive")])
    def test_it_follows_from_the_interval(self, expect: str, verdict: str, trials: list[TrialResult]) -> None:
        other = scenario_of(
            hypothesis={"metric": "slo_ratio{window:during}", "difference": "events-sync", "expect": expect}
        )
        assert summarise(other, trials)["comparison"]["verdict"] == verdict

    def test_two_blocks_give_no_interval_and_no_verdict(self, scenario: Scenario, trials: list[TrialResult]) -> None:
        comparison = summarise(scenario, trials[:4])["comparison"]
        assert isinstance(comparison, dict)
        assert comparison["ci95"] is None
        assert comparison["verdict"] is None
        assert comparison["estimate"] > 0.5
        assert "3 blocks" in comparison["reason"]

    @pytest.mark.parametrize("missing", [0, 1])
    def test_a_block_of_which_only_one_side_finished_is_left_out(
        self, missing: int, scenario: Scenario, trials: list[TrialResult]
    ) -> None:
        comparison = summarise(scenario, trials[:missing] + trials[missing + 1 :])["comparison"]
        assert len(comparison["per_block"]) == 2

    def test_an_invalid_run_gives_no_verdict_but_keeps_its_figures(
        self, scenario: Scenario, trials: list[TrialResult]
    ) -> None:
        summary = summarise(scenario, trials, run_problems=["it was interrupted"])
        assert summary["valid"] is False
        assert summary["invalid_reasons"] == ["it was interrupted"]
        comparison = summary["comparison"]
        assert isinstance(comparison, dict)
        assert comparison["verdict"] is None
        assert comparison["reason"] == "the run is not valid, so it gives no verdict"
        assert comparison["ci95"] is not None

    def test_all_parts_of_a_hypothesis_have_to_hold(self, trials: list[TrialResult]) -> None:
        parts = [
            {"metric": "slo_ratio{window:during}", "difference": "events-sync", "expect": "> 0.5"},
            {"metric": "accept_latency_ms.p50", "ratio": "events/sync", "expect": "> 1"},
            {"metric": "registrations.lost", "variant": "events", "expect": "== 0"},
        ]
        comparison = summarise(scenario_of(hypothesis={"all": parts}), trials)["comparison"]
        assert isinstance(comparison, dict)
        assert [part["verdict"] for part in comparison["all"]] == ["confirmed", "refuted", "confirmed"]
        assert comparison["verdict"] == "refuted"
        assert comparison["reason"].startswith("accept_latency_ms.p50: none of")

    def test_each_event_side_is_compared_with_each_direct_side(self, summary: dict, tmp_path: Path) -> None:
        assert {entry.get("ratio", "events/sync") for entry in summary["comparisons"]} == {"events/sync"}
        three = scenario_of(variants=["sync", "sync-concurrent", "events"], blocks=1, hypothesis=None, thresholds={})
        entries = summarise(three, run_of(three, tmp_path))["comparisons"]
        assert isinstance(entries, list)
        assert {entry["ratio"] for entry in entries if "ratio" in entry} == {"events/sync", "events/sync-concurrent"}

    def test_every_row_that_compares_has_its_interval_in_the_summary(self, summary: dict) -> None:
        stored = [entry["metric"] for entry in (*summary["comparisons"], *summary["comparisons_alone"])]
        shown = [(row, metric) for row, metric in rows() if row.compared]
        inside = [str(metric.inside("during")) for row, metric in shown if row.in_fault]
        assert sorted(stored) == sorted([*(str(metric) for _, metric in shown), *inside])
        assert all(entry["p_holm"] is None for entry in summary["comparisons_alone"])

    def test_comparisons_have_marks_and_no_verdicts(self, summary: dict) -> None:
        for entry in summary["comparisons"]:
            assert {"metric", "estimate", "ci95", "mark"} <= set(entry)
            assert ("ratio" in entry) != ("difference" in entry)
            assert "verdict" not in entry


class TestSurvivorship:
    def test_latencies_of_different_people_give_no_verdict(self, overloaded: dict) -> None:
        assert overloaded["variants"]["sync"]["windows"]["during"]["accept_ratio"] < 0.9
        assert overloaded["comparison"]["verdict"] is None
        assert overloaded["comparison"]["mark"] == "survivorship"
        assert "slo_ratio counts everyone" in overloaded["comparison"]["reason"]

    def test_it_is_marked_in_the_comparisons_by_window(self, overloaded: dict) -> None:
        marks = {entry["metric"]: entry["mark"] for entry in overloaded["comparisons"]}
        assert marks["accept_latency_ms.p95{window:during}"] == "survivorship"
        assert marks["slo_ratio"] is None

    def test_the_backlog_is_a_finding_and_not_a_reason_against_the_run(self, overloaded: dict) -> None:
        assert overloaded["valid"] is True
        assert any(text.startswith("unstable: backlog grows") for text in overloaded["variants"]["events"]["findings"])


class TestThresholds:
    def test_without_a_tag_they_are_about_every_variant(self, summary: dict) -> None:
        lost = [entry for entry in summary["thresholds"] if entry["metric"] == "registrations.lost"]
        assert [(entry["variant"], entry["value"], entry["passed"]) for entry in lost] == [
            ("sync", 0, True),
            ("events", 0, True),
        ]

    def test_with_a_tag_about_one(self, summary: dict) -> None:
        (entry,) = [entry for entry in summary["thresholds"] if "variant" in entry["metric"]]
        assert entry["variant"] == "events"
        assert entry["passed"] is True

    def test_one_that_does_not_hold_has_failed(self, trials: list[TrialResult]) -> None:
        strict = scenario_of(thresholds={"accept_latency_ms.p95{variant:sync}": ["< 1000", "< 1"]})
        entries = summarise(strict, trials)["thresholds"]
        assert isinstance(entries, list)
        assert [entry["passed"] for entry in entries] == [True, False]

    def test_one_without_a_figure_has_failed(self, trials: list[TrialResult]) -> None:
        absent = scenario_of(thresholds={"consumer_lag_max{variant:sync}": ["< 1000"]})  # it consumes nothing
        entries = summarise(absent, trials)["thresholds"]
        assert isinstance(entries, list)
        assert {(entry["value"], entry["passed"]) for entry in entries} == {(None, False)}


class TestNoiseFloor:
    def test_the_floor_that_the_run_stored_marks_its_comparisons(
        self, scenario: Scenario, trials: list[TrialResult]
    ) -> None:
        wide = {"kind": "ratio", "low": 1e-3, "high": 1e3, "sd": 1.0}
        workload = scenario.workload
        entry = {"blocks": 3, "rate_per_s": workload.rate_per_s, "duration_s": workload.duration_s}
        floors = {scenario.name: {**entry, "metrics": {"accept_latency_ms.p50": wide}}}
        summary = summarise(scenario, trials, environment={"calibration": {"stale": [], "noise_floor": floors}})
        marks = {each["metric"]: each["mark"] for each in summary["comparisons"]}
        assert marks["accept_latency_ms.p50"] == "≈"
        assert marks["accept_latency_ms.p95"] is None
        assert summary["noise_floor"]["metrics"]["accept_latency_ms.p50"] == wide

    def test_without_one_the_summary_says_why(self, summary: dict) -> None:
        assert "was not calibrated" in summary["noise_floor"]["reason"]


class TestWarnings:
    def test_a_clean_run_has_none(self, summary: dict) -> None:
        assert summary["warnings"] == []

    def test_a_variant_without_a_finished_trial_is_named(self, scenario: Scenario, trials: list[TrialResult]) -> None:
        summary = summarise(scenario, [trial for trial in trials if trial.facts.variant == "sync"])
        assert summary["warnings"] == ["no trial of events was finished: run again to compare"]
        assert summary["comparison"]["reason"] == "a side has no finished trial"

    def test_no_trial_at_all_is_still_a_summary(self, scenario: Scenario) -> None:
        summary = summarise(scenario, [], run_problems=["it was interrupted"])
        assert summary["variants"] == {}
        assert summary["comparisons"] == []

    def test_a_fault_that_never_began(self, scenario: Scenario, trials: list[TrialResult]) -> None:
        silent = replace(trials[0], faults=trials[0].faults.assign(begin_ns=pd.NA))
        (warning,) = summarise(scenario, [silent, *trials[1:]])["warnings"]
        assert warning.startswith("trial 01-sync: the fault ")
        assert "never began" in warning

    def test_options_that_are_not_the_defaults_are_named(self, tmp_path: Path) -> None:
        bare = {"name": "sync-bare", "base": "sync", "options": {"bareTransport": True}}
        scenario = scenario_of(faults=[], hypothesis=None, thresholds={}, variants=[bare])
        trials = [result_of(scenario, n + 1, "sync-bare", n, tmp_path / str(n)) for n in range(3)]
        assert summarise(scenario, trials)["warnings"] == ["sync-bare is sync with bareTransport: true"]

    def test_a_trial_far_from_the_others(self, tmp_path: Path) -> None:
        scenario = scenario_of(blocks=4, faults=[], hypothesis=None, thresholds={}, variants=["sync"])
        trials = [result_of(scenario, n + 1, "sync", n, tmp_path / str(n)) for n in range(3)]
        slow = result_of(scenario, 4, "sync", 3, tmp_path / "3")
        later = slow.frames.history.assign(answered_ns=slow.frames.history["answered_ns"] + 500_000_000)
        slow = replace(slow, frames=replace(slow.frames, history=later))
        warnings = summarise(scenario, [*trials, slow])["warnings"]
        assert isinstance(warnings, list)
        assert any("accept_latency_ms.p50 of block 3" in warning and "run again" in warning for warning in warnings)


def test_the_prediction_stands_beside_the_measurement(scenario: Scenario, trials: list[TrialResult]) -> None:
    summary = summarise(scenario, trials, predicted={"sync": {"accept_ms": 35.0}})
    assert summary["predicted"] == {"sync": {"accept_ms": 35.0}}


def test_the_same_frames_give_the_same_summary(scenario: Scenario, trials: list[TrialResult], summary: dict) -> None:
    assert summarise(scenario, list(reversed(trials))) == summary


def test_a_written_run_can_be_checked_by_hand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The lines of `docs/measurement.md`, as they stand there."""
    page = Path(__file__).parents[2] / "docs" / "measurement.md"
    lines = page.read_text(encoding="utf-8").split("```python\n")[1].split("```")[0]
    write_results(tmp_path)
    monkeypatch.chdir(tmp_path)
    found: dict = {}
    exec(lines, found)
    assert "sync" in capsys.readouterr().out
    per_trial = found["latency_ms"].groupby([found["acked"]["variant"], found["acked"]["trial"]]).quantile(0.5)
    complete = (found["times_applied"] == 1).all(axis=1).groupby("variant").sum()
    for variant, figures in json.loads((tmp_path / "summary.json").read_text())["variants"].items():
        trials = {trial["trial"]: trial["accept_latency_ms"]["p50"] for trial in figures["trials"]}
        assert trials == pytest.approx(per_trial[variant].to_dict(), rel=1e-5)
        assert figures["registrations"]["complete"] == complete[variant]
