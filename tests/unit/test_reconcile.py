"""Where each registration ended, each category by a case made by hand."""

from pathlib import Path

import pandas as pd
import pytest
from synthetic import BLOCK_SEED, SERVICES, Script, facts_of, ns

from benchmarks.analysis.reconcile import Reconciliation, reconcile
from benchmarks.load.rows import Outcome
from benchmarks.metrics.endings import REGISTRATION_CATEGORIES
from benchmarks.metrics.outcomes import zero_upper95
from benchmarks.trial_result import TrialFrames
from registration import luck


def judged(script: Script, raw: Path) -> tuple[Reconciliation, TrialFrames]:
    frames = script.frames(raw)
    return reconcile(frames.history, frames.effects, script.facts), frames


def one(
    raw: Path,
    outcome: Outcome,
    applied: dict[str, int],
    *,
    stored: bool = True,
    pending: tuple[str, ...] = (),
) -> Reconciliation:
    """One registration that ended so, with each service's number of effects."""
    id_ = str(luck.registration_id(BLOCK_SEED, 0))
    script = Script(facts_of(pending={service: [id_] for service in pending}))
    answered = 50.0 if outcome in (Outcome.ACKED, Outcome.FAILED, Outcome.REFUSED) else None
    script.arrival(0, 0, 0, answered, outcome=outcome, status=200 if answered else 0)
    script.api(0, 1, 2 if stored else None)
    for service, times in applied.items():
        for number in range(times):
            script.effect(0, service, 10.0 + number)
    return judged(script, raw)[0]


def categories(result: Reconciliation) -> set[str]:
    return {name for name, count in result.registrations.items() if count}


ALL_ONCE = dict.fromkeys(SERVICES, 1)
NO_EMAIL = {"analytics": 1, "cache": 1}


@pytest.mark.parametrize(
    ("outcome", "applied", "stored", "pending", "expected"),
    [
        (Outcome.ACKED, ALL_ONCE, True, (), {"complete"}),
        (Outcome.ACKED, NO_EMAIL, True, (), {"lost"}),
        (Outcome.ACKED, NO_EMAIL, True, ("email",), {"pending"}),
        (Outcome.ACKED, {"analytics": 1}, True, ("email",), {"pending", "lost"}),
        (Outcome.ACKED, {**ALL_ONCE, "cache": 2}, True, (), {"duplicated"}),
        (Outcome.ACKED, {"analytics": 2, "cache": 1}, True, (), {"lost", "duplicated"}),
        (Outcome.FAILED, NO_EMAIL, True, (), {"stranded", "unexpected"}),
        (Outcome.FAILED, {}, True, (), {"stranded"}),
        (Outcome.FAILED, ALL_ONCE, True, (), {"complete", "recovered", "unexpected"}),
        (Outcome.FAILED, {}, True, SERVICES, {"pending"}),
        (Outcome.INDETERMINATE, ALL_ONCE, True, (), {"complete", "recovered"}),
        (Outcome.INDETERMINATE, {}, True, (), {"stranded"}),
        (Outcome.INDETERMINATE, {}, False, (), set()),
        (Outcome.REFUSED, {}, False, (), set()),
        (Outcome.REFUSED, {"email": 1}, False, (), {"unexpected"}),
        (Outcome.DROPPED, {}, False, (), set()),
        (Outcome.PENDING, {}, True, (), {"stranded"}),
        (Outcome.ACKED, {**ALL_ONCE, "email": 2}, True, ("email",), {"duplicated"}),
        (Outcome.INDETERMINATE, {**ALL_ONCE, "email": 2}, True, (), {"duplicated"}),
        (Outcome.INDETERMINATE, NO_EMAIL, True, ("email",), {"pending"}),
        (Outcome.FAILED, {**ALL_ONCE, "email": 2}, True, (), {"unexpected", "duplicated"}),
    ],
)
def test_the_categories_of_one_registration(
    outcome: Outcome,
    applied: dict[str, int],
    stored: bool,
    pending: tuple[str, ...],
    expected: set[str],
    tmp_path: Path,
) -> None:
    assert categories(one(tmp_path, outcome, applied, stored=stored, pending=pending)) == expected


def test_effects_are_counted_by_registration_and_service(tmp_path: Path) -> None:
    result = one(tmp_path, Outcome.ACKED, {"email": 3, "analytics": 1})
    assert result.effects == {
        "expected": 3,
        "applied": 2,
        "pending": 0,
        "dead_lettered": 0,
        "lost": 1,
        "stranded": 0,
        "unexpected": 0,
        "duplicated": 1,
    }
    assert result.effects_by_service["email"]["duplicated"] == 1
    assert result.effects_by_service["cache"]["lost"] == 1


def test_effects_add_up_over_services(tmp_path: Path) -> None:
    result = one(tmp_path, Outcome.FAILED, {"email": 2, "cache": 1})
    for name, count in result.effects.items():
        assert count == sum(part[name] for part in result.effects_by_service.values())


def test_the_frame_says_which_registration_and_which_services(tmp_path: Path) -> None:
    script = Script()
    script.happy(0, 0)
    script.arrival(1, 10, 10, 60)
    script.api(1, 11, 12, 59)
    script.effect(1, "analytics", 30)
    result, frames = judged(script, tmp_path)
    assert list(result.frame["registration_id"]) == list(frames.history["registration_id"])
    assert list(result.frame["missing"]) == ["", "email,cache"]
    assert list(result.frame["complete"]) == [True, False]
    assert list(result.frame["lost"]) == [False, True]
    for name in REGISTRATION_CATEGORIES:
        assert result.frame[name].sum() == result.registrations[name]


