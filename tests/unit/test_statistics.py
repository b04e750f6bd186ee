"""Estimates, intervals, verdicts and marks."""

import math

import pytest

from benchmarks.analysis.statistics import (
    Estimate,
    Verdict,
    combine,
    estimate,
    judge,
    lookup,
    mark,
    outliers,
    survivorship,
    t_interval,
)
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
        assert lookup(self.FIGURES, Metric.parse(metric)) == value
