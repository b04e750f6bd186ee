"""The prediction, the code itself in virtual time, held against cases that can be worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.faults import KINDS, Effect
from benchmarks.planning.plan import make_plan
from benchmarks.planning.prediction import Prediction, Unpredicted
from benchmarks.scenario import load_text
from benchmarks.values.times import NEVER
from registration import luck
from virtual.predict import predict

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
    text = "broker: {partitions: 1}\nservices: {email: {latency: 150ms, concurrency: 1}}\n"
    text += EVEN.replace("warmup: 1s", "warmup: 0s")
    result = predicted(text, "events")
    waits_ms = (result.applied_ns["email"] - result.intended_ns) / 1e6
    assert waits_ms == pytest.approx(150 + 50 * np.arange(100))


def test_a_second_instance_takes_every_other_registration() -> None:
    text = "services: {email: {latency: 150ms, concurrency: 1, instances: 2}}\n" + EVEN
    assert predicted(text, "sync").whole.by_service["email"] == (pytest.approx(150), pytest.approx(150))


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


def later(text: str, **faults: str) -> str:
    """The text, with faults that each begin at 4.02 s, between two arrivals, and last 3 s where they last."""
    listed = [f"{{target: {target}, at: 4.02s, {rest}}}" for target, rest in faults.items()]
    return text + f"faults: [{', '.join(listed)}]\n"


PATIENT = EVEN.replace("timeout: 3s", "timeout: 10s")
PAUSED, KILLED = "type: pause, duration: 3s", "type: kill, duration: 3s"


def test_who_comes_while_the_api_stands_still_is_answered_when_it_goes_on() -> None:
    """All at 7.02 s and what a registration takes: who came last waits least, by a tenth of a second each."""
    text = later(FIFTY + PATIENT, api=PAUSED)
    for variant, takes_ms in (("sync", 150), ("events", 0)):
        result = predicted(text, variant)
        first, after = at(result, 4.1), at(result, 7.1)
        waits_ms = (result.replied_ns - result.intended_ns)[first:after] / 1e6
        assert waits_ms == pytest.approx(2_920 - 100 * np.arange(30) + takes_ms)
        assert np.all(result.accepted[first:after])
        assert np.all(result.applied_ns["email"][first:after] == 7_070_000_000)
        assert (result.replied_ns - result.intended_ns)[after] == takes_ms * 1_000_000


def test_a_reply_that_the_api_slept_through_loses_to_its_timeout() -> None:
    """Who came at 3.9 s waits for the cache, who came at 4.0 s for the mail: both answers are there at 4.05 s.

    The API hears of them at 7.02 s, when two seconds are over.
    """
    result = predicted(later(FIFTY + PATIENT, api=PAUSED), "sync")
    last, one_but_last = at(result, 4.0), at(result, 3.9)
    assert np.flatnonzero(~result.accepted).tolist() == [one_but_last, last]
    assert result.replied_ns[[one_but_last, last]].tolist() == [7_020_000_000] * 2
    assert result.applied_ns["cache"][one_but_last] == 4_050_000_000, "done, and nobody told the person"
    assert result.applied_ns["email"][last] == 4_050_000_000
    assert result.applied_ns["analytics"][last] == NEVER


def test_a_reply_that_the_api_slept_through_counts_where_its_timeout_is_still_to_come() -> None:
    result = predicted(later(FIFTY + PATIENT, api="type: pause, duration: 1s"), "sync")
    assert result.whole.accept_ratio == 1.0
    assert result.replied_ns[at(result, 3.9)] == 5_020_000_000
    assert result.replied_ns[at(result, 4.0)] == 5_120_000_000, "two more calls"


@pytest.mark.parametrize(("variant", "cut_off"), [("sync", 2), ("sync-concurrent", 1), ("events", 0)])
def test_a_killed_api_refuses_those_who_come_and_cuts_off_those_who_wait(variant: str, cut_off: int) -> None:
    """Three calls in a row take 150 ms, at once 50 ms, an event nothing: so many are under way at 4.02 s."""
    result = predicted(later(FIFTY + ALL + PATIENT, api=KILLED), variant)
    first, after = at(result, 4.1), at(result, 7.1)
    unanswered = np.flatnonzero(result.replied_ns == NEVER)
    assert unanswered.tolist() == list(range(first - cut_off, after))
    assert np.flatnonzero(~result.accepted).tolist() == unanswered.tolist()
    for applied_ns in result.applied_ns.values():
        assert np.all(applied_ns[first:after] == NEVER), "nobody was told"
    assert result.applied_ns["email"][at(result, 4.0)] == 4_050_000_000, "its work had begun"
    assert result.whole.accept_ratio == pytest.approx((70 - cut_off) / 100)


def test_a_killed_api_leaves_half_done_what_it_was_at() -> None:
    """Who came at 4.0 s was at the mail: nobody goes on with the calls, and nobody needs to with an event."""
    text = later(FIFTY + PATIENT, api=KILLED)
    called, published = predicted(text, "sync"), predicted(text, "events")
    place = at(called, 4.0)
    assert called.applied_ns["analytics"][place] == NEVER
    assert published.applied_ns["analytics"][place] == 4_050_000_000


def test_one_of_two_killed_apis_refuses_every_other_person() -> None:
    text = later("api: {instances: 2}\n" + FIFTY + PATIENT, **{"api/1": KILLED})
    result = predicted(text, "events")
    refused = np.flatnonzero(result.replied_ns == NEVER)
    assert refused.tolist() == list(range(at(result, 4.1), at(result, 7.1), 2))
    assert np.all(result.index[refused] % 2 == 1)


@pytest.mark.parametrize(
    ("type_", "first_answered_ms"),
    [
        pytest.param("pause", 1_920, id="pause: who came at 5.1 s is answered at 7.02 s"),
        pytest.param("kill", 1_900, id="kill: who came at 5.2 s tries each 100 ms, and first succeeds at 7.1 s"),
    ],
)
def test_a_broker_that_is_gone_for_longer_than_a_publish_may_take_refuses_at_first(
    type_: str, first_answered_ms: int, caplog: pytest.LogCaptureFixture
) -> None:
    """A publish waits two seconds. What was given up reaches the log all the same and is done; calls need no broker."""
    text = later(FIFTY + PATIENT, broker=f"type: {type_}, duration: 3s")
    result = predicted(text, "events")
    assert not caplog.records, "what processes log is not shown"
    first, after = at(result, 4.1), at(result, 7.1)
    took_ms = (result.replied_ns - result.intended_ns)[first:after] // 1_000_000
    refused = int((took_ms == 2_000).sum())
    assert took_ms[:refused].tolist() == [2_000] * refused
    assert took_ms[refused:].tolist() == list(range(first_answered_ms, 0, -100))
    assert refused + len(took_ms[refused:]) == 30
    assert np.flatnonzero(~result.accepted).tolist() == list(range(first, first + refused))
    assert np.all(result.applied_ns["email"] != NEVER)
    assert predicted(text, "sync").whole.accept_ratio == 1.0


def test_a_restart_finishes_what_is_in_hand_and_takes_no_time_beyond_it() -> None:
    """Work of 250 ms each 100 ms: that of 4.0 s ends at 4.25 s. Calls of 4.1 s and 4.2 s are refused, events wait."""
    text = later("services: {email: {latency: 250ms}}\n" + PATIENT, email="type: restart")
    called, published = predicted(text, "sync"), predicted(text, "events")
    refused = [at(called, 4.1), at(called, 4.2)]
    assert np.flatnonzero(~called.accepted).tolist() == refused
    assert np.all(called.replied_ns[refused] == called.intended_ns[refused])
    assert published.whole.accept_ratio == 1.0
    assert published.applied_ns["email"][at(published, 4.0)] == 4_250_000_000
    assert published.applied_ns["email"][refused].tolist() == [4_500_000_000] * 2
    assert published.applied_ns["email"][at(published, 4.3)] == 4_550_000_000


def test_one_of_two_killed_consumers_leaves_its_share_waiting_for_it() -> None:
    """Its name keeps its partitions for ten seconds, so nobody else takes them."""
    text = later("services: {email: {latency: 50ms, instances: 2}}\n" + PATIENT, **{"email/1": KILLED})
    result = predicted(text, "events")
    applied_ns, came = result.applied_ns["email"], slice(at(result, 4.0), at(result, 7.1))
    late = applied_ns[came] == 7_070_000_000
    assert np.all(late | (applied_ns[came] == result.intended_ns[came] + 50_000_000))
    assert 0.2 < late.mean() < 0.8, "three partitions of six"
    assert np.all(np.delete(applied_ns - result.intended_ns, came) == 50_000_000)


def test_one_of_two_consumers_meets_the_fault_that_is_its_own() -> None:
    """Whose events it has is decided by their key: a person's are all hit, or none."""
    text = PATIENT.replace("timeout: 10s", "timeout: 10s, keys: {distribution: uniform, count: 8}")
    text += "services: {email: {latency: 1ms, instances: 2}}\n"
    text += "faults: [{target: email/0, type: latency, at: 0s, duration: 10s, latency: 40ms}]\n"
    result = predicted(text, "events")
    took_ms = (result.applied_ns["email"] - result.intended_ns) / 1e6
    seed = luck.block_seed(1, 0)
    people = np.array([luck.key(seed, int(index), "uniform", 8, 0) for index in result.index])
    of_each = {tuple(np.unique(took_ms[people == person])) for person in np.unique(people)}
    assert of_each == {(1.0,), (41.0,)}


