"""Every variant's promises, with each of its processes killed before each step and each effect of a registration.

A promise is what the variant declares (`registration.variant.Promise`); that it holds is seen here, kill by kill.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import pytest

from benchmarks.planning.arrivals import SCHEDULE_FIELDS
from benchmarks.planning.plan import Plan, make_plan
from benchmarks.scenario import load_text
from benchmarks.subject import VARIANTS
from registration.variant import Promise
from virtual.trial import VirtualTrial

SERVICES = ("email", "analytics", "cache")
ONE = np.array([(0, 50_000_000)], dtype=np.dtype(SCHEDULE_FIELDS))


@dataclass(frozen=True)
class Ending:
    """What the person and the books can see of one registration."""

    status: int
    stored: bool
    effects: tuple[int, ...]

    @property
    def complete(self) -> bool:
        return min(self.effects) > 0


@cache
def plan_of(variant: str) -> Plan:
    text = f"version: 1\nname: x\nvariants: [{variant}]\nworkload: {{rate: 10, duration: 1s, warmup: 0s}}\ndrain: 20s\n"
    return make_plan(load_text(text, "x"))


def ended(variant: str, kill_at: tuple[str, int] | None = None) -> tuple[Ending, dict[str, int]]:
    """One registration, and how many points each process passed."""
    trial = VirtualTrial(plan_of(variant), variant, schedule=ONE, kill_at=kill_at)
    try:
        trial.run()
        assert trial.drained is not None
        assert not trial.drained.expired
        ending = Ending(
            trial.people.status[0],
            bool(trial.world.users.users),
            tuple(sum(trial.world.effects[name].values()) for name in SERVICES),
        )
        return ending, {name: trial.points(name) for name in trial.processes}
    finally:
        trial.close()


@cache
def endings(variant: str) -> dict[tuple[str, int], Ending]:
    """By process and point, of every single kill."""
    whole, points = ended(variant)
    assert whole == Ending(whole.status, stored=True, effects=(1, 1, 1))
    hit = [name for name in points if name != "topics"]
    return {(name, point): ended(variant, (name, point))[0] for name in hit for point in range(1, points[name] + 1)}


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_registration_that_nothing_disturbs_is_acknowledged_and_done_once(variant: str) -> None:
    whole, _ = ended(variant)
    assert 200 <= whole.status < 300
    assert whole.stored
    assert whole.effects == (1, 1, 1)


BROKEN = {
    Promise.NOT_LOST: lambda end: 200 <= end.status < 300 and not end.complete,
    Promise.NOT_STRANDED: lambda end: end.stored and not end.complete,
    Promise.ONCE: lambda end: max(end.effects) > 1,
}


@pytest.mark.parametrize(
    ("variant", "promise"),
    [(name, each) for name, listed in VARIANTS.items() for each in Promise if each in listed.declared.promises],
)
def test_a_promise_is_kept_whichever_process_dies_and_whenever(variant: str, promise: Promise) -> None:
    assert not {at: end for at, end in endings(variant).items() if BROKEN[promise](end)}


@pytest.mark.parametrize(
    ("variant", "promise"),
    [(name, each) for name, listed in VARIANTS.items() for each in Promise if each not in listed.declared.promises],
)
def test_a_promise_that_is_not_made_is_broken_by_some_kill(variant: str, promise: Promise) -> None:
    """Else the variant promises less than it could."""
    assert any(BROKEN[promise](end) for end in endings(variant).values())
