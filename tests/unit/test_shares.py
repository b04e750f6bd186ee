"""Intervals of shares: never narrower than what their counts alone leave possible."""

import math
from typing import Any

import numpy as np
import pytest
from scipy import stats

from benchmarks.analysis.shares import Count, clopper_pearson, counts_of, interval_of, p_of
from benchmarks.analysis.statistics import estimate, estimate_unpaired
from benchmarks.analysis.summary_model import VariantSummary
from benchmarks.analysis.verdict import compare
from benchmarks.metrics.outcomes import zero_upper95
from benchmarks.scenario.metric import Metric

SLO = Metric.parse("slo_ratio{window:during}")


@pytest.mark.parametrize(("part", "whole"), [(0, 10), (1, 10), (5, 10), (10, 10), (3, 4_321)])
def test_one_share_has_the_exact_binomial_interval(part: int, whole: int) -> None:
    exact = stats.binomtest(part, whole).proportion_ci(method="exact")
    assert clopper_pearson(Count(part, whole), 0.95) == pytest.approx((exact.low, exact.high))


def test_none_has_the_bound_that_is_printed_beside_a_zero() -> None:
    assert clopper_pearson(Count(0, 700), 0.9)[1] == pytest.approx(zero_upper95(700))  # one tail of 5 %


def test_a_difference_has_the_limits_of_both_sides_squared_and_added() -> None:
    first, second = Count(19, 20), Count(10, 20)
    low, high, other_low, other_high = *clopper_pearson(first, 0.95), *clopper_pearson(second, 0.95)
    assert interval_of([first, second], 0.95) == pytest.approx(
        (
            0.45 - math.sqrt((0.95 - low) ** 2 + (other_high - 0.5) ** 2),
            0.45 + math.sqrt((high - 0.95) ** 2 + (0.5 - other_low) ** 2),
        )
    )


def test_swapping_the_sides_turns_the_interval_around() -> None:
    low, high = interval_of([Count(3, 50), Count(9, 40)], 0.95)
    assert interval_of([Count(9, 40), Count(3, 50)], 0.95) == pytest.approx((-high, -low))


@pytest.mark.parametrize(("first", "second"), [(0.02, 0.02), (0.5, 0.3), (0.99, 0.9), (1.0, 1.0)])
def test_a_difference_lies_inside_in_at_least_95_of_100_runs(first: float, second: float) -> None:
    n = 20
    likely = np.outer(*(stats.binom.pmf(range(n + 1), n, share) for share in (first, second)))
    inside = np.zeros_like(likely)
    for a in range(n + 1):
        for b in range(n + 1):
            low, high = interval_of([Count(a, n), Count(b, n)], 0.95)
            inside[a, b] = low <= first - second <= high
    assert (likely * inside).sum() >= 0.95


def test_the_p_is_below_a_twentieth_exactly_where_the_interval_excludes_no_effect() -> None:
    for part in range(31):
        counts = [Count(part, 30), Count(15, 30)]
        low, high = interval_of(counts, 0.95)
        assert (p_of(counts) < 0.05) == (not low <= 0 <= high)
    assert p_of([Count(15, 30), Count(15, 30)]) == pytest.approx(1)


class TestEstimate:
    def test_blocks_that_all_gave_the_same_leave_open_what_their_number_does(self) -> None:
        found = estimate("variant", "accept_ratio", [1.0] * 3, counts=[Count(900, 900)])
        assert found.value == 1
        assert found.interval == pytest.approx((0.025 ** (1 / 900), 1))

    def test_a_few_cases_more_in_every_block_are_no_proof(self) -> None:
        counts = [Count(180, 180), Count(177, 180)]
        found = estimate("difference", "accept_ratio", [1.0] * 3, [59 / 60] * 3, counts)
        assert found.interval is not None
        assert found.interval[0] < 0 < found.interval[1]
        assert found.p is not None
        assert found.p > 0.05

    def test_blocks_that_scatter_more_than_chance_keep_their_own_interval(self) -> None:
        values = [0.5, 0.9, 0.1]
        counts = [Count(1500, 3000)]
        assert estimate("variant", "slo_ratio", values, counts=counts) == estimate("variant", "slo_ratio", values)

    def test_a_ratio_of_shares_is_held_to_the_counts_too(self) -> None:
        counts = [Count(90, 180), Count(180, 180)]
        found = estimate("ratio", "slo_ratio", [0.5] * 3, [1.0] * 3, counts)
        assert found.value == pytest.approx(0.5)
        assert found.interval is not None
        low, high = found.interval
        assert 0.4 < low < 0.45
        assert 0.55 < high < 0.6

    def test_sides_without_pairs_are_held_to_the_counts_too(self) -> None:
        found = estimate_unpaired("difference", "slo_ratio", [1.0] * 3, [1.0] * 3, [Count(60, 60), Count(60, 60)])
        assert found.interval is not None
        assert found.interval == pytest.approx((-found.interval[1], found.interval[1]))
        assert 0.05 < found.interval[1] < 0.1


def side(name: str, shares: list[float | None], offered: int | None = 60) -> VariantSummary:
    def figures(share: float | None) -> dict[str, Any]:
        during = {"slo_ratio": share, "counts": {"offered": offered}}
        return {"windows": {"during": during}, "counts": {"offered": 9_999}}

    trials = [{"trial": 1, "block": block, **figures(share)} for block, share in enumerate(shares)]
    return VariantSummary.from_dict(name, {**figures(shares[0]), "trials": trials})


class TestCounts:
    def test_they_are_those_of_the_metric_s_own_window_over_the_blocks_of_both(self) -> None:
        sides = [side("events", [1.0, 1.0, 59 / 60]), side("sync", [0.5, 0.5])]
        assert counts_of(SLO, sides, {0, 1}) == (Count(120, 120), Count(60, 120))

    def test_what_is_no_share_has_none(self) -> None:
        assert counts_of(Metric.parse("accept_latency_ms.p50"), [side("sync", [1.0])], {0}) == ()

    @pytest.mark.parametrize("broken", [side("sync", [1.0, None]), side("sync", [1.0, 1.0], offered=None)])
    def test_what_an_older_file_lacks_is_not_guessed(self, broken: VariantSummary) -> None:
        assert counts_of(SLO, [broken], {0, 1}) == ()

    def test_a_comparison_is_held_to_them_and_says_so_where_blocks_agree(self) -> None:
        compared = compare("difference", SLO, [side("events", [1.0] * 3), side("sync", [0.5] * 3)], None)
        assert compared.found.interval is not None
        assert 0.4 < compared.found.interval[0] < 0.45
        reason = compared.fields("events-sync", None)["reason"]
        assert "every block gave the same value" in reason
        assert "exact binomial" in reason

    def test_sides_that_agreed_in_every_block_are_no_question(self) -> None:
        compared = compare("difference", SLO, [side("events", [1.0] * 3), side("sync", [1.0] * 3)], None)
        assert compared.mark is None
