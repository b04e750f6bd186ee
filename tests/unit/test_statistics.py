"""Estimates, intervals, verdicts and marks."""

import math
import warnings

import numpy as np
import pytest
from scipy import stats

from benchmarks.analysis.calibration import NoiseFloor
from benchmarks.analysis.statistics import (
    Estimate,
    estimate,
    estimate_unpaired,
    holm,
    mark,
    outliers,
    t_interval,
)
from benchmarks.analysis.summary_model import PartVerdict, VariantSummary
from benchmarks.analysis.verdict import (
    Verdict,
    combine,
    compare,
    comparison_of,
    comparisons_of,
    judge,
    survivorship,
    unresolved,
)
from benchmarks.scenario.hypothesis import Hypothesis, HypothesisPart
from benchmarks.scenario.metric import Expectation, Metric

# Extra hours of sleep of ten patients on two drugs (Student 1908, "The probable error of a mean"), whose paired
# interval every textbook prints.
DRUG_1 = [0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0]
DRUG_2 = [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4]


class TestInterval:
    def test_it_is_student_s(self) -> None:
        low, high = t_interval([b - a for a, b in zip(DRUG_1, DRUG_2, strict=True)])
        assert low == pytest.approx(0.7001142, abs=1e-7)
        assert high == pytest.approx(2.4598858, abs=1e-7)

    def test_one_value_has_none(self) -> None:
        with pytest.raises(ValueError, match="at least two"):
            t_interval([1.0])


class TestEstimate:
    def test_a_difference_is_the_mean_of_the_blocks_differences(self) -> None:
        found = estimate("difference", "drain_s", DRUG_2, DRUG_1)
        assert found.value == pytest.approx(1.58)
        assert found.interval == pytest.approx((0.7001142, 2.4598858), abs=1e-6)

    def test_a_ratio_is_the_geometric_mean_of_the_blocks_ratios(self) -> None:
        found = estimate("ratio", "accept_latency_ms.p50", [1.0, 2.0, 4.0], [2.0, 2.0, 2.0])
        assert found.value == pytest.approx(1.0)
        assert found.per_block == (0.5, 1.0, 2.0)
        half = 4.302653 * math.log(2) / math.sqrt(3)  # t with two degrees of freedom
        assert found.interval == pytest.approx((math.exp(-half), math.exp(half)), rel=1e-6)

    def test_swapping_the_sides_inverts_a_ratio(self) -> None:
        first, second = [1.0, 2.0, 5.0], [3.0, 2.5, 4.0]
        forth = estimate("ratio", "throughput_per_s", first, second)
        back = estimate("ratio", "throughput_per_s", second, first)
        assert forth.value is not None
        assert back.value == pytest.approx(1 / forth.value)
        assert forth.interval is not None
        assert back.interval == pytest.approx((1 / forth.interval[1], 1 / forth.interval[0]))

    def test_pairing_removes_what_blocks_have_in_common(self) -> None:
        found = estimate("ratio", "accept_latency_ms.p50", [10.0, 100.0, 1000.0], [20.0, 200.0, 2000.0])
        assert found.interval == pytest.approx((0.5, 0.5))

    @pytest.mark.parametrize("blocks", [1, 2])
    def test_fewer_than_three_blocks_give_no_interval(self, blocks: int) -> None:
        found = estimate("difference", "slo_ratio", [0.9] * blocks, [0.1] * blocks)
        assert found.value == pytest.approx(0.8)
        assert found.interval is None
        assert "3 blocks" in (found.reason or "")

    def test_a_zero_or_missing_figure_has_no_ratio_and_says_so(self) -> None:
        for bad in (0.0, None):
            found = estimate("ratio", "accept_latency_ms.p50", [1.0, 2.0, bad], [1.0, 1.0, 1.0])
            assert found.value is None
            assert found.interval is None
            assert found.per_block == (1.0, 2.0, None)
            assert "1 of 3 blocks have no ratio for accept_latency_ms.p50" in (found.reason or "")

    def test_zeros_do_have_a_difference(self) -> None:
        assert estimate("difference", "registrations.lost", [0.0] * 3, [2.0, 3.0, 4.0]).value == -3

    def test_a_share_s_interval_stays_a_share(self) -> None:
        assert estimate("difference", "slo_ratio", [1.0, 1.0, 0.97], [0.0] * 3).interval[1] == 1.0  # type: ignore[index]
        assert estimate("variant", "accept_ratio", [1.0, 1.0, 0.9], ()).interval[1] == 1.0  # type: ignore[index]

    def test_one_variant_s_latency_is_a_geometric_mean_and_its_count_a_mean(self) -> None:
        assert estimate("variant", "accept_latency_ms.p50", [1.0, 10.0, 100.0]).value == pytest.approx(10)
        assert estimate("variant", "registrations.lost", [0.0, 1.0, 5.0]).value == pytest.approx(2)

    def test_no_block_at_all(self) -> None:
        assert estimate("difference", "slo_ratio", [], []).reason == "no block was measured on both sides"


