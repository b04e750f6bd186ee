"""One behaviour, whichever way it is wired: the same suite for every variant, in virtual time.

What only real processes, real HTTP and a real Kafka can show stands in tests/integration/test_behaviour.py.
"""

from __future__ import annotations

from collections import Counter
from functools import cache

import numpy as np
import pytest
from scene import Lived, live

from benchmarks.subject import VARIANTS
from registration.trace import RecordKind

SERVICES = ["analytics", "cache", "email"]
DIRECT = [name for name, listed in VARIANTS.items() if not listed.uses_broker]
EVENT = [name for name, listed in VARIANTS.items() if listed.uses_broker]
FIVE = "services: {email: {latency: 5ms}, analytics: {latency: 5ms}, cache: {latency: 5ms}}\n"
every = pytest.mark.parametrize("variant", VARIANTS)
direct = pytest.mark.parametrize("variant", DIRECT)
event = pytest.mark.parametrize("variant", EVENT)
# Those of the direct side that call each service once, and reply to what came of it.
once = pytest.mark.parametrize("variant", ["sync", "sync-concurrent"])


def accepted(variant: str) -> int:
    return 202 if VARIANTS[variant].uses_broker else 201


# ── A good day ────────────────────────────────────────────────────────────────────────────────────────────────────────


@cache
def good_day(variant: str) -> Lived:
    return live(variant, [100.0] * 30, FIVE)


@every
def test_everybody_is_accepted_and_done_once(variant: str) -> None:
    lived = good_day(variant)
    assert lived.statuses == dict.fromkeys(range(30), accepted(variant))
    assert {index: lived.applied(index) for index in range(30)} == dict.fromkeys(range(30), SERVICES)


@every
def test_the_user_row_comes_before_anything_else(variant: str) -> None:
    for index in range(30):
        mine = [record for record in good_day(variant).records if record.index == index]
        api = [record for record in mine if record.service == "api"]
        assert [record.kind for record in api] == [RecordKind.RECEIVED, RecordKind.STORED, RecordKind.REPLIED]
        assert api[1].at_ms <= min(record.at_ms for record in mine if record.service != "api")


@every
def test_each_receipt_runs_from_received_to_settled(variant: str) -> None:
    lived = good_day(variant)
    for index in range(30):
        for service in SERVICES:
            mine = [r for r in lived.records if (r.index, r.service) == (index, service)]
            assert [r.kind for r in mine] == [
                RecordKind.RECEIVED,
                RecordKind.STARTED,
                RecordKind.APPLIED,
                RecordKind.SETTLED,
            ]
            assert len({r.delivery for r in mine}) == 1


@direct
def test_the_reply_of_a_direct_call_waits_for_every_service(variant: str) -> None:
    lived = good_day(variant)
    for index in range(30):
        assert max(r.at_ms for r in lived.of(RecordKind.APPLIED, index=index)) <= lived.replied_ms[index]


@event
def test_the_reply_to_an_event_waits_for_the_broker_alone(variant: str) -> None:
    assert set(good_day(variant).replied_ms.values()) == {100.0}


# ── A service that fails each of its attempts, until 1.5 s ────────────────────────────────────────────────────────────

FAILS = "faults: [{target: email, type: error, at: 0s, duration: 1500ms, rate: 1.0, status: 503}]\n"


@cache
def failing(variant: str) -> Lived:
    return live(variant, [0.0] * 6, FIVE + FAILS)


@every
def test_users_stay_when_a_service_fails(variant: str) -> None:
    assert failing(variant).stored == set(range(6))


@once
def test_a_failing_service_fails_the_direct_call_which_is_made_once(variant: str) -> None:
    lived = failing(variant)
    assert lived.statuses == dict.fromkeys(range(6), 502)
    assert [r.attempt for r in lived.of(RecordKind.STARTED, service="email")] == [1] * 6
    assert not lived.of(RecordKind.APPLIED, service="email")


def test_the_first_failure_ends_the_chain_and_not_the_calls_at_once() -> None:
    assert {r.service for r in failing("sync").of(RecordKind.RECEIVED)} == {"api", "email"}
    assert all(failing("sync-concurrent").applied(index) == ["analytics", "cache"] for index in range(6))


