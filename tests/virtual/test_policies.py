"""The seams carry every policy: variants of the tests' own (`policies`), each process killed at each of its points.

What such a variant holds or loses says that a variant in one file can hold or lose it.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import cast

import numpy as np
import policies
import pytest
from aiokafka import TopicPartition

from benchmarks import subject
from benchmarks.planning.arrivals import SCHEDULE_FIELDS
from benchmarks.planning.plan import make_plan
from benchmarks.scenario import ScenarioError, load_text
from benchmarks.subject import Listed
from event_impl import variants as event_variants
from registration import event
from registration.trace import RecordKind
from sync_impl import variants as sync_variants
from virtual.trial import VirtualTrial

SERVICES = ("email", "analytics", "cache")
NAMES = (*policies.SYNC, *policies.EVENTS)
POISON = "[{name: poison, target: email, type: error, at: 0s, duration: 1s, rate: 1, status: 422}]"


@pytest.fixture(autouse=True)
def listed(monkeypatch: pytest.MonkeyPatch) -> None:
    tables = {
        "sync_impl": (sync_variants.VARIANTS, policies.SYNC),
        "event_impl": (event_variants.VARIANTS, policies.EVENTS),
    }
    for side, (table, mine) in tables.items():
        for name, variant in mine.items():
            monkeypatch.setitem(cast("dict[str, object]", table), name, variant)
            monkeypatch.setitem(cast("dict[str, Listed]", subject.VARIANTS), name, Listed(side, variant))


@dataclass(frozen=True)
class Life:
    """What is left of one trial. `status` is the first person's."""

    status: int
    stored: int
    effects: Mapping[str, list[int]]  # by service: how often for each registration, most often first
    points: Mapping[str, int]
    dead: list[str]
    started: list[tuple[int, int]]  # of the service email: (attempt, ns after its reception)

    def total(self, service: str) -> int:
        return sum(self.effects[service])

    @property
    def acked(self) -> bool:
        return 200 <= self.status < 300

    @property
    def missing(self) -> bool:
        return not all(self.total(service) for service in SERVICES)

    @property
    def twice(self) -> bool:
        return any(self.effects[service] and self.effects[service][0] > 1 for service in SERVICES)


@contextmanager
def tried(
    variant: str, kill_at: tuple[str, int] | None, faults: str, at_ms: tuple[float, ...]
) -> Iterator[VirtualTrial]:
    text = (
        f"version: 1\nname: x\nvariants: [{variant}]\nworkload: {{rate: 10, duration: 1s, warmup: 0s}}\n"
        f"faults: {faults}\ndrain: 20s\n"
    )
    schedule = np.array([(index, round(ms * 1e6)) for index, ms in enumerate(at_ms)], dtype=np.dtype(SCHEDULE_FIELDS))
    trial = VirtualTrial(make_plan(load_text(text, "x")), variant, schedule=schedule, kill_at=kill_at)
    try:
        yield trial.run()
    finally:
        trial.close()


def live(
    variant: str, kill_at: tuple[str, int] | None = None, faults: str = "[]", at_ms: tuple[float, ...] = (50.0,)
) -> Life:
    with tried(variant, kill_at, faults, at_ms) as trial:
        assert trial.drained is not None
        assert not trial.drained.expired
        rows = [row for name, of in trial.world.traces.items() if name.startswith("email/") for row in of]
        begun_ns = min((row.t_ns for row in rows if row.kind == RecordKind.RECEIVED), default=0)
        return Life(
            trial.people.status[0],
            len(trial.world.users.users),
            {name: sorted(trial.world.effects[name].values(), reverse=True) for name in (*SERVICES, *DONE)},
            {name: trial.points(name) for name in trial.processes},
            dead_letters(trial),
            [(row.attempt, row.t_ns - begun_ns) for row in rows if row.kind == RecordKind.STARTED],
        )


DONE = tuple(f"{service}-done" for service in SERVICES)


def dead_letters(trial: VirtualTrial) -> list[str]:
    """The ids in the dead-letter topic of the service email."""
    if trial.broker is None:
        return []
    places = trial.broker.partitions_of(["user-registered-virtual-01-email-dead"])
    records = itertools.chain(*(trial.broker.log(TopicPartition(*place)) for place in places))
    return [str(event.parse(record.value, record.headers).registration.registration_id) for record in records]


def after_kills(variant: str, process: str, **more: str) -> Iterator[Life]:
    """One life for each point at which the process can die."""
    count = live(variant, **more).points[process]  # type: ignore[arg-type]
    assert count >= 10
    for point in range(1, count + 1):
        yield live(variant, (process, point), **more)  # type: ignore[arg-type]


