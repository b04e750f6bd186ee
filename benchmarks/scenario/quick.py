"""What a quick look at a scenario cannot answer, and therefore leaves out, saying so."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from benchmarks.scenario.hypothesis import Hypothesis, HypothesisPart
from benchmarks.scenario.metric import Expectation, Metric
from benchmarks.scenario.model import Scenario
from benchmarks.scenario.sample import too_few, windows_bounds_ns
from benchmarks.scenario.session import outlasts_session
from benchmarks.scenario.variant import VariantSpec
from benchmarks.subject import SESSION_S
from benchmarks.values.units import format_s

DURATION_S = 8.0
WARMUP_S = 1.0
BLOCKS = 3


def quick_warnings(scenario: Scenario) -> list[str]:
    """What the plan and the run say of it; empty where the run is not a quick one."""
    return [] if scenario.quick is None else [f"--quick leaves out {what}" for what in scenario.quick.left_out]


def faults_left_out(scenario: Scenario, duration_s: float, variants: Collection[VariantSpec]) -> dict[str, str]:
    """By name, and why: those that outlast the session of a consumer, and would not in a run of `duration_s`."""
    factor = duration_s / scenario.workload.duration_s
    return {
        fault.name: f"the fault {fault.name!r}: in {format_s(duration_s)} it would last {scaled_s:.3g} s, shorter than "
        f"a consumer's session ({SESSION_S:g} s)"
        for fault in scenario.faults
        if outlasts_session(fault, scenario.services, variants)
        and (scaled_s := factor * (fault.end_s - fault.at_s)) <= SESSION_S
    }


def leave_out(quick: Scenario, full: Scenario, faults: Iterable[str]) -> dict[str, object]:
    """The keys of a `quick` run's file that change once what it cannot answer is left out and written down.

    `full` is the scenario that it is a quick look at, `faults` what was said of faults that are gone already.
    """
    changed: dict[str, object] = {}
    left_out = [*faults, *_windows_left_out(quick, full)]
    full_s = full.workload.duration_s
    if quick.hypothesis is not None:
        kept = []
        for part in quick.hypothesis.parts:
            if why := _why_not_part(quick, part, full_s):
                left_out.append(f"the hypothesis '{part.metric}', {part.label} {part.expect}: {why}")
            else:
                kept.append(part)
        changed["hypothesis"] = Hypothesis(tuple(kept)).as_dict() if kept else None
    thresholds: dict[str, list[str]] = {}
    for name, expressions in quick.thresholds.items():
        for expression in expressions:
            if why := _why_not(quick, Metric.parse(name), Expectation.parse(expression), full_s):
                left_out.append(f"the threshold '{name}' {expression}: {why}")
            else:
                thresholds.setdefault(name, []).append(expression)
    return {**changed, "thresholds": thresholds, "quick": {"leftOut": left_out}}


def _windows_left_out(quick: Scenario, full: Scenario) -> list[str]:
    """What was asked of windows, or of a recovery, that went with their faults."""
    left = _windows(quick)
    gone = [name for name in _windows(full) if name not in left]
    parts = () if full.hypothesis is None else full.hypothesis.parts
    asked = [*(part.metric for part in parts), *map(Metric.parse, full.thresholds)]
    windows = {metric.window for metric in asked}
    of_faults = dict.fromkeys(metric.name for metric in asked if not left and metric.definition.needs_fault)
    return [
        *(f"questions about the window {name!r}, which the run does not have" for name in gone if name in windows),
        *(f"questions about {name}, which needs a fault" for name in of_faults),
    ]


def _windows(scenario: Scenario) -> list[str]:
    return [name for name, bounds in windows_bounds_ns(scenario).items() if bounds is not None]


def _why_not_part(scenario: Scenario, part: HypothesisPart, full_s: float) -> str | None:
    return _why_not(scenario, part.metric, None if part.comparison == "ratio" else part.expect, full_s)


def _why_not(scenario: Scenario, metric: Metric, expect: Expectation | None, full_s: float) -> str | None:
    """`expect`: what an absolute figure is compared with."""
    now_s = scenario.workload.duration_s
    if metric.name == "recovery_s" and now_s < full_s:
        return "what follows the fault is too short for it"
    if metric.definition.nature == "count" and expect is not None and expect.bound > 0 and now_s < full_s:
        return f"the count was meant for {format_s(full_s)}, and this run lasts {format_s(now_s)}"
    if (have := too_few(scenario, metric)) is not None:
        return f"it needs {metric.smallest_sample:,} arrivals, and has {have:,}"
    return None