@pytest.mark.parametrize("type_", [word for word, kind in KINDS.items() if kind.effect is Effect.DOWN])
@pytest.mark.parametrize("target", ["api", "email"])
def test_a_process_that_is_started_again_is_noted(target: str, type_: str) -> None:
    rest = ", duration: 1s" if "duration" in KINDS[type_].example() else ""
    text = later(EVEN, **{target: f"type: {type_}{rest}, variants: [sync]"})
    assert "ready at once" in " ".join(predicted(text, "sync").notes)
    assert predicted(text, "events").notes == ()


@pytest.mark.parametrize(("variant", "takes_ms"), [("sync", 150), ("sync-concurrent", 50)])
def test_people_who_come_again_are_as_many_as_their_calls_leave_time_for(variant: str, takes_ms: int) -> None:
    text = FIFTY + ALL + "workload: {executor: constant-vus, vus: 5, duration: 3s, warmup: 0s}\n"
    result = predicted(text, variant)
    assert result.whole.offered == 5 * 3_000 // takes_ms
    assert (result.whole.accept_p50_ms, result.whole.accept_p95_ms) == (
        pytest.approx(takes_ms),
        pytest.approx(takes_ms),
    )
    assert "not registration by registration" in " ".join(result.notes)


def test_people_whose_replies_take_no_time_never_stop_coming_which_is_not_predicted() -> None:
    text = "version: 1\nname: x\nworkload: {executor: constant-vus, vus: 5, duration: 3s}\n"
    found = predict(make_plan(load_text(text, "x")), "events")
    assert isinstance(found, Unpredicted)
    assert "a reply takes no time here" in found.reason


