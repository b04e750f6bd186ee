"""A kill that outlasts the session: the group gives the partitions to the member that is left, and back again."""

from __future__ import annotations

import uuid
from collections import Counter, defaultdict
from contextlib import closing
from functools import cache

from benchmarks.planning.plan import make_plan
from benchmarks.scenario import load_text
from registration.trace import RecordKind, TraceRecord
from virtual.trial import VirtualTrial

SLOTS = 4
TEXT = f"""
version: 1
name: x
workload: {{rate: 30, duration: 20s, warmup: 1s, arrivals: uniform}}
broker: {{partitions: 3}}
services: {{email: {{instances: 2, latency: 150ms, concurrency: {SLOTS}}}}}
variants: [events]
faults: [{{target: email/1, type: kill, at: 2s, duration: 12s}}]
blocks: 1
"""


@cache
def lived() -> tuple[dict[str, list[TraceRecord]], Counter[uuid.UUID]]:
    """The traces of the two instances, and how often each registration got its email."""
    with closing(VirtualTrial(make_plan(load_text(TEXT, "x")), "events")) as trial:
        trial.run()
        assert trial.drained is not None
        assert not trial.drained.expired
        rows = {name: list(trial.world.traces[name]) for name in ("email/0", "email/1")}
        return rows, trial.world.effects["email"]


def test_everybody_gets_their_email() -> None:
    _, effects = lived()
    assert len(effects) == 30 * 21


def test_only_what_was_at_work_when_it_was_taken_away_is_done_twice() -> None:
    rows, effects = lived()
    begun, received = defaultdict[uuid.UUID, int](int), Counter[uuid.UUID]()
    for row in (*rows["email/0"], *rows["email/1"]):
        begun[row.registration_id] += row.kind is RecordKind.STARTED
        received[row.registration_id] += row.kind is RecordKind.RECEIVED
    twice = sum(count > 1 for count in effects.values())
    # The kill, the end of its session, and its return: each finds the slots of one instance at work.
    assert 0 < twice <= 3 * SLOTS
    assert sum(count > 1 for count in received.values()) > 3 * SLOTS


def test_a_delivery_is_settled_after_its_own_work_alone() -> None:
    rows, _ = lived()
    steps = {RecordKind.RECEIVED: 0, RecordKind.STARTED: 1, RecordKind.APPLIED: 2, RecordKind.SETTLED: 3}
    seen = defaultdict[tuple[uuid.UUID, int], list[int]](list)
    for row in rows["email/0"]:
        seen[row.registration_id, row.delivery].append(steps[row.kind])
    assert {tuple(each) for each in seen.values()} == {(0,), (0, 1, 2), (0, 1, 2, 3)}
