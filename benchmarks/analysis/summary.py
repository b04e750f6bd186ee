"""The summary: everything `summary.json` says of a run, from its scenario and the results of its trials.

    trials → measure each → per variant: sums, geometric means → comparison, comparisons, thresholds, warnings

A pure function: the same stored frames give the same summary. Each trial is taken in by itself, and its frames are let
go before the next is read: a run may be larger than the memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from benchmarks.analysis.calibration import ceiling_warnings, floor_for
from benchmarks.analysis.overload import OverloadIndicators, findings
from benchmarks.analysis.summary_model import (
    FORMAT_VERSION,
    RepeatedBlock,
    ResidualSummary,
    Summary,
    Threshold,
    TrialSummary,
    UsedFloor,
    VariantSummary,
)
from benchmarks.analysis.trial_metrics import TrialMetrics, figures_of, measure
from benchmarks.analysis.validity import SentArrivals, trial_reasons, variant_reasons
from benchmarks.analysis.verdict import comparison_of, comparisons_of, outlier_warnings
from benchmarks.planning.utilisation import saturation_planned
from benchmarks.scenario import Scenario
from benchmarks.scenario.metric import Expectation, Metric
from benchmarks.scenario.sample import windows_bounds_ns
from benchmarks.trial_result import TrialFacts, TrialResult


@dataclass(frozen=True)
class _Trial:
    """What stays of one trial."""

    facts: TrialFacts
    metrics: TrialMetrics
    sent: SentArrivals
    overload: OverloadIndicators
    reasons: tuple[str, ...]
    silent_faults: tuple[str, ...]  # those that never began

    @classmethod
    def of(cls, scenario: Scenario, trial: TrialResult) -> _Trial:
        frames, facts, faults = trial.frames, trial.facts, trial.faults
        bounds = windows_bounds_ns(scenario)
        metrics = measure(frames.history, frames.effects, facts, scenario.slo, bounds, trial.lag, scenario.healed_ns)
        silent = faults[faults["applicable"].astype(bool) & faults["begin_ns"].isna()]
        return cls(
            facts,
            metrics,
            SentArrivals.of(frames.history),
            OverloadIndicators.of(trial, metrics),
            tuple(trial_reasons(trial, scenario.drain_may_expire, saturation_planned=saturation_planned(scenario))),
            tuple(silent["name"]),
        )


@dataclass(frozen=True)
class _Variant:
    """One variant's trials in block order, and what was measured in each."""

    name: str
    trials: tuple[_Trial, ...]

    def told(self) -> VariantSummary:
        """The variant's part of the summary."""
        trials = tuple(
            TrialSummary(trial.facts.number, trial.facts.block, *_head([trial]), figures_of([trial.metrics]))
            for trial in self.trials
        )
        return VariantSummary(
            self.name, *_head(self.trials), figures_of([trial.metrics for trial in self.trials]), trials
        )

    def reasons(self) -> list[str]:
        """Why the variant's trials do not count; empty where nothing speaks against them."""
        together = variant_reasons(self.name, [trial.sent for trial in self.trials])
        return [*together, *(reason for trial in self.trials for reason in trial.reasons)]


def summarise(
    scenario: Scenario,
    trials: Iterable[TrialResult],
    *,
    run_problems: Sequence[str] = (),
    predicted: Mapping[str, Mapping[str, object]] | None = None,
    residuals: Mapping[str, ResidualSummary] | None = None,
    environment: Mapping[str, object] | None = None,
) -> Summary:
    """What `summary.json` says (`docs/measurement.md`), before anything is rounded.

    `run_problems` are reasons against the run that no trial knows of, such as that it was interrupted. `predicted` is
    what the parameters alone say. `environment` is where the run ran, with the machine's calibration. Trials whose
    block was repeated are told of and count nowhere. Variants without a finished trial are left out, with a warning.
    `trials` is gone through once.
    """
    counted, superseded = _taken_in(scenario, trials)
    variants = _by_variant(scenario, counted)
    reasons = list(run_problems)
    for variant in variants:
        reasons += variant.reasons()
    told = {variant.name: variant.told() for variant in variants}
    every = list(told.values())
    workload = scenario.workload
    floor, why_none = floor_for(environment, scenario.name, workload.rate_per_s, workload.duration_s)
    comparisons, alone = comparisons_of(every, with_faults=scenario.during_ns is not None, floor=floor)
    return Summary(
        format_version=FORMAT_VERSION,
        scenario=scenario.name,
        claim=scenario.claim,
        seed=scenario.seed,
        valid=not reasons,
        invalid_reasons=tuple(reasons),
        variants=told,
        comparison=comparison_of(scenario.hypothesis, told, valid=not reasons, floor=floor),
        comparisons=comparisons,
        comparisons_alone=alone,
        thresholds=tuple(_thresholds(scenario.thresholds, told)),
        repeated_blocks=tuple(_repeated_blocks(superseded)),
        warnings=(
            *_warnings(scenario, variants),
            *outlier_warnings(every),
            *ceiling_warnings(workload, environment),
        ),
        noise_floor=UsedFloor(reason=why_none) if floor is None else floor,
        predicted=predicted,
        residuals=residuals,
    )


def _repeated_blocks(superseded: Sequence[TrialFacts]) -> list[RepeatedBlock]:
    """The attempts at a block that do not count: which, why, and their trials."""
    attempts: dict[tuple[int, int], list[TrialFacts]] = {}
    for facts in superseded:
        attempts.setdefault((facts.block, facts.attempt), []).append(facts)
    return [
        RepeatedBlock(block, attempt, tuple(facts[0].reasons), tuple(one.label for one in facts))
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
            variants.append(_Variant(spec.name, mine))
    return variants


def _head(trials: Sequence[_Trial]) -> tuple[Mapping[str, object] | None, tuple[str, ...]]:
    """Broker and findings."""
    found = findings([trial.overload for trial in trials], [trial.metrics for trial in trials])
    return trials[0].facts.broker, tuple(found)


def _thresholds(thresholds: Mapping[str, Sequence[str]], variants: Mapping[str, VariantSummary]) -> Iterator[Threshold]:
    """Each expectation on each variant it is about; one without a figure to judge has not passed."""
    for name, expressions in thresholds.items():
        metric = Metric.parse(name)
        for variant in [metric.variant] if metric.variant else list(variants):
            value = variants[variant].of(metric) if variant in variants else None
            for expression in expressions:
                passed = value is not None and Expectation.parse(expression).holds(value)
                yield Threshold(name, variant, expression, value, passed)


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
    warnings += [
        f"{variant.name} is {variant.base} with {changed}"
        for variant in scenario.variants
        if (changed := variant.changed_options())
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
