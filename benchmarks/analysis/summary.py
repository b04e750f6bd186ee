"""The summary: everything `summary.json` says of a run, from its scenario and the results of its trials.

    trials → measure each → per variant: sums, geometric means → comparison, comparisons, thresholds, warnings

A pure function: the same stored frames give the same summary. Each trial is taken in by itself, and its frames are let
go before the next is read: a run may be larger than the memory.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from benchmarks.analysis.ceiling import ceiling_warnings
from benchmarks.analysis.history import TrialFacts
from benchmarks.analysis.metrics import (
    TrialMetrics,
    WindowMetrics,
    combined_stats,
    measure,
    summed,
)
from benchmarks.analysis.noise import floor_for, no_floor
from benchmarks.analysis.order import order_effect_of
from benchmarks.analysis.recovery import together
from benchmarks.analysis.series import LATENCIES
from benchmarks.analysis.statistics import lookup
from benchmarks.analysis.validity import Sent, Signs, TrialResult, findings, trial_reasons, variant_reasons
from benchmarks.analysis.verdict import Side, comparison_of, comparisons_of, outlier_warnings
from benchmarks.planning.utilisation import saturation_planned
from benchmarks.scenario import Scenario
from benchmarks.scenario.metric import WINDOWS, Expectation, Metric
from benchmarks.scenario.sample import windows_bounds_ns

FORMAT_VERSION = 1
_DIGITS = 6

Json = dict[str, object]


@dataclass(frozen=True)
class _Trial:
    """What stays of one trial."""

    facts: TrialFacts
    metrics: TrialMetrics
    sent: Sent
    signs: Signs
    reasons: tuple[str, ...]
    silent_faults: tuple[str, ...]  # those that never began

    @classmethod
    def of(cls, scenario: Scenario, trial: TrialResult) -> _Trial:
        frames, facts, faults = trial.frames, trial.facts, trial.faults
        bounds = windows_bounds_ns(scenario)
        metrics = measure(frames.history, frames.effects, facts, scenario.slo, bounds, trial.lag)
        silent = faults[faults["applicable"].astype(bool) & faults["begin_ns"].isna()]
        return cls(
            facts,
            metrics,
            Sent.of(frames.history),
            Signs.of(trial, metrics),
            tuple(trial_reasons(trial, scenario.drain_may_expire, saturation_planned=saturation_planned(scenario))),
            tuple(silent["name"]),
        )


@dataclass(frozen=True)
class _Variant:
    """One variant's trials in block order, and what was measured in each."""

    name: str
    uses_broker: bool
    trials: tuple[_Trial, ...]

    @property
    def measured(self) -> tuple[TrialMetrics, ...]:
        return tuple(trial.metrics for trial in self.trials)

    def figures(self) -> Json:
        """The variant's part of the summary."""
        per_trial = [
            {"trial": trial.facts.number, "block": trial.facts.block, **_head([trial]), **trial.metrics.as_dict()}
            for trial in self.trials
        ]
        return {**_head(self.trials), **_combined(self.measured), "trials": per_trial}

    def reasons(self) -> list[str]:
        """Why the variant's trials do not count; empty where nothing speaks against them."""
        together = variant_reasons(self.name, [trial.sent for trial in self.trials])
        return [*together, *(reason for trial in self.trials for reason in trial.reasons)]


