"""The predictor against an independent one: a replay written beside the code, and what it said of 200 scenarios.

`record.py` tells where the fixture comes from, `scenarios_drawn.py` what is drawn and which rule a scenario belongs to.
Most agree to the nanosecond, registration by registration and attempt by attempt. Where a rule was missing in the
replay, what the rule leaves as it was is still held, and beside it what the rule itself demands.
"""

from __future__ import annotations

import json
import lzma
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scenarios_drawn import HOW_MANY, OTHERS, SAME, scenarios

from benchmarks.planning.plan import make_plan
from benchmarks.planning.prediction import Prediction
from benchmarks.scenario import Scenario, load_text
from benchmarks.values.times import NEVER
from virtual.predict import predict

FIXTURE = Path(__file__).parents[1] / "data" / "oracle.json.xz"
TOLD: list[dict[str, Any]] = [json.loads(line) for line in lzma.decompress(FIXTURE.read_bytes()).splitlines()]

Attempt = tuple[int, int, int, int | None]  # place, attempt, begun and ended: ns of scenario time


@dataclass(frozen=True)
class Trial:
    """What one predictor says of a scenario; ns of scenario time, None for never."""

    intended_ns: list[int]
    replied_ns: list[int | None]
    accepted: list[bool]
    applied_ns: Mapping[str, list[int | None]]
    attempts: Mapping[str, list[Attempt]]  # sorted


def by_the_replay(told: Mapping[str, Any]) -> Trial:
    came = told["intended_ns"]

    def at(since: list[int | None]) -> list[int | None]:
        return [None if ns is None else begin + ns for ns, begin in zip(since, came, strict=True)]

    return Trial(
        came,
        at(told["replied_ns"]),
        [letter == "1" for letter in told["accepted"]],
        {name: at(since) for name, since in told["applied_ns"].items()},
        {
            name: sorted((p, a, came[p] + begun, None if end is None else came[p] + end) for p, a, begun, end in of)
            for name, of in told["attempts"].items()
        },
    )


def predicted(scenario: Scenario, variant: str) -> Trial:
    found = predict(make_plan(scenario), variant)
    assert isinstance(found, Prediction)

    def listed(times_ns: np.ndarray) -> list[int | None]:
        return [None if ns == NEVER else ns for ns in times_ns.tolist()]

    return Trial(
        found.intended_ns.tolist(),
        listed(found.replied_ns),
        found.accepted.tolist(),
        {name: listed(times_ns) for name, times_ns in found.applied_ns.items()},
        {
            name: sorted((p, a, begun, None if end == NEVER else end) for p, a, begun, end in of.tolist())
            for name, of in found.attempts.items()
        },
    )


def the_same(old: Trial, new: Trial, scenario: Scenario) -> None:
    same_replies(old, new)
    for service in scenario.services:
        same_at(service, old, new)


def same_replies(old: Trial, new: Trial) -> None:
    assert new.replied_ns == old.replied_ns
    assert new.accepted == old.accepted


def same_at(service: str, old: Trial, new: Trial) -> None:
    assert new.applied_ns[service] == old.applied_ns[service], service
    assert new.attempts[service] == old.attempts[service], service


def same_but_for_the_order(service: str, old: Trial, new: Trial, scenario: Scenario) -> None:
    """Who is served when differs, and nothing else: the same effects, the same attempts, each as long as before."""
    assert [ns is None for ns in new.applied_ns[service]] == [ns is None for ns in old.applied_ns[service]], service
    assert [attempt[:2] for attempt in new.attempts[service]] == [attempt[:2] for attempt in old.attempts[service]]
    for before, after in zip(old.attempts[service], new.attempts[service], strict=True):
        if weather(scenario, service, before[2]) == weather(scenario, service, after[2]):
            assert lasted(after) == lasted(before), (service, before, after)
    spec = scenario.services[service]
    assert most_at_work(new.attempts[service]) <= spec.concurrency * spec.instances


def weather(scenario: Scenario, service: str, at_ns: int) -> set[str]:
    """The faults that an attempt meets which begins then."""
    return {f.name for f in scenario.faults if f.process == service and f.begin_ns <= at_ns < f.end_ns}


def lasted(attempt: Attempt) -> int | None:
    return None if attempt[3] is None else attempt[3] - attempt[2]


def most_at_work(attempts: list[Attempt]) -> int:
    steps = [(begun, 1) for *_, begun, _ in attempts] + [(end, -1) for *_, end in attempts if end is not None]
    return int(np.max(np.cumsum([step for _, step in sorted(steps)]), initial=0))  # at one instant ends come first


def turns_of_partitions(old: Trial, new: Trial, scenario: Scenario) -> None:
    """Work there is of one length, so whoever comes first, some effect is there at each of the same instants."""
    same_replies(old, new)
    hit = scenario.faults[0].process
    for service in scenario.services:
        if service != hit:
            same_at(service, old, new)
    assert Counter(new.applied_ns[hit]) == Counter(old.applied_ns[hit])
    assert most_at_work(new.attempts[hit]) <= scenario.services[hit].concurrency


def limit_in_hand(old: Trial, new: Trial, scenario: Scenario) -> None:
    """No delivery is begun that lies further behind an open one than the limit, and one poll beyond it, allow."""
    same_replies(old, new)
    for service, spec in scenario.services.items():
        same_but_for_the_order(service, old, new, scenario)
        if only_partition(scenario):
            applied_ns = [ns for ns in new.applied_ns[service] if ns is not None]
            assert len(applied_ns) == len(new.intended_ns), "nothing is lost"
            begun_ns = {place: begun for place, attempt, begun, _ in new.attempts[service] if attempt == 1}
            for place, at_ns in begun_ns.items():
                assert all(ns <= at_ns for ns in applied_ns[: max(place - 8 * spec.concurrency, 0)])