class TestP:
    def test_it_is_that_of_the_paired_t_test(self) -> None:
        expected = float(stats.ttest_rel(DRUG_2, DRUG_1).pvalue)
        assert estimate("difference", "drain_s", DRUG_2, DRUG_1).p == pytest.approx(expected)
        assert expected == pytest.approx(0.002833, abs=1e-6)  # as every textbook prints it

    def test_of_a_ratio_it_is_that_of_its_logarithms(self) -> None:
        first, second = [1.0, 2.0, 5.0, 3.0], [3.0, 2.5, 4.0, 6.0]
        expected = stats.ttest_rel(np.log(first), np.log(second)).pvalue
        assert estimate("ratio", "throughput_per_s", first, second).p == pytest.approx(float(expected))

    def test_blocks_that_all_give_the_same_value_warn_of_nothing(self) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            for blocks in (3, 10):
                nothing = estimate("difference", "slo_ratio", [1.0] * blocks, [1.0] * blocks)
                assert (nothing.interval, nothing.p) == ((0.0, 0.0), 1.0)
                everything = estimate("difference", "slo_ratio", [1.0] * blocks, [0.0] * blocks)
                assert (everything.interval, everything.p) == ((1.0, 1.0), 0.0)
                same = estimate("ratio", "throughput_per_s", [0.1] * blocks, [0.1] * blocks)
                assert (same.interval, same.p) == ((1.0, 1.0), 1.0)
                alone = estimate_unpaired("difference", "slo_ratio", [0.7] * blocks, [0.7] * 3)
                assert (alone.interval, alone.p) == ((0.0, 0.0), 1.0)

    def test_one_variant_and_too_few_blocks_have_none(self) -> None:
        assert estimate("variant", "drain_s", DRUG_1).p is None
        assert estimate("difference", "drain_s", [1.0, 2.0], [3.0, 1.0]).p is None


class TestUnpaired:
    def test_it_is_welch_s(self) -> None:
        expected = stats.ttest_ind(DRUG_2, DRUG_1, equal_var=False)
        interval = expected.confidence_interval()
        found = estimate_unpaired("difference", "drain_s", DRUG_2, DRUG_1)
        assert found.p == pytest.approx(float(expected.pvalue))
        assert found.interval == pytest.approx((float(interval.low), float(interval.high)))

    def test_sides_may_differ_in_length_and_a_ratio_is_on_logarithms(self) -> None:
        found = estimate_unpaired("ratio", "throughput_per_s", [2.0, 2.2, 1.9, 2.1], [1.0, 1.1, 0.9])
        expected = stats.ttest_ind(np.log([2.0, 2.2, 1.9, 2.1]), np.log([1.0, 1.1, 0.9]), equal_var=False)
        assert found.p == pytest.approx(float(expected.pvalue))
        assert found.per_block == ()

    def test_missing_figures_and_few_blocks_give_no_interval(self) -> None:
        assert estimate_unpaired("ratio", "throughput_per_s", [1.0, 0.0, 2.0], [1.0] * 3).interval is None
        assert estimate_unpaired("difference", "slo_ratio", [1.0, None, 1.0], [1.0] * 3).value is None
        assert estimate_unpaired("difference", "slo_ratio", [], [1.0] * 3).value is None
        few = estimate_unpaired("difference", "slo_ratio", [1.0, 0.5], [0.5] * 3)
        assert (few.value, few.interval) == (0.25, None)


