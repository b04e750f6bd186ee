"""The metrics of one trial."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from synthetic import (
    BLOCK_SEED,
    LAG_COLUMNS,
    NO_WINDOWS,
    SECOND,
    SERVICES,
    Fault,
    Script,
    around,
    facts_of,
    ns,
    scenario_of,
    simulate,
)

from benchmarks.analysis.trial_metrics import figures_of, latencies, measure
from benchmarks.load.rows import Outcome
from benchmarks.metrics.aggregation import combined_stats, geometric_mean, stats
from benchmarks.metrics.cost import CpuTime, cost_of
from benchmarks.metrics.series import outstanding
from benchmarks.planning.arrivals import schedule
from benchmarks.scenario.model import Workload
from benchmarks.scenario.sample import windows_bounds_ns
from benchmarks.trial_result import TrialFacts
from benchmarks.values.slo import Slo
from registration import luck

SLO = Slo(accept="300ms", complete="1s")


def measured(script: Script, raw: Path, during: tuple[int, int] | None = None) -> dict[str, Any]:
    frames = script.frames(raw)
    bounds = NO_WINDOWS if during is None else around(during, script.facts)
    return figures_of([measure(frames.history, frames.effects, script.facts, SLO, bounds)])


def simulated(raw: Path, facts: TrialFacts, fault: Fault | None = None) -> dict[str, Any]:
    arrivals = schedule(Workload(rate=20, duration=f"{facts.duration_ns // SECOND}s", warmup="1s"), facts.block_seed)
    frames = simulate(raw, facts, arrivals, service_ms=dict.fromkeys(SERVICES, 50.0), fault=fault)
    return figures_of([measure(frames.history, frames.effects, facts, SLO, NO_WINDOWS)])


class TestArithmetic:
    """Services of fixed 50 ms."""

    def test_direct_calls_take_the_sum(self, tmp_path: Path) -> None:
        whole = simulated(tmp_path, facts_of())
        assert whole["accept_latency_ms"]["p50"] == pytest.approx(150, abs=3)
        assert whole["completion_latency_ms"]["p50"] == pytest.approx(150, abs=3)

    def test_events_take_the_publish_and_the_slowest_service(self, tmp_path: Path) -> None:
        whole = simulated(tmp_path, facts_of(variant="events", base="events"))
        assert whole["accept_latency_ms"]["p50"] == pytest.approx(4, abs=1)
        assert whole["completion_latency_ms"]["by_service"]["email"]["p50"] == pytest.approx(54, abs=1)

    def test_a_scripted_registration_is_exact(self, tmp_path: Path) -> None:
        script = Script()
        script.happy(0, 1000, accept_ms=150)
        whole = measured(script, tmp_path)
        assert whole["accept_latency_ms"]["max"] == 150
        assert [whole["completion_latency_ms"]["by_service"][service]["max"] for service in SERVICES] == [50, 100, 150]

    @pytest.mark.parametrize("same_host", [True, False])
    def test_completion_is_not_given_across_the_clocks_of_two_hosts(self, same_host: bool, tmp_path: Path) -> None:
        clock = {"offset_ms": 0.01, "error_ms": 0.1, "same_host": same_host}
        script = Script(facts_of(load_workers=2, load_clock=clock))
        script.happy(0, 1000, accept_ms=150)
        whole = measured(script, tmp_path)
        assert whole["accept_latency_ms"]["max"] == 150
        completion = whole["completion_latency_ms"]
        figures = [completion, *completion["by_service"].values()]
        assert all((figure["max"] is None) is not same_host for figure in figures)
        assert whole["slo_ratio"] == 1


class TestPercentiles:
    def test_they_interpolate_between_order_statistics(self) -> None:
        figures = stats(np.arange(1.0, 101.0))
        assert figures["p50"] == pytest.approx(50.5)
        assert figures["p95"] == pytest.approx(95.05)
        assert figures["max"] == 100
        assert figures["mean"] == pytest.approx(50.5)

    @pytest.mark.parametrize(
        ("n", "p99", "p999"), [(999, False, False), (1000, True, False), (9999, True, False), (10_000, True, True)]
    )
    def test_the_far_ones_need_a_sample(self, n: int, p99: bool, p999: bool) -> None:
        figures = stats(np.arange(float(n)))
        assert (figures["p99"] is not None, figures["p999"] is not None) == (p99, p999)
        assert figures["p95"] is not None

    def test_without_a_sample_all_are_null(self) -> None:
        assert set(stats(np.array([np.nan])).values()) == {None}

    def test_a_variant_s_are_geometric_means_and_null_where_a_trial_has_none(self) -> None:
        parts = [stats(np.array([1.0])), stats(np.array([4.0]))]
        assert combined_stats(parts)["p50"] == pytest.approx(2.0)
        assert combined_stats([*parts, stats(np.array([]))])["p50"] is None

    def test_a_geometric_mean_with_a_zero_is_zero(self) -> None:
        assert geometric_mean([0.0, 5.0]) == 0
        assert geometric_mean([]) is None


class TestLatencies:
    def test_all_but_the_service_time_count_from_the_intended_time(self, tmp_path: Path) -> None:
        script = Script()
        script.arrival(0, 100, 130, 200)
        table = latencies(*_pair(script, tmp_path), SERVICES).iloc[0]
        assert table["accept_latency_ms"] == 100
        assert table["reply_latency_ms"] == 100
        assert table["service_time_ms"] == 70
        assert table["schedule_delay_ms"] == 30

    def test_a_no_is_a_reply_and_no_accept(self, tmp_path: Path) -> None:
        script = Script()
        script.arrival(0, 0, 0, 20, outcome=Outcome.FAILED, status=504)
        table = latencies(*_pair(script, tmp_path), SERVICES).iloc[0]
        assert np.isnan(table["accept_latency_ms"])
        assert table["reply_latency_ms"] == 20

    def test_a_refused_connection_is_no_reply(self, tmp_path: Path) -> None:
        script = Script()
        script.arrival(0, 0, 0, 1, outcome=Outcome.REFUSED, status=0)
        table = latencies(*_pair(script, tmp_path), SERVICES).iloc[0]
        assert np.isnan(table["reply_latency_ms"])

    def test_completion_is_the_last_first_effect(self, tmp_path: Path) -> None:
        script = Script()
        script.arrival(0, 0, 0, 5)
        for service, at_ms in (("email", 70), ("analytics", 20), ("cache", 10), ("cache", 500)):
            script.effect(0, service, at_ms)
        table = latencies(*_pair(script, tmp_path), SERVICES).iloc[0]
        assert table["completion_latency_ms"] == 70
        assert table["completion_latency_ms:cache"] == 10

    def test_what_lacks_an_effect_has_no_completion(self, tmp_path: Path) -> None:
        script = Script()
        script.arrival(0, 0, 0, 5)
        script.effect(0, "email", 70)
        table = latencies(*_pair(script, tmp_path), SERVICES).iloc[0]
        assert np.isnan(table["completion_latency_ms"])
        assert table["completion_latency_ms:email"] == 70

    def test_several_trials_keep_apart(self, tmp_path: Path) -> None:
        first, second = Script(facts_of(number=1)), Script(facts_of(number=2))
        first.happy(0, 0, accept_ms=30)
        second.happy(0, 0, accept_ms=60)
        pairs = [_pair(first, tmp_path / "1"), _pair(second, tmp_path / "2")]
        history, effects = (pd.concat([pair[part] for pair in pairs], ignore_index=True) for part in (0, 1))
        assert list(latencies(history, effects, SERVICES)["completion_latency_ms"]) == [30, 60]


class TestWindows:
    def test_they_are_split_by_intended_time(self, tmp_path: Path) -> None:
        script = Script()
        for index, at_ms in enumerate([0, 1999, 2000, 3999, 4000]):
            script.happy(index, at_ms)
        parts = measured(script, tmp_path, (2 * SECOND, 4 * SECOND))["windows"]
        assert {name: part["counts"]["offered"] for name, part in parts.items()} == {
            "before": 2,
            "during": 2,
            "after": 1,
        }

    def test_without_faults_there_are_none(self, tmp_path: Path) -> None:
        script = Script()
        script.happy(0, 0)
        result = measured(script, tmp_path)
        assert result["windows"] == {"before": None, "during": None, "after": None}

    def test_where_no_fault_lasts_after_begins_at_it(self) -> None:
        scenario = scenario_of(faults=[{"target": "email", "type": "restart", "at": "3s"}], hypothesis=None)
        assert windows_bounds_ns(scenario) == {
            "before": (0, 3 * SECOND),
            "during": None,
            "after": (3 * SECOND, 20 * SECOND),
        }

    def test_during_lasts_from_the_first_begin_to_the_last_end(self) -> None:
        kill = {"target": "email", "type": "kill"}
        faults = [{**kill, "at": "9s", "duration": "2s"}, {**kill, "at": "4s", "duration": "1s"}]
        assert windows_bounds_ns(scenario_of(faults=faults)) == {
            "before": (0, 4 * SECOND),
            "during": (4 * SECOND, 11 * SECOND),
            "after": (11 * SECOND, 20 * SECOND),
        }

    def test_an_empty_window_has_null_figures(self, tmp_path: Path) -> None:
        script = Script()
        script.happy(0, 0)
        after = measured(script, tmp_path, (3 * SECOND, 10 * SECOND))["windows"]["after"]
        assert after["accept_ratio"] is None
        assert after["throughput_per_s"] is None
        assert after["accept_latency_ms"]["p50"] is None

    def test_throughput_counts_what_was_completed_inside(self, tmp_path: Path) -> None:
        script = Script()
        script.happy(0, 500, accept_ms=150)
        script.happy(1, 1900, accept_ms=150)  # arrives before the window, is done inside it
        script.happy(2, 3900, accept_ms=150)
        parts = measured(script, tmp_path, (2 * SECOND, 4 * SECOND))["windows"]
        assert parts["before"]["throughput_per_s"] == 0.5
        assert parts["during"]["throughput_per_s"] == 0.5


class TestRatios:
    def test_the_slo_counts_everyone_who_was_offered(self, tmp_path: Path) -> None:
        script = Script()
        script.happy(0, 0, accept_ms=299)
        script.happy(1, 10, accept_ms=301)  # accepted too late
        script.arrival(2, 20, 20, 60)  # accepted, completed too late
        for service in SERVICES:
            script.effect(2, service, 1100)
        script.arrival(3, 30, 30, 60)  # accepted, never completed
        script.arrival(4, 40, outcome=Outcome.DROPPED, status=0)
        ratios = measured(script, tmp_path)
        assert ratios["accept_ratio"] == pytest.approx(4 / 5)
        assert ratios["slo_ratio"] == pytest.approx(1 / 5)

    def test_counts_say_how_each_ended(self, tmp_path: Path) -> None:
        script = Script()
        script.arrival(0, 0, 0, 5)
        script.arrival(1, 1, 1, 5, outcome=Outcome.REFUSED, status=503)
        script.arrival(2, 2, 2, 5, outcome=Outcome.FAILED, status=500)
        script.arrival(3, 3, 3, outcome=Outcome.INDETERMINATE, status=0)
        script.arrival(4, 4, outcome=Outcome.DROPPED, status=0)
        assert measured(script, tmp_path)["counts"] == {
            "offered": 5,
            "sent": 4,
            "acked": 1,
            "refused": 1,
            "failed": 1,
            "indeterminate": 1,
            "dropped": 1,
        }


class TestOutstanding:
    def test_it_lasts_to_the_later_of_the_answer_and_the_last_effect(self, tmp_path: Path) -> None:
        script = Script()
        script.arrival(0, 0, 0, 100)
        script.effect(0, "email", 300)
        script.arrival(1, 200, 200, 400)
        series = outstanding(*_pair(script, tmp_path), script.facts)
        assert list(series["t_s"]) == pytest.approx([0, 0, 0.2, 0.3, 0.4])
        assert list(series["count"]) == [0, 1, 2, 1, 0]

    def test_without_an_answer_it_lasts_to_the_timeout(self, tmp_path: Path) -> None:
        script = Script(facts_of(timeout_ms=500.0))
        script.arrival(0, 100, 100, outcome=Outcome.INDETERMINATE, status=0)
        assert outstanding(*_pair(script, tmp_path), script.facts)["t_s"].iloc[-1] == pytest.approx(0.6)

    def test_a_pending_one_lasts_to_the_end_of_the_drain(self, tmp_path: Path) -> None:
        id_ = str(luck.registration_id(BLOCK_SEED, 0))
        script = Script(facts_of(pending={"email": [id_]}, drain_s=5.0))
        script.arrival(0, 100, 100, 110)
        assert outstanding(*_pair(script, tmp_path), script.facts)["t_s"].iloc[-1] == pytest.approx(15)

    def test_what_was_never_sent_never_is(self, tmp_path: Path) -> None:
        script = Script()
        script.arrival(0, 0, outcome=Outcome.DROPPED, status=0)
        assert outstanding(*_pair(script, tmp_path), script.facts)["count"].max() == 0

    def test_one_who_found_nobody_to_connect_to_waits_for_nothing(self, tmp_path: Path) -> None:
        script = Script()
        script.arrival(0, 0, outcome=Outcome.REFUSED, status=0)  # the API is down: no time of an answer, and no status
        assert outstanding(*_pair(script, tmp_path), script.facts)["count"].max() == 0

    def test_one_that_ends_as_the_next_arrives_is_not_two(self, tmp_path: Path) -> None:
        script = Script()
        script.arrival(0, 0, 0, 100)
        script.arrival(1, 100, 100, 200)
        assert outstanding(*_pair(script, tmp_path), script.facts)["count"].max() == 1


class TestCost:
    def test_a_broker_that_was_not_measured_leaves_no_total(self, tmp_path: Path) -> None:
        script = Script(
            facts_of(cpu_begin_ms={"api/0": 0.0}, cpu_end_ms={"api/0": 60.0}, broker={"kind": "kafka", "version": None})
        )
        script.happy(0, 0)
        cost = measured(script, tmp_path)["cpu_ms_per_registration"]
        assert cost == {"total": None, "by_process": {"api/0": 60.0}, "idle": None}

    def test_an_idle_share_that_one_trial_lacks_is_that_of_the_others(self) -> None:
        known = CpuTime(100, {"broker": 500.0}, idle_ms=100.0)
        unknown = CpuTime(100, {"broker": 500.0})
        assert cost_of([known, known, unknown])["idle"] == 1.0

    def test_processor_time_is_shared_out_over_completed_registrations(self, tmp_path: Path) -> None:
        script = Script(
            facts_of(
                drain_s=2.0,
                cpu_begin_ms={"api/0": 100.0, "broker": 1000.0},
                cpu_end_ms={"api/0": 160.0, "broker": 1240.0},
                broker_idle_ms_per_s=15.0,
                broker={"kind": "kafka", "version": "4"},
                cpu_span_s=12.0,
            )
        )
        script.happy(0, 0)
        script.happy(1, 10)
        script.arrival(2, 20, 20, 30)  # never completed
        cost = measured(script, tmp_path)["cpu_ms_per_registration"]
        assert cost == {"total": 150.0, "by_process": {"api/0": 30.0, "broker": 120.0}, "idle": 90.0}

    def test_without_a_completed_registration_there_is_no_cost_of_one(self, tmp_path: Path) -> None:
        script = Script(facts_of(cpu_begin_ms={"api/0": 1.0}, cpu_end_ms={"api/0": 2.0}))
        script.arrival(0, 0, 0, 5)
        assert measured(script, tmp_path)["cpu_ms_per_registration"]["total"] is None


def test_the_largest_lag_is_that_of_one_group_after_the_warm_up(tmp_path: Path) -> None:
    script = Script()
    script.happy(0, 0)
    frames = script.frames(tmp_path)
    samples = [(-1, "email", 90), (5, "email", 7), (5, "cache", 9)]
    lag = pd.DataFrame([(1, "events", 0, *sample) for sample in samples], columns=list(LAG_COLUMNS))

    def largest(lag: pd.DataFrame) -> object:
        trial = measure(frames.history, frames.effects, script.facts, SLO, NO_WINDOWS, lag)
        return figures_of([trial])["consumer_lag_max"]

    assert largest(lag) == 9
    assert largest(lag.iloc[:0]) is None


def test_the_trial_is_as_long_as_its_load_and_its_drain() -> None:
    assert facts_of(drain_s=2.5).end_ns == ns(12_500)
    assert facts_of(drain_s=None).end_ns == ns(10_000)


def _pair(script: Script, raw: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    frames = script.frames(raw)
    return frames.history, frames.effects
