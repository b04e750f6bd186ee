"""Recovery: from when on a trial is as it was before the fault."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from synthetic import SECOND

from benchmarks.analysis.recovery import recovery
from benchmarks.metrics.backlog import RECOVERY_S
from benchmarks.metrics.series import Recovery

FAULT_S, HEAL_S, END_S, RATE = 5, 8, 20, 20


def always(value: float) -> Callable[[float], float]:
    return lambda at_s: value


FEW = always(2.0)


def judged(
    accept_ms: Callable[[float], float],
    outstanding: Callable[[float], float] = FEW,
    fails: Callable[[float], bool] = lambda at_s: False,
    *,
    fault_s: float = FAULT_S,
    heal_s: float = HEAL_S,
    end_s: float = END_S,
) -> Recovery:
    """A trial of 20 even arrivals a second, each quantity by the time in seconds."""
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
    return recovery(table, series, **{name: round(s * SECOND) for name, s in edges.items()})


def slow_until(until_s: float, then_ms: float = 20.0) -> Callable[[float], float]:
    return lambda at_s: 900.0 if FAULT_S <= at_s < until_s else (20.0 if at_s < FAULT_S else then_ms)


def test_a_trial_that_is_as_before_from_the_heal_on_took_no_time() -> None:
    assert judged(slow_until(HEAL_S)) == Recovery(0.0, recovered=True)


def test_the_time_is_that_of_the_first_of_five_good_seconds() -> None:
    assert judged(slow_until(HEAL_S + 3)).recovery_s == pytest.approx(3.0)


def test_five_seconds_must_follow_each_other() -> None:
    # Good for four seconds, then bad for half a one, then good: only the last stretch counts.
    found = judged(lambda at_s: 900.0 if HEAL_S + 4 <= at_s < HEAL_S + 4.5 else 20.0)
    assert found.recovery_s == pytest.approx(4.5)


@pytest.mark.parametrize(("then_ms", "recovered"), [(35.0, True), (35.1, False)])
def test_the_limit_of_the_p95_is_half_as_much_again_and_five_milliseconds(then_ms: float, recovered: bool) -> None:
    found = judged(slow_until(HEAL_S, then_ms))
    assert found.recovered is recovered
    assert (found.recovery_s is not None) is recovered


@pytest.mark.parametrize(("then", "recovered"), [(8.0, True), (9.0, False)])
def test_the_limit_of_outstanding_is_half_as_much_again_and_five(then: float, recovered: bool) -> None:
    assert judged(always(20.0), lambda at_s: then if at_s >= FAULT_S else 2.0).recovered is recovered


@pytest.mark.parametrize(("each_s", "recovered"), [(2, True), (3, False)])
def test_two_errors_a_second_more_than_before_are_allowed(each_s: int, recovered: bool) -> None:
    found = judged(always(20.0), fails=lambda at_s: at_s >= FAULT_S and round(at_s * RATE) % RATE < each_s)
    assert found.recovered is recovered


def test_the_worst_second_before_the_fault_is_the_measure() -> None:
    found = judged(lambda at_s: 100.0 if 2 <= at_s < 3 else 20.0 if at_s < FAULT_S else 150.0)
    assert found == Recovery(0.0, recovered=True)


def test_a_second_in_which_nobody_was_accepted_is_judged_by_its_errors() -> None:
    found = judged(always(20.0), fails=lambda at_s: at_s >= FAULT_S)
    assert found.recovered is False
    assert found.reason == "not recovered within 12 s after the heal: in the last second 20 errors (limit 2)"


def test_what_does_not_recover_says_which_limits_its_last_second_exceeds() -> None:
    found = judged(slow_until(END_S), lambda at_s: 40.0 if at_s >= FAULT_S else 2.0)
    assert found == Recovery(
        None,
        recovered=False,
        reason="not recovered within 12 s after the heal: in the last second p95 900 ms (limit 35 ms), "
        "outstanding 40 (limit 8)",
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