class TestHolm:
    def test_the_example_of_the_paper_s_method(self) -> None:
        # What R's p.adjust(p, "holm") gives.
        assert holm([0.01, 0.02, 0.03, 0.04, 0.05]) == pytest.approx([0.05, 0.08, 0.09, 0.09, 0.09])

    def test_places_stay_and_what_was_not_tested_counts_for_nothing(self) -> None:
        assert holm([0.04, None, 0.01]) == [pytest.approx(0.04), None, pytest.approx(0.02)]
        assert holm([]) == []

    def test_none_exceeds_one(self) -> None:
        assert holm([0.9, 0.6]) == [1.0, 1.0]


def spanning(low: float, high: float) -> Estimate:
    return Estimate((low + high) / 2, (low, high), (low, high, low))


class TestVerdict:
    @pytest.mark.parametrize(
        ("expect", "low", "high", "verdict"),
        [
            ("> 0.5", 0.51, 0.9, Verdict.CONFIRMED),
            ("> 0.5", 0.5, 0.9, Verdict.INCONCLUSIVE),  # the bound itself violates
            (">= 0.5", 0.5, 0.9, Verdict.CONFIRMED),
            ("> 0.5", 0.1, 0.5, Verdict.REFUTED),
            (">= 0.5", 0.1, 0.5, Verdict.INCONCLUSIVE),
            ("< 0.5", 0.1, 0.49, Verdict.CONFIRMED),
            ("< 0.5", 0.5, 0.6, Verdict.REFUTED),
            ("<= 0.5", 0.5, 0.6, Verdict.INCONCLUSIVE),
            ("== 0", 0.0, 0.0, Verdict.CONFIRMED),
            ("== 0", -1.0, 1.0, Verdict.INCONCLUSIVE),
            ("== 0", 0.1, 1.0, Verdict.REFUTED),
        ],
    )
    def test_it_is_the_whole_interval_s(self, expect: str, low: float, high: float, verdict: Verdict) -> None:
        assert judge(spanning(low, high), Expectation.parse(expect))[0] is verdict

    def test_without_an_interval_there_is_none_and_the_reason_says_why(self) -> None:
        verdict, reason = judge(Estimate(1.0, None, (1.0,), "1 of at least 3 blocks"), Expectation.parse("> 0"))
        assert verdict is None
        assert reason == "1 of at least 3 blocks"

    def test_blocks_that_agree_exactly_are_said_to(self) -> None:
        found = estimate("variant", "registrations.lost", [0.0, 0.0, 0.0])
        verdict, reason = judge(found, Expectation.parse("== 0"))
        assert verdict is Verdict.CONFIRMED
        assert "every block gave the same value" in reason

    @pytest.mark.parametrize(
        ("parts", "verdict"),
        [
            ([Verdict.CONFIRMED, Verdict.CONFIRMED], Verdict.CONFIRMED),
            ([Verdict.CONFIRMED, Verdict.INCONCLUSIVE], Verdict.INCONCLUSIVE),
            ([Verdict.CONFIRMED, Verdict.REFUTED, None], Verdict.REFUTED),
            ([Verdict.CONFIRMED, None, Verdict.INCONCLUSIVE], None),
        ],
    )
    def test_all_of_several_parts(self, parts: list[Verdict | None], verdict: Verdict | None) -> None:
        assert combine(parts) is verdict


class TestSurvivorship:
    ACCEPT = Metric.parse("accept_latency_ms.p95")

    def test_a_point_of_difference_is_allowed_and_more_is_not(self) -> None:
        assert survivorship(self.ACCEPT, 0.98, 0.97) is None
        assert "slo_ratio counts everyone" in (survivorship(self.ACCEPT, 0.98, 0.9699) or "")

    def test_it_is_about_latencies_only(self) -> None:
        assert survivorship(Metric.parse("slo_ratio"), 1.0, 0.1) is None
        assert survivorship(Metric.parse("completion_latency_ms.p50"), 1.0, 0.1) is not None