@event
def test_a_failing_service_holds_up_no_reply_and_its_event_is_done_in_the_end(variant: str) -> None:
    lived = failing(variant)
    assert lived.statuses == dict.fromkeys(range(6), 202)
    assert {index: lived.applied(index) for index in range(6)} == dict.fromkeys(range(6), SERVICES)
    assert all(r.at_ms >= 1500 for r in lived.of(RecordKind.APPLIED, service="email"))


def test_events_are_retried_in_place_after_waits_that_double() -> None:
    lived = failing("events")
    for index in range(6):
        starts = [r.at_ms for r in lived.of(RecordKind.STARTED, service="email", index=index)]
        # 5 ms of work, then 100, 200, 400, 800 ms: the fifth attempt begins at 1,520 ms, when all is well again.
        assert starts == [0.0, 105.0, 310.0, 715.0, 1520.0]
        assert len(lived.of(RecordKind.RECEIVED, service="email", index=index)) == 1


@event
def test_an_offset_is_committed_only_past_work_that_is_done(variant: str) -> None:
    lived = failing(variant)
    for index in range(6):
        (applied,) = lived.of(RecordKind.APPLIED, service="email", index=index)
        (settled,) = lived.of(RecordKind.SETTLED, service="email", index=index)
        assert applied.at_ms <= settled.at_ms


# ── A full and a hung service ─────────────────────────────────────────────────────────────────────────────────────────

CROWDED = (
    "services: {email: {latency: 40ms, concurrency: 2}, analytics: {latency: 5ms}, cache: {latency: 5ms}}\n"
    "faults: [{target: analytics, type: hang, at: 0s, duration: 1s}]\nbroker: {partitions: 1}\n"
)


@cache
def crowd(variant: str) -> Lived:
    return live(variant, [10.0 * index for index in range(10)], CROWDED)


@every
def test_no_more_than_the_slots_are_at_work_and_who_came_first_is_served_first(variant: str) -> None:
    lived = crowd(variant)
    steps = {RecordKind.STARTED: 1, RecordKind.APPLIED: -1}
    # At one instant a slot is given back before it is taken.
    mine = sorted((r.at_ms, steps[r.kind]) for r in lived.records if r.service == "email" and r.kind in steps)
    assert max(np.cumsum([step for _, step in mine])) == 2
    for kind in (RecordKind.RECEIVED, RecordKind.STARTED):
        assert [r.delivery for r in lived.of(kind, service="email")] == list(range(1, 11))


@every
def test_hung_work_is_done_when_the_hang_is_over(variant: str) -> None:
    lived = crowd(variant)
    assert {r.at_ms for r in lived.of(RecordKind.APPLIED, service="analytics") if r.at_ms < 1005} == set()
    assert all(lived.applied(index) == SERVICES for index in range(10))
    assert lived.statuses == dict.fromkeys(range(10), accepted(variant))


# ── Callers that do not wait ──────────────────────────────────────────────────────────────────────────────────────────

LONG_HANG = FIVE + "faults: [{target: email, type: hang, at: 0s, duration: 4s}]\n"


@once
def test_a_hang_longer_than_the_timeout_is_504_when_it_is_over_and_the_work_goes_on(variant: str) -> None:
    lived = live(variant, [0.0], LONG_HANG)
    assert (lived.statuses, lived.replied_ms) == ({0: 504}, {0: 2000.0})
    (email,) = lived.of(RecordKind.APPLIED, service="email")
    assert email.at_ms == 4005.0


@event
def test_a_hang_is_nothing_to_who_registers_with_events(variant: str) -> None:
    lived = live(variant, [0.0], LONG_HANG)
    assert (lived.statuses, lived.applied(0)) == ({0: 202}, SERVICES)


