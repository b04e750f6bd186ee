"""Every attempt in virtual time: which fail is drawn, when the next begins is given, and both repeat."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import pytest
from draws import WAYS, expected
from scene import live

from benchmarks.subject import VARIANTS
from registration import luck
from registration.trace import RecordKind

RATES = {"email": 0.1, "analytics": 0.2, "cache": 0.3}
FLAKY = "services: {email: {errorRate: 0.1}, analytics: {errorRate: 0.2}, cache: {errorRate: 0.3}}\nseed: 7\n"
ARRIVALS_MS = [20.0 * index for index in range(100)]
every = pytest.mark.parametrize("variant", VARIANTS)


@pytest.mark.parametrize("variant", WAYS)
def test_exactly_those_attempts_fail_that_are_drawn_to(variant: str) -> None:
    lived = live(variant, ARRIVALS_MS, FLAKY)
    drawn = expected(variant, luck.block_seed(7, 0), range(len(ARRIVALS_MS)), RATES)
    assert sum(drawn.effects.values()) > 0
    for index, fate in drawn.fates.items():
        assert (200 <= lived.statuses[index] < 300) == fate.acked
        assert Counter(r.service for r in lived.of(RecordKind.FAILED, index=index)) == Counter(fate.failed_attempts)
        assert lived.applied(index) == sorted(fate.applied)


def test_events_wait_two_seconds_at_most_between_attempts() -> None:
    fails = "faults: [{target: email, type: error, at: 0s, duration: 6s, rate: 1.0, status: 503}]\n"
    five = "services: {email: {latency: 5ms}, analytics: {latency: 5ms}, cache: {latency: 5ms}}\n"
    starts = [record.at_ms for record in live("events", [0.0], five + fails).of(RecordKind.STARTED, service="email")]
    waits = [after - before - 5.0 for before, after in pairwise(starts)]
    assert waits == [100.0, 200.0, 400.0, 800.0, 1600.0, 2000.0, 2000.0]


@every
def test_the_same_trial_twice_leaves_the_same_records(variant: str) -> None:
    killed = FLAKY + "faults: [{target: email, type: kill, at: 500ms, duration: 300ms}]\n"
    once = live(variant, ARRIVALS_MS, killed)
    assert once == live(variant, ARRIVALS_MS, killed)
    assert {record.service for record in once.records} == {"api", *RATES}
