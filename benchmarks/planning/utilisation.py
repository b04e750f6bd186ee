"""How busy each service will be: the share of its slots that the arrivals keep at work, from the parameters alone.

    utilisation = rate × mean work time ÷ (concurrency × instances)

From 1 up the queue grows for as long as that lasts. First attempts only: what retries add comes on top.
The rate of a ramp is the highest between two edges. A closed load has no rate of its own, hence no utilisation.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

from benchmarks.faults import Effect, Fault
from benchmarks.scenario.model import Scenario, Service
from benchmarks.values.units import format_s


@dataclass(frozen=True)
class Utilisation:
    """One service between two edges of faults or stages, [begin, end) in scenario s; `faults` are those that are on.

    `work_ms` is the mean work time of an attempt. Both figures are infinite while the service hangs, is paused or is
    down (`down`: killed, so that calls are refused); with several instances they are those of the busiest one.
    """

    service: str
    begin_s: float
    end_s: float
    faults: tuple[str, ...]
    work_ms: float
    utilisation: float
    down: bool = False

    def sentence(self) -> str:
        """A warning for a window of 1 or more."""
        when = f"from {format_s(self.begin_s)} to {format_s(self.end_s)}"
        why = f" ({', '.join(self.faults)})" if self.faults else ""
        if self.down:
            return f"{self.service} is down {when}{why}: calls of it are refused, events wait until it is back"
        if math.isinf(self.utilisation):
            return f"{self.service} does nothing {when}{why}: its queue grows by every arrival until it heals"
        return (
            f"{self.service} is overloaded {when}{why}: utilisation {self.utilisation:.2f}, its queue grows; "
            "lower the rate or raise its concurrency if that is not what you want to see"
        )

    def as_dict(self) -> dict[str, object]:
        """Infinite figures are null, for JSON has no word for them."""
        return {
            "service": self.service,
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


def _rows(scenario: Scenario, name: str, service: Service) -> list[Utilisation]:
    workload = scenario.workload
    faults = [fault for fault in scenario.faults if fault.process == name and fault.lasts]
    duration_s = workload.duration_s
    of_faults = (edge for fault in faults for edge in (fault.at_s, min(fault.end_s, duration_s)))
    edges = sorted({0.0, duration_s, *of_faults, *(stretch.begin_s for stretch in workload.stretches)})
    rows = []
    for begin_s, end_s in pairwise(edges):
        active = [fault for fault in faults if fault.at_s <= begin_s < fault.end_s]
        work_ms = max(_work_ms(service, active, instance) for instance in range(service.instances))
        rate_per_s = (workload.highest_rate(begin_s, end_s) or 0.0) / service.instances
        utilisation = rate_per_s * work_ms / 1000 / service.concurrency if rate_per_s else 0.0
        names, down = tuple(fault.name for fault in active), any(fault.effect is Effect.DOWN for fault in active)
        rows.append(Utilisation(name, begin_s, end_s, names, work_ms, utilisation, down))
    return rows


def _work_ms(service: Service, faults: list[Fault], instance: int) -> float:
    """The mean work time of an attempt on one instance."""
    work_ms = service.latency.mean_ms()
    for fault in faults:
        if fault.instance in (None, instance):
            work_ms = fault.mean_work_ms(work_ms)
    return work_ms