def summarise(
    scenario: Scenario,
    trials: Iterable[TrialResult],
    *,
    run_problems: Sequence[str] = (),
    predicted: Mapping[str, object] | None = None,
    residuals: Mapping[str, object] | None = None,
    environment: Mapping[str, object] | None = None,
) -> Json:
    """The dictionary of `summary.json` (design: `docs/measurement.md`); only finite numbers, six significant digits.

    `run_problems` are reasons against the run that no trial knows of, such as that it was interrupted. `predicted` is
    what the parameters alone say. `environment` is where the run ran, with the machine's calibration. Trials whose
    block was repeated are told of and count nowhere. Variants without a finished trial are left out, with a warning.
    `trials` is gone through once.
    """
    counted, superseded = _taken_in(scenario, trials)
    variants = _by_variant(scenario, counted)
    figures = {variant.name: variant.figures() for variant in variants}
    reasons = list(run_problems)
    for variant in variants:
        reasons += variant.reasons()
    sides = {variant.name: Side(variant.name, variant.uses_broker, figures[variant.name]) for variant in variants}
    workload = scenario.workload
    floor, why_none = floor_for(environment, scenario.name, workload.rate_per_s, workload.duration_s)
    order_effect, order_warnings = order_effect_of(list(sides.values()))
    summary: Json = {
        "format_version": FORMAT_VERSION,
        "scenario": scenario.name,
        "claim": scenario.claim,
        "seed": scenario.seed,
        "valid": not reasons,
        "invalid_reasons": reasons,
        "variants": figures,
        "comparison": comparison_of(scenario.hypothesis, sides, valid=not reasons, floor=floor),
        "comparisons": comparisons_of(list(sides.values()), with_faults=scenario.during_ns is not None, floor=floor),
        "thresholds": _thresholds(scenario.thresholds, figures),
        "repeated_blocks": _repeated_blocks(superseded),
        "warnings": [
            *_warnings(scenario, variants),
            *outlier_warnings(list(sides.values())),
            *order_warnings,
            *ceiling_warnings(workload, environment),
        ],
        "order_effect": order_effect,
        "noise_floor": no_floor(why_none or "") if floor is None else floor.as_dict(),
        "predicted": None if predicted is None else dict(predicted),
        "residuals": None if residuals is None else dict(residuals),
    }
    return {key: rounded(value) for key, value in summary.items()}


