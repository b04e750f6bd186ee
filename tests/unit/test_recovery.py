"""Recovery: from when on a trial is as it was before the fault."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from synthetic import SECOND, scenario_of

from benchmarks.analysis.recovery import most_among, most_of_poisson, recovery
from benchmarks.metrics.backlog import RECOVERY_S
from benchmarks.metrics.series import Recovery

FAULT_S, HEAL_S, END_S, RATE = 5, 8, 20, 20


def always(value: float) -> Callable[[float], float]:
    return lambda at_s: value


FEW = always(2.0)
LIMIT = 3  # none of 100 was slow, or not accepted, before: 99.9 % of such seconds have at most 3 of 20


def judged(
    accept_ms: Callable[[float], float],
    outstanding: Callable[[float], float] = FEW,
    fails: Callable[[float], bool] = lambda at_s: False,
    *,
    fault_s: float = FAULT_S,
    heal_s: float = HEAL_S,
    end_s: float = END_S,
) -> Recovery:
    """A trial of 20 even arrivals a second, each quantity by the time in seconds; who fails is told so at once."""
    at_s = np.arange(0, end_s, 1 / RATE)
    failed = np.array([fails(t) for t in at_s])
    table = pd.DataFrame(
        {
            "intended_ns": np.round(at_s * 1e9).astype(np.int64),
            "outcome": pd.array(np.where(failed, "failed", "acked"), dtype="str"),
            "accept_latency_ms": np.where(failed, np.nan, [accept_ms(t) for t in at_s]),
        }
    )
    series = pd.DataFrame({"t_s": at_s, "count": [outstanding(t) for t in at_s]})
    edges = {"fault_ns": fault_s, "heal_ns": heal_s, "end_ns": end_s}
    told_ns = (at_s + np.where(failed, 0, table["accept_latency_ms"].fillna(0) / 1e3)) * 1e9
    return recovery(table, told_ns, series, **{name: round(s * SECOND) for name, s in edges.items()})


def slow_until(until_s: float, then_ms: float = 20.0) -> Callable[[float], float]:
    return lambda at_s: 900.0 if FAULT_S <= at_s < until_s else (20.0 if at_s < FAULT_S else then_ms)


def test_a_trial_that_is_as_before_from_the_heal_on_took_no_time() -> None:
    assert judged(slow_until(HEAL_S)) == Recovery(0.0, recovered=True)


def test_the_time_is_that_of_the_first_of_five_good_seconds() -> None:
    # A few slow ones are within the limit, so the time is short by up to that many arrivals.
    assert judged(slow_until(HEAL_S + 3)).recovery_s == pytest.approx(3.0, abs=LIMIT / RATE + 0.01)


def test_five_seconds_must_follow_each_other() -> None:
    # Good for four seconds, then bad for half a one, then good: only the last stretch counts.
    found = judged(lambda at_s: 900.0 if HEAL_S + 4 <= at_s < HEAL_S + 4.5 else 20.0)
    assert found.recovery_s == pytest.approx(4.5, abs=LIMIT / RATE + 0.01)


def slow_one_in(number: float) -> Callable[[float], float]:
    """Among arrivals of 20 ms, so many a second that take 900 ms."""
    return lambda at_s: 900.0 if round(at_s * RATE) % RATE < number else 20.0


@pytest.mark.parametrize(("each_s", "recovered"), [(LIMIT, True), (LIMIT + 1, False)])
def test_as_many_may_be_slower_than_the_p95_as_chance_allows(each_s: int, recovered: bool) -> None:
    found = judged(lambda at_s: slow_one_in(each_s)(at_s) if at_s >= FAULT_S else 20.0)
    assert found.recovered is recovered
    assert (found.recovery_s is not None) is recovered


@pytest.mark.parametrize(("each_s", "recovered"), [(LIMIT, True), (LIMIT + 1, False)])
def test_as_many_may_not_be_accepted_as_chance_allows(each_s: int, recovered: bool) -> None:
    found = judged(always(20.0), fails=lambda at_s: at_s >= FAULT_S and round(at_s * RATE) % RATE < each_s)
    assert found.recovered is recovered


@pytest.mark.parametrize(("then", "recovered"), [(8.0, True), (9.0, False)])
def test_as_many_may_be_outstanding_as_chance_allows(then: float, recovered: bool) -> None:
    assert judged(always(20.0), lambda at_s: then if at_s >= FAULT_S else 2.0).recovered is recovered


def test_the_limits_are_those_of_the_distributions() -> None:
    assert most_of_poisson(2.0) == stats.poisson.ppf(0.999, 2.0)
    assert most_among(60, 24, 480) == stats.betabinom.ppf(0.999, 60, 25, 456)
    assert most_among(25_000, 1_000, 20_000) == stats.betabinom.ppf(0.999, 25_000, 1_001, 19_000)
    assert most_among(20, 40, 40) == 20  # of whom all were, all may be


def test_the_worst_second_before_the_fault_is_the_measure() -> None:
    before_and_after = slow_one_in(10)
    found = judged(lambda at_s: before_and_after(at_s) if 2 <= at_s < 3 or at_s >= FAULT_S else 20.0)
    assert found == Recovery(0.0, recovered=True)


def test_a_second_in_which_nobody_was_accepted_is_not_as_before() -> None:
    found = judged(always(20.0), fails=lambda at_s: at_s >= FAULT_S)
    assert found.recovered is False
    assert found.reason == (
        "not recovered within 12 s after the heal: in the last second 20 of 20 slower than 20.0\u00a0ms or not "
        "accepted (limit 3), 20 of 20 not accepted (limit 3)"
    )


def restarted(latency_s: float = 6.0, ready_s: float = 1.55) -> Recovery:
    """Calls of six seconds to a service that is restarted at 8 s: all that are in hand are cut, and more are refused
    until it is ready again, 20 of 20 of those intended at 8 s and 11 of 20 at 9 s.
    """
    at_s = np.arange(0, 16, 1 / RATE)
    cut = (at_s < 8) & (at_s + latency_s > 8)
    failed = cut | ((at_s >= 8) & (at_s < 8 + ready_s - 1e-6))
    told_s = np.where(cut, 8.0, np.where(failed, at_s, at_s + latency_s))
    table = pd.DataFrame(
        {
            "intended_ns": np.round(at_s * 1e9).astype(np.int64),
            "accept_latency_ms": np.where(failed, np.nan, latency_s * 1e3 + at_s % 0.5),
        }
    )
    steps = pd.concat([pd.Series(1, at_s), pd.Series(-1, told_s)]).groupby(level=0).sum().cumsum()
    series = pd.DataFrame({"t_s": steps.index, "count": steps.to_numpy()})
    return recovery(table, told_s * 1e9, series, fault_ns=8 * SECOND, heal_ns=8 * SECOND, end_ns=16 * SECOND)


def test_calls_that_the_fault_cut_are_no_measure_of_how_it_was_before() -> None:
    assert restarted().recovery_s == pytest.approx(1.5, abs=0.25)


def test_who_was_in_hand_as_the_fault_began_counts_neither_before_nor_after() -> None:
    # Every call takes longer than there is before the fault.
    assert "nobody was accepted before the fault" in restarted(latency_s=8.5).reason


def test_what_does_not_recover_says_which_limits_its_last_second_exceeds() -> None:
    found = judged(slow_until(END_S), lambda at_s: 40.0 if at_s >= FAULT_S else 2.0)
    assert found == Recovery(
        None,
        recovered=False,
        reason="not recovered within 12 s after the heal: in the last second 20 of 20 slower than 20.0\u00a0ms or not "
        "accepted (limit 3), 40 outstanding (limit 8)",
    )


def test_what_is_good_only_at_the_end_did_not_recover_and_a_longer_run_would_tell() -> None:
    found = judged(slow_until(END_S - 3))
    assert found.recovered is False
    assert "only the last 3 s were as before the fault; use a longer duration" in found.reason


def test_with_fewer_than_five_seconds_left_nobody_can_say() -> None:
    found = judged(slow_until(HEAL_S), end_s=HEAL_S + 4)
    assert (found.recovery_s, found.recovered) == (None, None)
    assert "not observed long enough: 4 s are left after the heal, 5 are needed; use a longer duration" in found.reason


def test_five_seconds_are_enough() -> None:
    assert judged(slow_until(HEAL_S), end_s=HEAL_S + 5) == Recovery(0.0, recovered=True)


def test_without_a_whole_second_before_the_fault_there_is_nothing_to_compare_with() -> None:
    found = judged(always(20.0), fault_s=0.9)
    assert found.recovered is None
    assert "no whole second before the fault" in found.reason
    assert "let the fault begin later" in found.reason


def test_one_second_before_the_fault_is_enough() -> None:
    assert judged(always(20.0), fault_s=1).recovered


def test_where_nobody_was_accepted_before_the_fault_there_is_nothing_to_compare_with() -> None:
    assert "nobody was accepted before the fault" in judged(always(20.0), fails=lambda at_s: True).reason


def together(parts: list[Recovery]) -> dict[str, object]:
    return {"recovery_s": RECOVERY_S.combine(parts), **RECOVERY_S.beside(parts)}


def test_several_trials_have_the_mean() -> None:
    parts = [Recovery(1.0, recovered=True), Recovery(2.0, recovered=True)]
    assert together(parts) == {"recovery_s": 1.5, "recovered": True, "recovered_trials": 2}


def test_one_trial_that_did_not_recover_leaves_no_mean() -> None:
    parts = [Recovery(1.0, recovered=True), Recovery(None, recovered=False, reason="not recovered"), Recovery()]
    assert together(parts) == {"recovery_s": None, "recovered": False, "recovered_trials": 1}


def test_without_faults_there_is_nothing_to_recover_from() -> None:
    assert together([Recovery(), Recovery()]) == {"recovery_s": None, "recovered": None, "recovered_trials": None}


def test_of_several_faults_the_last_heal_counts() -> None:
    kill = {"name": "kill", "target": "email", "type": "kill", "at": "4s", "duration": "2s"}
    restart = {"name": "restart", "target": "cache", "type": "restart", "at": "9s"}
    assert scenario_of(faults=[kill, restart]).healed_ns == 9 * SECOND
    assert scenario_of(faults=[kill]).healed_ns == 6 * SECOND
    assert scenario_of(faults=[], hypothesis=None).healed_ns is None
