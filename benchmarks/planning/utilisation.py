"""How busy each service will be: the share of its slots that the arrivals keep at work, from the parameters alone.

    utilisation = rate × mean work time ÷ (concurrency × instances)

From 1 up the queue grows for as long as that lasts. First attempts only: what retries add comes on top.
The rate of a ramp is the highest between two edges. A closed load has no rate of its own, hence no utilisation.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from benchmarks.faults import Effect, Fault
from benchmarks.scenario.model import Scenario, Service
from benchmarks.values.units import format_s
from benchmarks.words.numbers import percent
from registration import luck

# Where waiting takes over: a queue with random arrivals waits twenty times its work time there (M/M/1).
NEARLY_FULL = 0.95


@dataclass(frozen=True)
class Utilisation:
    """One service between two edges of faults or stages, [begin, end) in scenario s; `faults` are those that are on.

    `work_ms` is the mean work time of an attempt. Both figures are infinite while the service hangs, is paused or is
    down (`down`: killed, so that calls are refused), and where its work time has no mean. With several instances they
    are those of the busiest one that is not down; `instance` is its number where the others differ from it.
    """

    service: str
    begin_s: float
    end_s: float
    faults: tuple[str, ...]
    work_ms: float
    utilisation: float
    down: bool = False
    stands_still: bool = False
    instance: int | None = None
    instances: int = 1
    instances_down: int = 0

    @property
    def where(self) -> str:
        """What the figures are of: `email`, or `email/0` where the other instances differ."""
        return self.service if self.instance is None else f"{self.service}/{self.instance}"

    def sentences(self) -> Iterator[str]:
        """What to warn about."""
        when = f"from {format_s(self.begin_s)} to {format_s(self.end_s)}"
        why = f" ({', '.join(self.faults)})" if self.faults else ""
        if self.down:
            yield f"{self.service} is down {when}{why}: calls to it are refused, events wait until it is back"
            return
        if self.instances_down:
            are, theirs, they_are = ("is", "its", "it is") if self.instances_down == 1 else ("are", "their", "they are")
            yield (
                f"{self.instances_down} of {self.instances} instances of {self.service} {are} down {when}{why}: "
                f"{self.instances_down} in {self.instances} calls fail, and the events of {theirs} partitions wait "
                f"until {they_are} back or the session has expired"
            )
        if self.stands_still:
            yield f"{self.where} does nothing {when}{why}: its queue grows by every arrival until it heals"
        elif math.isinf(self.utilisation):
            yield f"the work time of {self.where} {when}{why} has no mean (pareto with alpha up to 1); nor has its load"
        elif self.utilisation >= 1:
            yield (
                f"{self.where} is overloaded {when}{why}: utilisation {self.utilisation:.2f}, its queue grows; "
                "lower the rate or raise its concurrency if that is not what you want to see"
            )
        elif self.utilisation >= NEARLY_FULL:
            yield (
                f"{self.where} is nearly full {when}{why}: utilisation {self.utilisation:.2f}; waits are long "
                "and vary a lot from trial to trial; lower the rate or raise its concurrency"
            )

    def as_dict(self) -> dict[str, object]:
        """Infinite figures are null, since JSON cannot write them."""
        return {
            "service": self.service,
            "instance": self.instance,
            "begin_s": self.begin_s,
            "end_s": self.end_s,
            "faults": list(self.faults),
            "work_ms": self.work_ms if math.isfinite(self.work_ms) else None,
            "utilisation": self.utilisation if math.isfinite(self.utilisation) else None,
        }


def utilisation_table(scenario: Scenario) -> tuple[Utilisation, ...]:
    """Service by service in roster order, then in order of time; empty for a closed load."""
    if scenario.workload.closed:
        return ()
    return tuple(row for name, service in scenario.services.items() for row in _rows(scenario, name, service))


def backlog_s(table: tuple[Utilisation, ...], duration_s: float) -> float:
    """Seconds that the worst service needs after the last arrival to work off what has piled up (a fluid queue)."""
    longest = 0.0
    for service in dict.fromkeys(row.service for row in table):
        rows = [row for row in table if row.service == service]
        calm = min(row.utilisation for row in rows)
        behind_s = 0.0
        for row in rows:
            # What arrives in a hang is done after it, at the service's usual pace.
            load = row.utilisation if math.isfinite(row.utilisation) else 1 + (calm if math.isfinite(calm) else 1)
            behind_s = max(0.0, behind_s + (load - 1) * (min(row.end_s, duration_s) - row.begin_s))
        longest = max(longest, behind_s)
    return longest


def hot_keys(scenario: Scenario, table: tuple[Utilisation, ...]) -> Iterator[str]:
    """Services whose one worker cannot keep up with the person who comes most often, whose events wait in line."""
    keys = scenario.workload.keys
    if keys is None or not any(variant.uses_broker for variant in scenario.variants):
        return
    hottest = luck.hottest_share(keys.count, keys.s)
    for name in scenario.services:
        rows = [row for row in table if row.service == name and math.isfinite(row.work_ms)]
        busy = (
            (scenario.workload.highest_rate(row.begin_s, row.end_s) or 0.0) * hottest * row.work_ms / 1000
            for row in rows
        )
        if (most := max(busy, default=0.0)) >= 1:
            yield (
                f"one person makes {percent(hottest)} of the arrivals, which is {most:.2f} times what one worker of "
                f"{name} can do, and events of one person are processed one after another: their queue grows; raise "
                "workload.keys.count or lower the rate"
            )


def _rows(scenario: Scenario, name: str, service: Service) -> list[Utilisation]:
    workload = scenario.workload
    faults = [fault for fault in scenario.faults if fault.process == name and fault.lasts]
    duration_s = workload.duration_s
    of_faults = (edge for fault in faults for edge in (fault.at_s, min(fault.end_s, duration_s)))
    edges = sorted({0.0, duration_s, *of_faults, *(stretch.begin_s for stretch in workload.stretches)})
    rows = []
    for begin_s, end_s in pairwise(edges):
        active = [fault for fault in faults if fault.at_s <= begin_s < fault.end_s]
        rate_per_s = (workload.highest_rate(begin_s, end_s) or 0.0) / service.instances
        rows.append(_row(name, service, (begin_s, end_s), active, rate_per_s))
    return rows


def _row(
    name: str, service: Service, window_s: tuple[float, float], active: list[Fault], rate_per_s: float
) -> Utilisation:
    """`rate_per_s` is that of one instance: calls go round in turn, even to those that are down."""
    on = {number: [f for f in active if f.instance in (None, number)] for number in range(service.instances)}
    up = {number: faults for number, faults in on.items() if not any(f.effect is Effect.DOWN for f in faults)}
    work_ms = {number: _work_ms(service, faults) for number, faults in up.items()}
    busiest = max(work_ms, key=lambda number: work_ms[number], default=None)
    busiest_ms = math.inf if busiest is None else work_ms[busiest]
    alike = len(set(work_ms.values())) <= 1
    return Utilisation(
        name,
        *window_s,
        faults=tuple(fault.name for fault in active),
        work_ms=busiest_ms,
        utilisation=rate_per_s * busiest_ms / 1000 / service.concurrency if rate_per_s else 0.0,
        down=not up,
        stands_still=busiest is not None and any(f.effect is Effect.STANDS_STILL and f.share for f in up[busiest]),
        instance=None if alike else busiest,
        instances=service.instances,
        instances_down=service.instances - len(up),
    )


def _work_ms(service: Service, faults: list[Fault]) -> float:
    """The mean work time of an attempt on an instance with these faults."""
    work_ms = service.latency.mean_ms()
    for fault in faults:
        work_ms = fault.mean_work_ms(work_ms)
    return work_ms