def at_a_resume(old: Trial, new: Trial, scenario: Scenario) -> None:
    """Fixed work: whoever comes first, each instant has as many replies, and as many effects of each service."""
    assert Counter(new.replied_ns) == Counter(old.replied_ns)
    assert sum(new.accepted) == sum(old.accepted)
    for service in scenario.services:
        assert Counter(new.applied_ns[service]) == Counter(old.applied_ns[service]), service
    hit = scenario.faults[0].process
    begun_ns = {place: begun for place, attempt, begun, _ in new.attempts[hit] if attempt == 1}
    in_order = [begun for _, begun in sorted(begun_ns.items())]
    assert in_order == sorted(in_order), "the backlog comes before what comes now"


def instance_by_key(old: Trial, new: Trial, scenario: Scenario) -> None:
    same_replies(old, new)
    for service, spec in scenario.services.items():
        if spec.instances == 1:
            same_at(service, old, new)
        else:
            same_but_for_the_order(service, old, new, scenario)


def own_turns(old: Trial, new: Trial, scenario: Scenario) -> None:
    assert new.accepted == old.accepted
    for service in scenario.services:
        same_but_for_the_order(service, old, new, scenario)


def done_again(old: Trial, new: Trial, scenario: Scenario) -> None:
    """More attempts and no other effect: of what was done before the kill, behind an offset that was still open."""
    same_replies(old, new)
    killed = {fault.process: fault for fault in scenario.faults if fault.type == "kill"}
    for service in scenario.services:
        assert new.applied_ns[service] == old.applied_ns[service], service
        begin_ns, end_ns = (killed[service].begin_ns, killed[service].end_ns) if service in killed else (NEVER, NEVER)
        applied_ns = new.applied_ns[service]
        done = [ns is not None and ns < begin_ns for ns in applied_ns]
        again = [attempt for attempt in new.attempts[service] if done[attempt[0]] and attempt[2] >= begin_ns]
        assert [attempt for attempt in new.attempts[service] if attempt not in again] == old.attempts[service]
        assert all(begun >= end_ns for *_, begun, _ in again)
        if only_partition(scenario) and not scenario.workload.warmup_count:
            first_open = [*done, False].index(False)
            assert {place for place, *_ in again} == {place for place, is_done in enumerate(done) if is_done} - set(
                range(first_open)
            ), service


def end_of_drain(old: Trial, new: Trial, scenario: Scenario) -> None:
    """The same up to the last tenth of a second of the drain."""
    same_replies(old, new)
    until_ns = round((scenario.workload.duration_s + scenario.drain_s - 0.1) * 1e9)

    def before(attempts: list[Attempt]) -> list[Attempt]:
        return [
            (place, attempt, begun, end if end is not None and end < until_ns else None)
            for place, attempt, begun, end in attempts
            if begun < until_ns
        ]

    for service in scenario.services:
        assert new.applied_ns[service] == old.applied_ns[service], service
        assert before(new.attempts[service]) == before(old.attempts[service]), service


def too_many(old: Trial, new: Trial, scenario: Scenario) -> None:
    """An arrival is sent, and fares as it would alone, unless `maxInFlight` are under way; then nothing comes of it."""
    under_way_until_ns: list[int] = []
    patience_ns = round(scenario.workload.timeout_ms * 1e6)
    sent = set()
    for place, came_ns in enumerate(new.intended_ns):
        if sum(ns > came_ns for ns in under_way_until_ns) < scenario.workload.max_in_flight:
            sent.add(place)
            replied_ns = old.replied_ns[place]
            leaves_ns = came_ns + patience_ns
            under_way_until_ns.append(leaves_ns if replied_ns is None else min(replied_ns, leaves_ns))
    assert len(sent) < len(new.intended_ns)
    assert new.replied_ns == [ns if place in sent else None for place, ns in enumerate(old.replied_ns)]
    assert new.accepted == [yes and place in sent for place, yes in enumerate(old.accepted)]
    for service in scenario.services:
        wanted = [ns if place in sent else None for place, ns in enumerate(old.applied_ns[service])]
        assert new.applied_ns[service] == wanted, service
        assert new.attempts[service] == [attempt for attempt in old.attempts[service] if attempt[0] in sent], service


def only_partition(scenario: Scenario) -> bool:
    return [variant.broker is not None and variant.broker.partitions for variant in scenario.variants] == [1]


HOLDS: Mapping[str, Callable[[Trial, Trial, Scenario], None]] = {
    SAME: the_same,
    "turns of the partitions": turns_of_partitions,
    "limit in hand": limit_in_hand,
    "at the instant of a resume": at_a_resume,
    "instance by key": instance_by_key,
    "each API's own turns": own_turns,
    "done again": done_again,
    "end of the drain": end_of_drain,
    "too many under way": too_many,
}


def test_the_fixture_is_of_the_scenarios_that_are_drawn() -> None:
    drawn = scenarios()
    assert [(told["rule"], told["variant"], told["scenario"]) for told in TOLD] == [
        (each.rule, each.base, each.text) for each in drawn
    ]
    assert len(drawn) == HOW_MANY
    assert set(HOLDS) == {SAME, *OTHERS}


@pytest.mark.parametrize("told", TOLD, ids=[f"{told['rule']}-{n}-{told['variant']}" for n, told in enumerate(TOLD)])
def test_the_code_in_virtual_time_does_what_the_replay_said(told: Mapping[str, Any]) -> None:
    scenario = load_text(told["scenario"], "x")
    old, new = by_the_replay(told), predicted(scenario, told["variant"])
    assert new.intended_ns == old.intended_ns
    HOLDS[told["rule"]](old, new, scenario)
