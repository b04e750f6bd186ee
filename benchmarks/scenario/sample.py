"""How many arrivals a trial is sure to have in a window, counted in the very schedules that will run."""

from __future__ import annotations

import math

from benchmarks.scenario.faults import windows_of
from benchmarks.scenario.metric import WINDOWS, Metric
from benchmarks.scenario.model import Scenario
from registration.luck import block_seed

_SIGMAS = 8


def window_bounds_ns(scenario: Scenario, window: str | None) -> tuple[int, int]:
    """[begin, end) of `before`, `during` or `after` in scenario time; the whole run for None.

    Raises ValueError where the scenario has no such window.
    """
    end_ns = round(scenario.workload.duration_s * 1e9)
    if window is None:
        return 0, end_ns
    during, after_ns = scenario.during_ns, scenario.after_ns
    if after_ns is None or (window == "during" and during is None):
        raise ValueError(f"this scenario has no window {window!r}")
    first_ns = min(fault.begin_ns for fault in scenario.faults)
    bounds = {"before": (0, first_ns), "after": (after_ns, end_ns)}
    return bounds[window] if during is None else {**bounds, "during": during}[window]


def windows_bounds_ns(scenario: Scenario) -> dict[str, tuple[int, int] | None]:
    """Every window with its bounds; None for those that the scenario does not have."""
    known = windows_of([fault.resolved() for fault in scenario.faults])
    return {window: window_bounds_ns(scenario, window) if window in known else None for window in WINDOWS}


def surely_enough(scenario: Scenario, window: str | None, need: int) -> bool:
    """Whether the expected arrivals of an open load lie so far above `need` that they need not be counted."""
    begin_ns, end_ns = window_bounds_ns(scenario, window)
    expected = scenario.workload.expected_arrivals(begin_ns / 1e9, end_ns / 1e9)
    return expected - _SIGMAS * math.sqrt(expected) >= need


def too_few(scenario: Scenario, metric: Metric) -> int | None:
    """How many arrivals there are for a figure that needs more; None where they are enough, or of a closed load."""
    if scenario.workload.closed or surely_enough(scenario, metric.window, metric.smallest_sample):
        return None
    have = smallest_arrivals(scenario, metric.window)
    return have if have is not None and have < metric.smallest_sample else None


def smallest_arrivals(scenario: Scenario, window: str | None) -> int | None:
    """The arrivals in the window of the block that has the fewest; None for a closed load."""
    if scenario.workload.closed or window is None:
        return scenario.workload.arrival_count
    from benchmarks.planning.arrivals import schedule

    begin_ns, end_ns = window_bounds_ns(scenario, window)
    counts = []
    for block in range(scenario.blocks):
        intended_ns = schedule(scenario.workload, block_seed(scenario.seed, block))["intended_ns"]
        counts.append(int(((intended_ns >= begin_ns) & (intended_ns < end_ns)).sum()))
    return min(counts)