def test_what_a_broker_cannot_do_is_refused_of_who_needs_it() -> None:
    text = "version: 1\nname: x\nvariants: [p-transactional]\nbroker: {kind: embedded}\n"
    with pytest.raises(ScenarioError, match="needs transactions of its broker, which 'embedded' does not have"):
        load_text(text, "x")


@pytest.mark.parametrize("variant", [name for name in NAMES if name != "p-deadline"])
def test_undisturbed_each_does_all_once(variant: str) -> None:
    life = live(variant)
    assert (life.acked, life.missing, life.twice) == (True, False, False)


@pytest.mark.parametrize(
    ("variant", "process"),
    [
        ("p-fire-and-forget", "api/0"),  # sent, replied, and still in the library
        ("p-naive", "api/0"),
        ("p-auto-commit", "email/0"),  # handed out, committed, at work
        ("p-background", "api/0"),
    ],
)
def test_a_kill_can_lose_what_was_acknowledged(variant: str, process: str) -> None:
    assert any(life.acked and life.missing for life in after_kills(variant, process))


@pytest.mark.parametrize("process", ["api/0", "email/0"])
@pytest.mark.parametrize("variant", ["p-put-aside", "p-transactional", "p-keyed"])
def test_no_kill_loses_what_was_acknowledged(variant: str, process: str) -> None:
    assert not [life for life in after_kills(variant, process) if life.acked and life.missing]


@pytest.mark.parametrize("process", ["api/0", "relay"])
def test_what_stands_in_an_outbox_is_neither_lost_nor_stranded(process: str) -> None:
    assert not [life for life in after_kills("p-relayed", process) if life.stored and life.missing]


def test_best_effort_acknowledges_what_a_service_could_not_do() -> None:
    life = live("p-best-effort", faults=POISON)
    assert (life.acked, life.total("email"), life.total("cache")) == (True, 0, 1)


def test_an_output_comes_once_whenever_its_service_dies_though_its_effect_may_come_twice() -> None:
    lives = list(after_kills("p-transactional", "email/0"))
    assert {tuple(life.effects["email-done"]) for life in lives} == {(1,)}
    assert any(life.twice for life in lives)


def test_with_an_inbox_an_effect_comes_twice_only_where_a_kill_falls_between_it_and_the_note() -> None:
    """Before the record `applied`, and before the note. Without an inbox it is every point up to the commit."""
    with_inbox, without = (
        sum(life.twice for life in after_kills(variant, "email/0")) for variant in ("p-put-aside", "events")
    )
    assert (with_inbox, without > with_inbox) == (2, True)


def test_failing_work_is_tried_again_after_its_delay_and_then_put_aside() -> None:
    life = live("p-put-aside", faults=POISON)
    assert (life.acked, life.total("email"), life.total("cache")) == (True, 0, 1)
    assert len(life.dead) == 1
    assert [attempt for attempt, _ in life.started] == [1, 2, 3]
    waits_ns = [later - earlier for (_, earlier), (_, later) in itertools.pairwise(life.started)]
    assert all(wait_ns >= policies.DELAY_S * 1e9 for wait_ns in waits_ns)


def test_what_waits_for_its_next_attempt_holds_up_nobody_in_its_partition() -> None:
    """The error lasts for the first registration's first attempt; the others of all partitions come in between."""
    brief = "[{name: brief, target: email, type: error, at: 45ms, duration: 10ms, rate: 1, status: 503}]"
    life = live("p-put-aside", faults=brief, at_ms=(50.0, *(60.0 + number for number in range(30))))
    assert life.effects["email"] == [1] * 31
    first_retry = next(place for place, (attempt, _) in enumerate(life.started) if attempt == 2)
    assert first_retry == 31


def test_poison_is_put_aside_whenever_its_service_dies() -> None:
    lives = after_kills("p-put-aside", "email/0", faults=POISON)
    assert not [life for life in lives if not (len(set(life.dead)) == 1 or life.total("email") == 1)]


def test_a_receiver_that_knows_the_key_does_once_what_is_called_twice() -> None:
    """Slow for longer than a call waits: the same registration is called again while it is at work."""
    slow = "[{name: slow, target: email, type: latency, at: 0s, duration: 1s, latency: 100ms}]"
    assert live("p-retrying", faults=slow).effects["email"][0] > 1
    assert live("p-keyed", faults=slow).effects["email"] == [1]


def test_work_whose_deadline_is_over_is_not_begun() -> None:
    life = live("p-deadline")
    assert (life.status, life.stored, life.started) == (502, 1, [])
