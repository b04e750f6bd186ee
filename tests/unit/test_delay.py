"""Which figures delay improved: compared as they are, latencies of those alone that got there in both cases."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import pytest

from benchmarks.analysis.delay import FIGURES, delay_helps, improvements, not_covered, uncovered
from benchmarks.planning.plan import Plan, make_plan
from benchmarks.planning.prediction import Prediction, Unpredicted
from benchmarks.planning.stalls import Stalls
from benchmarks.scenario import load_text
from benchmarks.subject import VARIANTS
from benchmarks.values.times import NEVER
from virtual.predict import predict

MS = 1_000_000
PLAN = make_plan(load_text("version: 1\nname: x\nworkload: {rate: 20, duration: 1s, arrivals: uniform}\n", "x"))
QUIET = predict(PLAN, "sync")
assert isinstance(QUIET, Prediction)


def changed(place: int, by_ms: float | None) -> Prediction:
    """One reply that comes by so much later; None: never."""
    replied_ns, accepted = QUIET.replied_ns.copy(), QUIET.accepted.copy()
    replied_ns[place] = NEVER if by_ms is None else replied_ns[place] + round(by_ms * MS)
    accepted[place] = by_ms is not None
    return replace(QUIET, replied_ns=replied_ns, accepted=accepted)


def all_later(by_ms: float) -> Prediction:
    return replace(QUIET, replied_ns=QUIET.replied_ns + round(by_ms * MS))


ACCEPTED_AT = ["accept_latency_ms.p50", "accept_latency_ms.p95", "accept_latency_ms.p99"]


def given(*stalled: Prediction | Unpredicted):
    """Predicts the quiet run, and with stalls one after the other."""
    left = list(stalled)

    def told(plan: Plan, variant: str, block: int = 0, progress=None, stalls: Stalls | None = None, wire_ms=0.0):
        return QUIET if stalls is None else left.pop(0)

    return told


def test_what_comes_later_helps_nobody() -> None:
    assert improvements(PLAN.scenario, QUIET, changed(3, 5)) == {}


def test_what_comes_sooner_does_where_it_is_seen() -> None:
    sooner = replace(QUIET, replied_ns=QUIET.replied_ns - MS)
    found = improvements(PLAN.scenario, QUIET, sooner)
    assert found == pytest.approx(dict.fromkeys(ACCEPTED_AT, 1.0))


def test_less_than_a_hundredth_of_a_millisecond_is_the_same() -> None:
    assert improvements(PLAN.scenario, QUIET, replace(QUIET, replied_ns=QUIET.replied_ns - 9_000)) == {}


def test_one_reply_more_improves_the_shares_by_one_of_all() -> None:
    found = improvements(PLAN.scenario, changed(3, None), QUIET)
    assert found == {"accept_ratio": pytest.approx(1 / 20), "slo_ratio": pytest.approx(1 / 20)}


def test_a_slow_reply_that_is_lost_does_not_make_the_others_faster() -> None:
    assert improvements(PLAN.scenario, changed(3, 500), changed(3, None)) == {}


def test_a_quiet_figure_between_the_prediction_and_the_stalled_run_is_covered() -> None:
    assert uncovered(PLAN.scenario, QUIET, all_later(2), all_later(5)) == {}


def test_a_quiet_figure_beyond_both_is_not_and_lies_so_far_outside() -> None:
    found = uncovered(PLAN.scenario, QUIET, all_later(5), all_later(2))
    assert found == pytest.approx(dict.fromkeys(ACCEPTED_AT, 3.0))


def test_a_registration_that_only_the_stalled_run_accepts_is_covered_since_both_its_fates_count() -> None:
    refused = changed(3, None)
    assert improvements(PLAN.scenario, refused, QUIET) != {}
    assert uncovered(PLAN.scenario, refused, refused, QUIET) == {}


def test_one_that_neither_accepts_and_the_quiet_machine_does_is_not_covered() -> None:
    found = uncovered(PLAN.scenario, changed(3, None), QUIET, changed(3, None))
    assert found["accept_ratio"] == pytest.approx(1 / 20)


def test_of_all_draws_the_largest_improvement_counts() -> None:
    by_ms: Sequence[float] = (-1, -3, -2)
    found = delay_helps(
        PLAN, "sync", given(*(replace(QUIET, replied_ns=QUIET.replied_ns + round(ms * MS)) for ms in by_ms)), 3
    )
    assert found["accept_latency_ms.p50"] == pytest.approx(3)


@pytest.mark.parametrize("asked", [delay_helps, not_covered])
def test_what_cannot_be_predicted_is_not_shown_to_be_safe(asked) -> None:
    found = asked(PLAN, "sync", given(Unpredicted("sync", 0, "no end")), 1)
    assert found == dict.fromkeys(FIGURES, math.inf)


def test_a_closed_load_has_other_arrivals_when_it_is_delayed() -> None:
    text = "version: 1\nname: x\nworkload: {executor: constant-vus, vus: 2, duration: 1s, warmup: 0s}\n"
    assert delay_helps(make_plan(load_text(text, "x")), "sync", predict, 1) == dict.fromkeys(FIGURES, math.inf)


def test_a_variant_may_say_of_itself_that_delay_helps_it(monkeypatch: pytest.MonkeyPatch) -> None:
    listed = VARIANTS["sync"]
    told = replace(listed, declared=replace(listed.declared, delay_may_help=True))
    monkeypatch.setattr("benchmarks.scenario.variant.VARIANTS", {**VARIANTS, "sync": told})
    assert delay_helps(PLAN, "sync", given(), 1) == dict.fromkeys(FIGURES, math.inf)


def test_stalls_of_a_seed_are_the_same_and_those_of_two_processes_are_not() -> None:
    first, again, other = (iter(Stalls(1, 5, 20).of(name)) for name in ("api", "api", "email/0"))
    assert [next(first) for _ in range(5)] == [next(again) for _ in range(5)] != [next(other) for _ in range(5)]


def test_stalls_come_as_often_and_last_as_long_as_asked() -> None:
    stalls = Stalls(1, 5, 20).of("api")
    gaps, lengths = zip(*(next(stalls) for _ in range(5000)), strict=True)
    assert sum(gaps) / 5000 / MS == pytest.approx(20, rel=0.05)
    assert sum(lengths) / 5000 / MS == pytest.approx(5, rel=0.05)
