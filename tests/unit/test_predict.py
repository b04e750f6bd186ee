"""The prediction: a queue replay, held against cases that can be worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from benchmarks.planning.predict import FIRST_RETRY_NS, LONGEST_RETRY_NS, predict

from benchmarks.planning.plan import make_plan
from benchmarks.planning.prediction import NEVER, Prediction, Unpredicted
from benchmarks.scenario import load_text
from event_impl.variants import events

FIFTY = "services: {email: {latency: 50ms}, analytics: {latency: 50ms}, cache: {latency: 50ms}}\n"
ALL = "variants: [sync, sync-concurrent, events]\n"
EVEN = "workload: {rate: 10, duration: 10s, warmup: 1s, arrivals: uniform, timeout: 3s}\n"


def predicted(text: str, variant: str, block: int = 0) -> Prediction:
    found = predict(make_plan(load_text("version: 1\nname: x\n" + text, "x")), variant, block)
    assert isinstance(found, Prediction)
    return found


@pytest.mark.parametrize(
    ("variant", "accept_ms", "complete_ms"), [("sync", 150, 150), ("sync-concurrent", 50, 50), ("events", 0, 50)]
)
def test_fifty_milliseconds_each_add_up_in_turn_and_overlap_at_once(
    variant: str, accept_ms: float, complete_ms: float
) -> None:
    whole = predicted(FIFTY + ALL + EVEN, variant).whole
    assert (whole.offered, whole.accept_ratio, whole.slo_ratio) == (100, 1.0, 1.0)
    assert whole.accept_p50_ms == pytest.approx(accept_ms)
    assert whole.completion_p50_ms == pytest.approx(complete_ms)
    assert whole.by_service["email"][0] == pytest.approx(50)


def test_without_faults_there_are_no_windows() -> None:
    assert predicted(EVEN, "sync").windows == {"before": None, "during": None, "after": None}


def test_added_latency_is_waited_for_by_the_person_or_by_nobody() -> None:
    text = FIFTY + EVEN + "faults:\n  - {target: email, type: latency, at: 4s, duration: 4s, latency: 800ms}\n"
    waited, not_waited = predicted(text, "sync").windows["during"], predicted(text, "events").windows["during"]
    assert waited is not None
    assert not_waited is not None
    assert (waited.accept_p50_ms, waited.slo_ratio) == (pytest.approx(950), 0.0)
    assert (not_waited.accept_p50_ms, not_waited.slo_ratio) == (pytest.approx(0), 1.0)
    assert not_waited.completion_p50_ms == pytest.approx(850)


def test_a_full_service_makes_its_queue_wait_in_order_of_arrival() -> None:
    """One slot, 150 ms of work, an arrival each 100 ms: each waits 50 ms longer than the one before."""
    text = "services: {email: {latency: 150ms, concurrency: 1}}\n" + EVEN.replace("warmup: 1s", "warmup: 0s")
    result = predicted(text, "events")
    waits_ms = (result.applied_ns["email"] - result.intended_ns) / 1e6
    assert waits_ms == pytest.approx(150 + 50 * np.arange(100))


def test_a_second_instance_takes_every_other_registration() -> None:
    text = "services: {email: {latency: 150ms, concurrency: 1, instances: 2}}\n" + EVEN
    assert predicted(text, "events").whole.by_service["email"] == (pytest.approx(150), pytest.approx(150))


def test_a_hang_keeps_the_slot_until_it_heals_and_then_the_work_is_done() -> None:
    text = FIFTY + EVEN + "faults:\n  - {target: email, type: hang, at: 4s, duration: 1s}\n"
    result = predicted(text, "events")
    at_four = int(np.searchsorted(result.intended_ns, 4_000_000_000))
    assert result.applied_ns["email"][at_four] == 5_050_000_000
    assert result.applied_ns["analytics"][at_four] == 4_050_000_000


def test_a_call_that_takes_too_long_fails_and_its_work_is_done_all_the_same() -> None:
    text = "variants: [{name: hurried, base: sync, options: {timeout: 30ms}}]\n" + FIFTY + EVEN
    result = predicted(text, "hurried")
    assert result.whole.accept_ratio == 0.0
    assert (result.replied_ns - result.intended_ns)[0] == 30_000_000
    assert np.all(result.applied_ns["email"] - result.intended_ns == 50_000_000)
    assert np.all(result.applied_ns["analytics"] == NEVER), "the first failure ends the chain"


def test_a_reply_after_the_person_has_left_is_no_accept() -> None:
    text = EVEN.replace("timeout: 3s", "timeout: 120ms") + FIFTY
    whole = predicted(text, "sync").whole
    assert (whole.accept_ratio, whole.accept_p50_ms) == (0.0, None)
    assert whole.completion_p50_ms == pytest.approx(150), "what was begun is done"


@pytest.mark.parametrize(("variant", "analytics"), [("sync", False), ("sync-concurrent", True)])
def test_a_failing_service_fails_the_registration_and_at_once_the_others_are_done(
    variant: str, analytics: bool
) -> None:
    text = FIFTY + ALL + EVEN + "faults:\n  - {target: email, type: error, at: 0s, duration: 10s}\n"
    result = predicted(text, variant)
    assert result.whole.accept_ratio == 0.0
    assert np.all(result.applied_ns["email"] == NEVER)
    assert bool(np.all((result.applied_ns["analytics"] != NEVER) == analytics))


def test_consumers_try_again_until_the_fault_is_over() -> None:
    """Tries at 0, 150, 400 and 850 ms each take 50 ms; the waits between them are 100, 200 and 400 ms."""
    text = FIFTY + EVEN + "faults:\n  - {target: email, type: error, at: 4s, duration: 500ms}\n"
    result = predicted(text, "events")
    at_four = int(np.searchsorted(result.intended_ns, 4_000_000_000))
    assert result.applied_ns["email"][at_four] == 4_000_000_000 + 850_000_000 + 50_000_000
    assert result.whole.accept_ratio == 1.0


def test_the_waits_between_tries_are_those_of_the_consumers() -> None:
    assert events._FIRST_WAIT_S * 1e9 == FIRST_RETRY_NS
    assert events._LONGEST_WAIT_S * 1e9 == LONGEST_RETRY_NS


def test_what_never_succeeds_ends_with_the_drain() -> None:
    result = predicted(EVEN + "services: {cache: {errorRate: 1}}\ndrain: 5s\n", "events")
    assert result.whole.completion_p50_ms is None
    assert result.whole.slo_ratio == 0.0
    assert np.all(result.applied_ns["cache"] == NEVER)


def test_an_error_rate_takes_its_share_and_hits_the_same_registrations_on_both_sides() -> None:
    text = "workload: {rate: 200, duration: 10s}\nservices: {email: {errorRate: 0.1}}\n"
    ratio = predicted(text, "sync").whole.accept_ratio
    assert ratio == pytest.approx(0.9, abs=0.02)
    failed = ~predicted(text, "sync").accepted
    result = predicted(text, "events")
    first_try = result.applied_ns["email"] - result.intended_ns < 100_000_000
    assert np.array_equal(failed, ~first_try)


def test_a_fault_meets_only_the_variants_it_names() -> None:
    text = EVEN + FIFTY + "faults:\n  - {target: email, type: error, at: 0s, duration: 10s, variants: [events]}\n"
    assert predicted(text, "sync").whole.accept_ratio == 1.0


def test_the_prediction_is_the_same_each_time_and_differs_between_blocks() -> None:
    one, again, other = (predicted("workload: {rate: 50}\n", "sync", block).as_dict() for block in (0, 0, 1))
    assert one == again
    assert one != {**other, "block": 0}


def test_an_unknown_variant_is_a_key_error() -> None:
    with pytest.raises(KeyError, match="evnts"):
        predicted(EVEN, "evnts")


def at(result: Prediction, second: float) -> int:
    """The place of the first arrival from an instant on."""
    return int(np.searchsorted(result.intended_ns, round(second * 1e9)))


PAUSE = "faults:\n  - {target: email, type: pause, at: 4s, duration: 3s}\n"
KILL = PAUSE.replace("pause", "kill")


def test_a_paused_service_ends_nothing_until_it_goes_on() -> None:
    """Arrivals come every 100 ms and take 50 ms; with 70 ms of work, that of 3.95 s would end in the pause."""
    text = EVEN + "services: {email: {latency: 150ms}}\n" + PAUSE
    result = predicted(text, "events")
    applied_s = result.applied_ns["email"] / 1e9
    assert applied_s[at(result, 3.8)] == pytest.approx(3.95)
    assert applied_s[at(result, 3.9)] == pytest.approx(7.0), (
        "asleep when the pause came: the later of its time and the heal"
    )
    assert applied_s[at(result, 4.0)] == pytest.approx(7.15), "not begun before the heal"
    assert applied_s[at(result, 7.1)] == pytest.approx(7.25)
    assert result.whole.accept_ratio == 1.0
    assert np.all(result.applied_ns["email"] != NEVER)


def test_calls_of_a_paused_service_time_out_and_its_work_is_done_after_all() -> None:
    result = predicted(FIFTY + EVEN + PAUSE, "sync")
    place = at(result, 4.0)
    assert not result.accepted[place]
    assert result.replied_ns[place] == 6_000_000_000, "two seconds after the call"
    assert result.applied_ns["email"][place] == 7_050_000_000
    assert result.applied_ns["analytics"][place] == NEVER
    assert result.accepted[at(result, 5.2)], "a call from within the last two seconds is answered"


def test_calls_of_a_killed_service_fail_at_once_and_those_in_flight_are_cut_off() -> None:
    result = predicted(EVEN + "services: {email: {latency: 150ms}}\n" + KILL, "sync")
    cut_off, refused, after = at(result, 3.9), at(result, 4.1), at(result, 7.0)
    assert result.replied_ns[cut_off] == 4_000_000_000
    assert result.replied_ns[refused] == result.intended_ns[refused]
    assert not result.accepted[cut_off]
    assert not result.accepted[refused]
    assert np.all(result.applied_ns["email"][cut_off:after] == NEVER)
    assert result.accepted[after]


def test_the_events_of_a_killed_consumer_come_again_when_it_is_back() -> None:
    result = predicted(EVEN + "services: {email: {latency: 150ms}}\n" + KILL, "events")
    assert result.applied_ns["email"][at(result, 3.9)] == 7_150_000_000
    assert result.applied_ns["email"][at(result, 6.0)] == 7_150_000_000
    assert result.applied_ns["email"][at(result, 3.8)] == 3_950_000_000
    assert np.all(result.applied_ns["email"] != NEVER)


def test_after_a_kill_attempts_count_from_one_again() -> None:
    """Every attempt before 6 s fails; a retry that was waiting when the kill came must not come as well."""
    text = (
        EVEN + FIFTY + "faults:\n  - {target: email, type: error, at: 0s, duration: 6s}\n"
        "  - {target: email, type: kill, at: 4s, duration: 1s}\n"
    )
    result = predicted(text, "events")
    # Tries at 5 s, 5.15 s, 5.4 s, 5.85 s and 6.7 s, as for an event that came at 5 s; those before are forgotten.
    assert result.applied_ns["email"][0] == result.applied_ns["email"][at(result, 5.0)] == 6_750_000_000


def test_only_one_of_two_killed_instances_refuses_its_calls() -> None:
    text = EVEN + "services: {email: {instances: 2}}\n" + KILL.replace("email,", "email/1,")
    during = predicted(text, "sync").windows["during"]
    assert during is not None
    assert during.accept_ratio == pytest.approx(0.5, abs=0.04)


def test_events_of_one_person_are_worked_on_one_after_the_other() -> None:
    text = (
        "workload: {rate: 10, duration: 2s, warmup: 0s, arrivals: uniform, keys: {distribution: uniform, count: 1}}\n"
    )
    text += "services: {email: {latency: 150ms}}\n"
    in_turn, called = predicted(text, "events"), predicted(text, "sync")
    assert (in_turn.applied_ns["email"] - in_turn.intended_ns) / 1e6 == pytest.approx(150 + 50 * np.arange(20))
    assert np.all(called.applied_ns["email"] - called.intended_ns == 150_000_000), "calls know no order"


@pytest.mark.parametrize(
    ("text", "variants", "reason"),
    [
        ("workload: {executor: constant-vus, vus: 5}\n", ("sync", "events"), "a closed load wait for replies"),
        ("faults: [{target: api, type: kill, at: 4s, duration: 1s}]", ("sync", "events"), "an API that is stopped"),
        ("faults: [{target: api/0, type: pause, at: 4s, duration: 1s}]", ("sync", "events"), "an API that is stopped"),
        ("faults: [{target: broker, type: kill, at: 4s, duration: 1s}]", ("events",), "a broker has no part"),
        ("faults: [{target: email, type: restart, at: 4s}]", ("sync", "events"), "how long a restart takes"),
        ("services: {email: {instances: 2}}\n" + KILL, ("events",), "the broker's decision"),
        (
            "services: {email: {instances: 2}}\nworkload: {keys: {distribution: zipf, count: 9}}\n",
            ("events",),
            "which person's events",
        ),
    ],
)
def test_what_the_parameters_do_not_settle_is_not_predicted_and_says_why(
    text: str, variants: tuple[str, ...], reason: str
) -> None:
    plan = make_plan(load_text("version: 1\nname: x\n" + text, "x"))
    for variant in ("sync", "events"):
        found = predict(plan, variant)
        assert isinstance(found, Unpredicted) == (variant in variants)
        if isinstance(found, Unpredicted):
            assert reason in found.reason
            assert found.as_dict() == {"variant": variant, "block": 0, "not_predicted": found.reason}


def test_a_fault_that_does_not_meet_a_variant_leaves_its_prediction() -> None:
    predicted("faults: [{target: api, type: kill, at: 4s, duration: 1s, variants: [events]}]", "sync")
