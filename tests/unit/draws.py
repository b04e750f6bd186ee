"""What the draws alone decide: every count of a trial in which services fail at their own rate, and that is all.

Written apart from the code under test: it knows the three ways to tell the services, and asks luck. It leaves out time,
so it holds where no call takes so long that its caller gives up.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import count, takewhile

from registration import luck


@dataclass(frozen=True)
class Fate:
    """One registration: whether it was acked, and each service's failed attempts and effects."""

    acked: bool
    failed_attempts: Mapping[str, int]
    applied: frozenset[str]


@dataclass(frozen=True)
class Expected:
    """Counts as `summary.json` has them, but for categories that nothing here can lead to, which are 0."""

    fates: Mapping[int, Fate]
    counts: Mapping[str, int]
    registrations: Mapping[str, int]
    effects: Mapping[str, int]
    by_service: Mapping[str, Mapping[str, int]]

    @property
    def accept_ratio(self) -> float:
        return self.counts["acked"] / self.counts["offered"]


def expected(variant: str, block_seed: int, indices: Iterable[int], rates: Mapping[str, float]) -> Expected:
    """`rates`: the share of calls that each service fails, in the order in which it is called."""
    fates = {index: WAYS[variant](block_seed, index, rates) for index in indices}
    registrations: Counter[str] = Counter()
    by_service = {service: Counter[str]() for service in rates}
    for fate in fates.values():
        missing = rates.keys() - fate.applied
        registrations["complete"] += not missing
        registrations["stranded"] += bool(missing) and not fate.acked
        registrations["lost"] += bool(missing) and fate.acked
        registrations["recovered"] += not missing and not fate.acked
        registrations["unexpected"] += bool(fate.applied) and not fate.acked
        for service, effects in by_service.items():
            effects["expected"] += 1
            effects["applied"] += service in fate.applied
            effects["stranded"] += service in missing and not fate.acked
            effects["lost"] += service in missing and fate.acked
            effects["unexpected"] += service in fate.applied and not fate.acked
    acked = sum(fate.acked for fate in fates.values())
    return Expected(
        fates=fates,
        counts={"offered": len(fates), "sent": len(fates), "acked": acked, "failed": len(fates) - acked},
        registrations=registrations,
        effects=sum(by_service.values(), Counter()),
        by_service=by_service,
    )


def filled(counts: Mapping[str, int], like: Mapping[str, int]) -> dict[str, int]:
    """The counts with a 0 for every name of `like` that they do not know."""
    return {name: counts.get(name, 0) for name in like}


def _fails(block_seed: int, index: int, service: str, attempt: int, rate: float) -> bool:
    return luck.uniform(block_seed, luck.registration_id(block_seed, index), service, attempt, "error") < rate


def _in_turn(block_seed: int, index: int, rates: Mapping[str, float]) -> Fate:
    """`sync`: the first failure ends it, and nobody behind is called."""
    done = tuple(takewhile(lambda service: not _fails(block_seed, index, service, 1, rates[service]), rates))
    failed = list(rates)[len(done) : len(done) + 1]
    return Fate(not failed, dict.fromkeys(failed, 1), frozenset(done))


def _at_once(block_seed: int, index: int, rates: Mapping[str, float]) -> Fate:
    """`sync-concurrent`: everybody is called, and one failure fails the registration."""
    failed = {service for service, rate in rates.items() if _fails(block_seed, index, service, 1, rate)}
    return Fate(not failed, dict.fromkeys(failed, 1), frozenset(rates.keys() - failed))


def _published(block_seed: int, index: int, rates: Mapping[str, float]) -> Fate:
    """`events`: accepted once published; each service works on it until it succeeds."""
    failures = {service: _failures_in_a_row(block_seed, index, service, rate) for service, rate in rates.items()}
    return Fate(True, {service: number for service, number in failures.items() if number}, frozenset(rates))


def _failures_in_a_row(block_seed: int, index: int, service: str, rate: float) -> int:
    return sum(1 for _ in takewhile(lambda attempt: _fails(block_seed, index, service, attempt, rate), count(1)))


# The variants that this knows.
WAYS = {"sync": _in_turn, "sync-concurrent": _at_once, "events": _published}