def test_what_is_too_much_is_not_predicted_and_says_why() -> None:
    plan = make_plan(load_text("version: 1\nname: x\nworkload: {rate: 5001, duration: 10s, warmup: 0s}\n", "x"))
    for variant in ("sync", "events"):
        found = predict(plan, variant)
        assert isinstance(found, Unpredicted)
        assert "50,010" in found.reason
        assert found.as_dict() == {"variant": variant, "block": 0, "not_predicted": found.reason}


def test_the_queue_behind_a_slow_record_is_no_longer_than_what_a_consumer_takes_in_hand() -> None:
    """A run on Kafka took 1,040 ms at the median and 3,050 ms at p95 for those who came meanwhile; else it is 20 ms."""
    text = "workload: {rate: 40, duration: 16s, warmup: 1s, arrivals: uniform}\nvariants: [events]\n"
    text += "broker: {partitions: 1}\nservices: {analytics: {latency: 5ms, concurrency: 8}}\n"
    text += "faults: [{target: analytics, type: latency, at: 4s, duration: 6s, latency: 4s, probability: 0.02}]\n"
    during = predicted(text, "events").windows["during"]
    assert during is not None
    assert during.completion_p50_ms == pytest.approx(1_040, rel=0.1)
    assert during.completion_p95_ms == pytest.approx(3_050, rel=0.1)