class TestMark:
    def test_an_interval_that_spans_no_effect_has_a_question_mark(self) -> None:
        assert mark("ratio", spanning(0.9, 1.1)) == "?"
        assert mark("difference", spanning(-0.1, 0.1)) == "?"
        assert mark("difference", spanning(0.9, 1.1)) is None

    def test_exactly_nothing_is_no_question(self) -> None:
        assert mark("difference", spanning(0.0, 0.0)) is None

    @pytest.mark.parametrize(
        ("low", "high", "expected"),
        [
            (0.98, 1.02, "≈"),
            (1.005, 1.02, "≈"),  # surely there, and no larger than noise
            (1.0, 1.0, "≈"),
            (0.96, 1.02, "?"),
            (1.01, 1.2, None),
        ],
    )
    def test_an_interval_within_the_noise_floor_is_about_nothing(
        self, low: float, high: float, expected: str | None
    ) -> None:
        assert mark("ratio", spanning(low, high), (0.97, 1.03)) == expected


def figures(p50: float, delay_ms: float, **more: object) -> dict[str, object]:
    """A side's figures of the whole run, and other ones during the fault."""
    return {
        "accept_ratio": 1.0,
        "accept_latency_ms": {"p50": p50, "p95": 9 * p50},
        "schedule_delay_ms": {"p50": delay_ms},
        "windows": {
            "during": {"accept_latency_ms": {"p50": 100 * p50}, "schedule_delay_ms": {"p50": delay_ms}},
        },
        **more,
    }


class TestUnresolved:
    P95 = Metric.parse("accept_latency_ms.p95")

    def test_ten_times_the_schedule_delay_is_enough_and_less_is_not(self) -> None:
        assert unresolved(self.P95, figures(1.0, 0.05), figures(40.0, 0.1)) is None
        reason = unresolved(self.P95, figures(0.99, 0.05), figures(40.0, 0.1)) or ""
        assert "the smaller p50 is 0.990 ms, under 10 times the 0.100 ms" in reason
        assert "give it a core of its own" in reason

    def test_a_window_has_figures_of_its_own(self) -> None:
        during = Metric.parse("accept_latency_ms.p95{window:during}")
        assert unresolved(during, figures(0.5, 0.1), figures(40.0, 0.1)) is None

    def test_it_is_about_latencies_that_the_delay_is_in(self) -> None:
        for name in ("slo_ratio", "service_time_ms.p50", "schedule_delay_ms.p50", "throughput_per_s"):
            assert unresolved(Metric.parse(name), figures(0.1, 0.1), figures(0.1, 0.1)) is None


def side(name: str, values: list[float], *, delay_ms: float = 0.01, slo: float = 1.0) -> VariantSummary:
    trials = [
        {"block": block, "trial": block + 1, "slo_ratio": slo, **figures(value, delay_ms)}
        for block, value in enumerate(values)
    ]
    broker = {"kind": "kafka"} if name.startswith("events") else None
    entry = {**figures(values[0], delay_ms), "broker": broker, "slo_ratio": slo, "trials": trials}
    return VariantSummary.from_dict(name, entry)


