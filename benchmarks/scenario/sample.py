"""How many arrivals a trial is sure to have in a window, counted in the very schedules that will run."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from registration.luck import block_seed

if TYPE_CHECKING:
    from benchmarks.scenario.model import Scenario

_SIGMAS = 8


def window_bounds_ns(scenario: Scenario, window: str | None) -> tuple[int, int]:
    """[begin, end) of `before`, `during` or `after` in scenario time; the whole run for None.

    Raises ValueError where the scenario has no such window.
    """
    end_ns = round(scenario.workload.duration_s * 1e9)
    if window is None:
        return 0, end_ns
    during = scenario.during_ns
    if during is None:
        raise ValueError(f"a scenario without faults has no window {window!r}")
    return {"before": (0, during[0]), "during": during, "after": (during[1], end_ns)}[window]


def surely_enough(scenario: Scenario, window: str | None, need: int) -> bool:
    """Whether the expected arrivals lie so far above `need` that counting them is idle."""
    begin_ns, end_ns = window_bounds_ns(scenario, window)
    expected = scenario.workload.rate_per_s * (end_ns - begin_ns) / 1e9
    return expected - _SIGMAS * math.sqrt(expected) >= need


def smallest_arrivals(scenario: Scenario, window: str | None) -> int:
    """The arrivals in the window of the block that has the fewest."""
    if window is None:
        return scenario.workload.arrival_count
    from benchmarks.planning.arrivals import schedule

    begin_ns, end_ns = window_bounds_ns(scenario, window)
    counts = []
    for block in range(scenario.blocks):
        intended_ns = schedule(scenario.workload, block_seed(scenario.seed, block))["intended_ns"]
        counts.append(int(((intended_ns >= begin_ns) & (intended_ns < end_ns)).sum()))
    return min(counts)