@every
def test_a_person_whose_patience_ends_is_not_acked_and_the_work_is_done_all_the_same(variant: str) -> None:
    impatient = FIVE + "faults: [{target: api, type: pause, at: 1s, duration: 3s}]\n"
    lived = live(variant, [2000.0], impatient, timeout="1s")
    assert lived.statuses == {0: 0}
    assert lived.applied(0) == SERVICES
    assert lived.replied_ms[0] >= 4000.0, "it was said to nobody"


# ── Processes that die, stand still and come back ─────────────────────────────────────────────────────────────────────


def down(target: str, kind: str = "kill") -> str:
    lasts = "" if kind == "restart" else ", duration: 1s"
    return FIVE + f"faults: [{{target: {target}, type: {kind}, at: 2s{lasts}}}]\n"


@once
def test_a_service_that_is_down_fails_who_calls_it_and_nobody_after(variant: str) -> None:
    lived = live(variant, [1000.0, 2500.0, 3500.0], down("email"))
    assert lived.statuses == {0: 201, 1: 502, 2: 201}


@event
def test_events_wait_for_a_service_that_is_down(variant: str) -> None:
    lived = live(variant, [1000.0, 2500.0, 3500.0], down("email"))
    assert lived.statuses == dict.fromkeys(range(3), 202)
    assert all(lived.applied(index) == SERVICES for index in range(3))
    (late,) = lived.of(RecordKind.APPLIED, service="email", index=1)
    assert 3000 <= late.at_ms < 3100


@every
def test_an_api_that_is_down_refuses_and_keeps_nothing_of_who_comes_then(variant: str) -> None:
    lived = live(variant, [1000.0, 2500.0, 3500.0], down("api"))
    assert lived.statuses == {0: accepted(variant), 1: 0, 2: accepted(variant)}
    assert lived.stored == {0, 2}


@every
def test_a_restart_finishes_what_was_in_hand(variant: str) -> None:
    lived = live(variant, [1998.0, 3000.0], down("email", "restart"))
    assert lived.statuses == dict.fromkeys(range(2), accepted(variant))
    assert all(lived.applied(index) == SERVICES for index in range(2))


@every
def test_a_service_that_stands_still_goes_on_with_what_came_meanwhile(variant: str) -> None:
    lived = live(variant, [2500.0], down("email", "pause"))
    assert lived.statuses == {0: accepted(variant)}
    (email,) = lived.of(RecordKind.APPLIED, service="email")
    assert 3000 <= email.at_ms < 3100


@event
@pytest.mark.parametrize("kind", ["pause", "kill"])
def test_a_broker_that_is_hit_is_told_to_who_registers_then_and_nothing_acknowledged_is_lost(
    variant: str, kind: str
) -> None:
    hit = FIVE + f"faults: [{{target: broker, type: {kind}, at: 1s, duration: 3s}}]\n"
    lived = live(variant, [500.0, 1500.0, 5500.0], hit)
    assert lived.statuses == {0: 202, 1: 504, 2: 202}
    acked = [index for index, status in lived.statuses.items() if status == 202]
    assert all(lived.applied(index) == SERVICES for index in acked)


@every
def test_a_kill_that_begins_as_another_ends_leaves_the_process_down_through_both(variant: str) -> None:
    twice = FIVE + (
        "faults:\n  - {target: email, type: kill, at: 1s, duration: 1s}\n"
        "  - {target: email, type: kill, at: 2s, duration: 1s}\n"
    )
    lived = live(variant, [1500.0, 2500.0, 3500.0], twice)
    assert not [r for r in lived.of(RecordKind.APPLIED, service="email") if 1000 <= r.at_ms < 3000]
    assert lived.applied(2) == SERVICES


# ── Instances share the work ──────────────────────────────────────────────────────────────────────────────────────────


@every
def test_instances_share_the_work_of_their_service_and_none_is_done_twice(variant: str) -> None:
    two = "services: {email: {latency: 5ms, instances: 2}, analytics: {latency: 5ms}, cache: {latency: 5ms}}\n"
    lived = live(variant, [50.0 * index for index in range(40)], two)
    shares = Counter(record.process for record in lived.of(RecordKind.APPLIED, service="email"))
    assert set(shares) == {"email/0", "email/1"}
    assert all(lived.applied(index) == SERVICES for index in range(40))