class TestComparisons:
    SYNC, EVENTS = side("sync", [40.0, 42.0, 41.0]), side("events", [4.0, 4.1, 4.3], slo=0.5)

    def test_the_family_of_the_correction_is_all_that_was_tested(self) -> None:
        entries, _ = comparisons_of([self.SYNC, self.EVENTS], with_faults=True)
        tested = [entry for entry in entries if entry.p is not None]
        assert [entry.p_holm for entry in tested] == holm([entry.p for entry in tested])
        assert len(tested) < len(entries)
        assert all(entry.significant is None for entry in entries if entry.p is None)
        assert {entry.metric: entry.significant for entry in tested}["accept_latency_ms.p50"] is True

    def test_saturated_shares_say_that_every_block_gave_the_same(self) -> None:
        entries, _ = comparisons_of([self.SYNC, self.EVENTS], with_faults=False)
        shares = {entry.metric: entry for entry in entries}
        assert (shares["slo_ratio"].p, shares["slo_ratio"].significant) == (0.0, True)
        assert "every block gave the same value" in (shares["slo_ratio"].reason or "")
        assert (shares["accept_ratio"].p, shares["accept_ratio"].significant) == (1.0, False)

    def test_without_one_kind_of_side_each_is_compared_with_the_first(self) -> None:
        direct = [self.SYNC, side("sync-concurrent", [20.0, 21.0, 22.0]), side("sync-again", [40.0, 41.0, 42.0])]
        labels = {entry.ratio for entry in comparisons_of(direct, with_faults=False)[0]} - {None}
        assert labels == {"sync-concurrent/sync", "sync-again/sync"}
        both = {entry.ratio for entry in comparisons_of([*direct, self.EVENTS], with_faults=False)[0]} - {None}
        assert both == {"events/sync", "events/sync-concurrent", "events/sync-again"}

    def test_what_is_unresolved_gives_no_verdict_and_is_not_significant(self) -> None:
        late = side("events", [4.0, 4.1, 4.3], delay_ms=1.0)
        metric = Metric.parse("accept_latency_ms.p50")
        part = HypothesisPart(metric, "ratio", ("events", "sync"), Expectation.parse("< 0.5"))
        found = comparison_of(Hypothesis((part,)), {"sync": self.SYNC, "events": late}, valid=True)
        assert isinstance(found, PartVerdict)
        assert (found.verdict, found.mark, found.significant) == (None, "unresolved", None)
        assert str(found.reason).startswith("unresolved: ")
        sure = comparison_of(Hypothesis((part,)), {"sync": self.SYNC, "events": self.EVENTS}, valid=True)
        assert isinstance(sure, PartVerdict)
        assert (sure.verdict, sure.mark, sure.significant) == ("confirmed", None, True)

    def test_the_noise_floor_of_the_metric_marks_a_comparison(self) -> None:
        entry = {"metrics": {"accept_latency_ms.p50": {"kind": "ratio", "low": 0.05, "high": 20}}}
        floor = NoiseFloor.of({"calibration": {"noise_floor": {"here": entry}}}, "here")
        sides = (self.EVENTS, self.SYNC)
        assert compare("ratio", Metric.parse("accept_latency_ms.p50"), sides, floor).mark == "≈"
        assert compare("ratio", Metric.parse("accept_latency_ms.p95"), sides, floor).mark is None


class TestOutliers:
    def test_one_far_from_the_others_is_flagged(self) -> None:
        assert outliers([10.0, 10.2, 9.9, 30.0]) == [3]

    def test_two_that_happen_to_be_close_do_not_flag_the_third(self) -> None:
        assert outliers([10.0, 10.01, 11.0]) == []

    def test_equal_values_flag_the_one_that_differs(self) -> None:
        assert outliers([5.0, 5.0, 50.0]) == [2]

    def test_too_few_values_flag_nothing(self) -> None:
        assert outliers([1.0, 100.0, None]) == []


class TestLookup:
    FIGURES: dict[str, object] = {  # noqa: RUF012
        "slo_ratio": 0.5,
        "counts": {"offered": 10},
        "completion_latency_ms": {"p50": 7.0, "p99": None, "by_service": {"email": {"p50": 5.0}}},
        "effects": {"lost": 3, "by_service": {"email": {"lost": 2}}},
        "cpu_ms_per_registration": {"total": 1.5},
        "rss_mb_max": {"api/0": 40.0, "broker": 300.0},
        "windows": {"before": None, "during": {"slo_ratio": 0.1, "completion_latency_ms": {"p50": 9.0}}},
    }

    @pytest.mark.parametrize(
        ("metric", "value"),
        [
            ("slo_ratio", 0.5),
            ("slo_ratio{window:during}", 0.1),
            ("slo_ratio{window:before}", None),
            ("slo_ratio{variant:events}", 0.5),
            ("counts.offered", 10),
            ("completion_latency_ms.p50", 7),
            ("completion_latency_ms.p99", None),
            ("completion_latency_ms.p50{service:email}", 5),
            ("completion_latency_ms.p50{window:during}", 9),
            ("completion_latency_ms.p50{window:during,service:email}", None),
            ("effects.lost{service:email}", 2),
            ("cpu_ms_per_registration", 1.5),
            ("rss_mb_max", 340),
            ("drain_s", None),
        ],
    )
    def test_a_metric_is_found_by_its_name(self, metric: str, value: float | None) -> None:
        assert Metric.parse(metric).of(self.FIGURES) == value