def test_what_was_put_aside_is_neither_lost_nor_done_and_what_waits_as_well_is_pending(tmp_path: Path) -> None:
    ids = [str(luck.registration_id(BLOCK_SEED, index)) for index in range(3)]
    script = Script(facts_of(dead_lettered={"email": ids, "cache": ids[:1]}, pending={"email": ids[1:2]}))
    for index in range(3):
        script.arrival(index, 10 * index, 10 * index, 10 * index + 5)
        script.api(index, 10 * index + 1, 10 * index + 2)
        for service in SERVICES[:1] * (index == 2) + SERVICES[1:]:
            script.effect(index, service, 50)
    result, _ = judged(script, tmp_path)
    assert list(result.frame["dead_lettered"]) == [True, False, False]
    assert list(result.frame["pending"]) == [False, True, False]
    assert list(result.frame["complete"]) == [False, False, True]
    assert (result.registrations["lost"], result.effects_by_service["email"]["dead_lettered"]) == (0, 1)


def test_the_frame_says_how_often_and_when_each_was_applied(tmp_path: Path) -> None:
    id_ = str(luck.registration_id(BLOCK_SEED, 0))
    script = Script(facts_of(pending={"cache": [id_]}))
    script.arrival(0, 0, 0, 50, outcome=Outcome.INDETERMINATE, status=0)
    script.api(0, 1, 2)
    script.effect(0, "email", 30)
    script.effect(0, "email", 90)
    script.effect(0, "analytics", 60)
    script.arrival(1, 10, outcome=Outcome.DROPPED, status=0)
    result, _ = judged(script, tmp_path)
    first, second = result.frame.to_dict("records")
    assert first["outcome"] == "indeterminate"
    assert [first[f"applied:{service}"] for service in SERVICES] == [2, 1, 0]
    assert (first["missing"], first["missing_pending"]) == ("cache", "cache")
    assert (first["first_applied_ns"], first["last_applied_ns"]) == (ns(30), ns(90))
    assert [second[f"applied:{service}"] for service in SERVICES] == [0, 0, 0]
    assert pd.isna(second["first_applied_ns"])
    assert pd.isna(second["last_applied_ns"])


def test_every_offered_registration_has_a_row_whatever_became_of_it(tmp_path: Path) -> None:
    script = Script()
    for index, outcome in enumerate(Outcome):
        script.arrival(index, 10.0 * index, outcome=outcome, status=0)
    result, _ = judged(script, tmp_path)
    assert list(result.frame["index"]) == list(range(len(Outcome)))
    assert list(result.frame["outcome"].dropna()) == ["acked", "refused", "failed", "indeterminate", "dropped"]
    result.frame.to_parquet(tmp_path / "stored.parquet", index=False)
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "stored.parquet"), result.frame)


def test_categories_overlap_by_service_and_each_counts_the_registration_once(tmp_path: Path) -> None:
    # Told no; email twice, analytics lost on the way, the cache's message still in its log.
    result = one(tmp_path, Outcome.FAILED, {"email": 2}, pending=("cache",))
    assert categories(result) == {"pending", "stranded", "unexpected", "duplicated"}
    assert set(result.registrations.values()) <= {0, 1}
    assert result.effects == {
        "expected": 3,
        "applied": 1,
        "pending": 1,
        "dead_lettered": 0,
        "lost": 0,
        "stranded": 1,
        "unexpected": 1,
        "duplicated": 1,
    }


def test_what_is_missing_is_in_exactly_one_of_the_ways_to_be_missing(tmp_path: Path) -> None:
    """For a stored registration: expected = applied + pending + dead-lettered + lost + stranded."""
    for number, (outcome, applied, pending) in enumerate(
        [
            (Outcome.ACKED, {"email": 1}, ("cache",)),
            (Outcome.FAILED, {"email": 1}, ("cache",)),
            (Outcome.INDETERMINATE, {}, ()),
            (Outcome.ACKED, ALL_ONCE, ("cache",)),  # in the log still, though applied: it is applied
        ]
    ):
        effects = one(tmp_path / str(number), outcome, applied, pending=pending).effects
        ways = ("applied", "pending", "dead_lettered", "lost", "stranded")
        assert sum(effects[name] for name in ways) == effects["expected"]


def test_an_attempt_that_failed_is_no_effect(tmp_path: Path) -> None:
    script = Script()
    script.arrival(0, 0, 0, 50)
    script.api(0, 1, 2, 49)
    script.effect(0, "email", 40, failed_ms=[20])
    script.effect(0, "analytics", None, received_ms=5, failed_ms=[30])
    script.effect(0, "cache", 40)
    result, _ = judged(script, tmp_path)
    assert list(result.frame["missing"]) == ["analytics"]
    assert result.effects["duplicated"] == 0


def test_the_effects_of_a_window_are_those_of_its_arrivals(tmp_path: Path) -> None:
    script = Script()
    script.happy(0, 0)
    script.happy(1, 1000)
    frames = script.frames(tmp_path)
    second = frames.history[frames.history["index"] == 1]
    assert reconcile(second, frames.effects, script.facts).registrations["complete"] == 1


def test_zero_cases_leave_a_rate_possible() -> None:
    assert zero_upper95(1) == pytest.approx(0.95)
    assert zero_upper95(100) == pytest.approx(0.02951, abs=1e-5)  # the rule of three says 0.03
    assert (1 - zero_upper95(4500)) ** 4500 == pytest.approx(0.05)
    assert zero_upper95(0) == 1.0