def rounded(value: object) -> object:
    """`value` for JSON: floats with six significant digits, null where one is not finite, plain Python numbers."""
    if isinstance(value, Mapping):
        return {str(key): rounded(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [rounded(item) for item in value]
    if isinstance(value, np.integer):
        return int(value)
    if isinstance(value, (float, np.floating)):
        return float(f"{value:.{_DIGITS}g}") if math.isfinite(value) else None
    return value


def _repeated_blocks(superseded: Sequence[TrialFacts]) -> list[Json]:
    """The attempts at a block that do not count: which, why, and their trials."""
    attempts: dict[tuple[int, int], list[TrialFacts]] = {}
    for facts in superseded:
        attempts.setdefault((facts.block, facts.attempt), []).append(facts)
    return [
        {"block": block, "attempt": attempt, "reasons": list(facts[0].reasons), "trials": [one.label for one in facts]}
        for (block, attempt), facts in sorted(attempts.items())
    ]


def _taken_in(scenario: Scenario, trials: Iterable[TrialResult]) -> tuple[list[_Trial], list[TrialFacts]]:
    """The trials that count, and those whose block was repeated."""
    counted: list[_Trial] = []
    superseded: list[TrialFacts] = []
    # A map, unlike a loop over the trials, lets go of one before it takes the next.
    for taken in map(partial(_take_in, scenario), trials):
        if isinstance(taken, TrialFacts):
            superseded.append(taken)
        else:
            counted.append(taken)
    return counted, superseded


def _take_in(scenario: Scenario, trial: TrialResult) -> _Trial | TrialFacts:
    return trial.facts if trial.facts.superseded else _Trial.of(scenario, trial)


def _by_variant(scenario: Scenario, trials: Sequence[_Trial]) -> list[_Variant]:
    every = sorted(trials, key=lambda trial: trial.facts.block)
    variants = []
    for spec in scenario.variants:
        mine = tuple(trial for trial in every if trial.facts.variant == spec.name)
        if mine:
            variants.append(_Variant(spec.name, spec.uses_broker, mine))
    return variants


def _head(trials: Sequence[_Trial]) -> Json:
    found = findings([trial.signs for trial in trials], [trial.metrics for trial in trials])
    return {"broker": trials[0].facts.broker, "findings": found}


def _combined(measured: Sequence[TrialMetrics]) -> Json:
    """The figures of several trials as one: counts summed, ratios from the sums, latencies as geometric means."""
    whole = [metrics.whole for metrics in measured]
    registrations = [metrics.reconciliation.registrations for metrics in measured]
    effects = [metrics.reconciliation.effects for metrics in measured]
    by_service = [metrics.reconciliation.effects_by_service for metrics in measured]
    lags = [metrics.consumer_lag_max for metrics in measured if metrics.consumer_lag_max is not None]
    drains = [metrics.facts.drain_s for metrics in measured if metrics.facts.drain_s is not None]
    return {
        **_combined_window(whole),
        "registrations": _sum(registrations),
        "effects": {
            **_sum(effects),
            "by_service": {service: _sum([part[service] for part in by_service]) for service in by_service[0]},
        },
        "outstanding_max": max(metrics.outstanding_max for metrics in measured),
        "consumer_lag_max": max(lags, default=None),
        # A drain can take no time at all, so there is no geometric mean of it.
        "drain_s": float(np.mean(drains)) if drains else None,
        **together([metrics.recovery for metrics in measured]),
        "cpu_ms_per_registration": summed(part.sums for part in whole).cpu_ms_per_registration(),
        "rss_mb_max": _largest([metrics.facts.rss_mb_max for metrics in measured]),
        "windows": {
            name: _combined_window([part for part in parts if part is not None]) if None not in parts else None
            for name in WINDOWS
            for parts in [[metrics.windows[name] for metrics in measured]]
        },
    }


def _combined_window(parts: Sequence[WindowMetrics]) -> Json:
    services = parts[0].completion_by_service
    figures = {name: combined_stats([part.latencies[name] for part in parts]) for name in LATENCIES}
    by_service = {
        service: combined_stats([part.completion_by_service[service] for part in parts]) for service in services
    }
    return {
        "counts": _sum([part.counts for part in parts]),
        **summed(part.sums for part in parts).ratios(),
        **figures,
        "completion_latency_ms": {**figures["completion_latency_ms"], "by_service": by_service},
    }


def _sum(parts: Sequence[Mapping[str, int]]) -> dict[str, int]:
    return {name: sum(part[name] for part in parts) for name in parts[0]}


def _largest(parts: Sequence[Mapping[str, float]]) -> dict[str, float]:
    names = dict.fromkeys(name for part in parts for name in part)
    return {name: max(part[name] for part in parts if name in part) for name in names}


def _thresholds(thresholds: Mapping[str, Sequence[str]], figures: Mapping[str, Json]) -> list[Json]:
    """Each expectation on each variant it is about; one without a figure to judge has not passed."""
    results: list[Json] = []
    for name, expressions in thresholds.items():
        metric = Metric.parse(name)
        for variant in [metric.variant] if metric.variant else list(figures):
            value = lookup(figures.get(variant, {}), metric)
            for expression in expressions:
                passed = value is not None and Expectation.parse(expression).holds(value)
                results.append(
                    {"metric": name, "variant": variant, "expression": expression, "value": value, "passed": passed}
                )
    return results


def _warnings(scenario: Scenario, variants: Sequence[_Variant]) -> list[str]:
    warnings = []
    measured = {variant.name for variant in variants}
    missing = [name for name in scenario.variant_names if name not in measured]
    if missing:
        warnings.append(f"no trial of {', '.join(missing)} was finished: run again to compare")
    warnings += [
        f"trial {trial.facts.label}: the fault {name} never began; read its processes' logs before trusting it"
        for variant in variants
        for trial in variant.trials
        for name in trial.silent_faults
    ]
    return warnings + _clock_warnings([trial.facts for variant in variants for trial in variant.trials])


def _clock_warnings(trials: Sequence[TrialFacts]) -> list[str]:
    """What it means that the load came from a host with another clock; nothing where it did not."""
    errors_ms = [error_ns / 1e6 for facts in trials if (error_ns := facts.clock_error_ns) is not None]
    if not errors_ms:
        return []
    return [
        "the load came from other hosts: accept latencies are by their clocks, and completion is not given, since it "
        f"would span two (their offsets were measured to within {max(errors_ms):.3g} ms)"
    ]
