"""The summary: everything `summary.json` says of a run, from its scenario and the results of its trials.

    trials → measure each → per variant: sums, geometric means → comparison, comparisons, thresholds, warnings

A pure function: the same stored frames give the same summary. Each trial is read on its own, and its frames are let
go before the next is read: a run may be larger than the memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from benchmarks.analysis.bracket import Ends
from benchmarks.analysis.calibration import NoiseFloor, ceiling_warnings, floor_for
from benchmarks.analysis.disturbance import DisturbedTrial, disturbance_of, stands, threshold_of
from benchmarks.analysis.overload import OverloadIndicators, findings
from benchmarks.analysis.slo_curve import SloCurve
from benchmarks.analysis.summary_model import (
    FORMAT_VERSION,
    Comparison,
    Disturbance,
    HypothesisVerdict,
    PartVerdict,
    RepeatedBlock,
    ResidualSummary,
    Summary,
    Threshold,
    TrialSummary,
    UsedFloor,
    VariantSummary,
)
from benchmarks.analysis.trial_metrics import TrialMetrics, figures_of, measure
from benchmarks.analysis.validity import Disturbed, Dropped, trial_reasons, variant_reasons
from benchmarks.analysis.verdict import Brackets, comparison_of, comparisons_of, outlier_warnings
from benchmarks.analysis.worth import Evidence, with_worth
from benchmarks.scenario import Scenario
from benchmarks.scenario.metric import Metric
from benchmarks.scenario.quick import quick_warnings
from benchmarks.scenario.sample import windows_bounds_ns
from benchmarks.trial_result import TrialFacts, TrialResult
from benchmarks.words.numbers import clause, milliseconds


@dataclass(frozen=True)
class _Trial:
    """What stays of one trial."""

    facts: TrialFacts
    metrics: TrialMetrics
    sent: Dropped
    overload: OverloadIndicators
    reasons: tuple[str, ...]
    disturbed: Disturbed
    ends: Ends | None  # of a disturbed one, where the prediction bounds it
    silent_faults: tuple[str, ...]  # those that never began

    @classmethod
    def of(cls, scenario: Scenario, ends: Mapping[int, Ends], trial: TrialResult) -> _Trial:
        frames, facts, faults = trial.frames, trial.facts, trial.faults
        bounds = windows_bounds_ns(scenario)
        metrics = measure(frames.history, frames.effects, facts, scenario.slo, bounds, trial.lag, scenario.healed_ns)
        silent = faults[faults["applicable"].astype(bool) & faults["begin_ns"].isna()]
        return cls(
            facts,
            metrics,
            Dropped.of(frames.history),
            OverloadIndicators.of(trial, metrics),
            tuple(trial_reasons(trial, scenario.drain_may_expire)),
            Disturbed.of(trial),
            ends.get(facts.number),
            tuple(silent["name"]),
        )


@dataclass(frozen=True)
class _Variant:
    """One variant's trials in block order, and what was measured in each."""

    name: str
    trials: tuple[_Trial, ...]

    def told(self, metrics: Callable[[_Trial], TrialMetrics] = lambda trial: trial.metrics) -> VariantSummary:
        """The variant's part of the summary, by these metrics of each trial."""
        trials = tuple(
            TrialSummary(trial.facts.number, trial.facts.block, *_head([trial]), figures_of([metrics(trial)]))
            for trial in self.trials
        )
        return VariantSummary(
            self.name, *_head(self.trials), figures_of([metrics(trial) for trial in self.trials]), trials
        )

    @property
    def disturbed(self) -> tuple[DisturbedTrial, ...]:
        return tuple(DisturbedTrial(one.facts, one.disturbed, one.ends) for one in self.trials if one.disturbed)

    def curves(self) -> dict[int, Mapping[str, SloCurve]]:
        """What other SLOs would have given in each block."""
        return {trial.facts.block: trial.metrics.curves for trial in self.trials}

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
    predicted_blocks: Mapping[str, Mapping[int, Mapping[str, object]]] | None = None,
    residuals: Mapping[str, ResidualSummary] | None = None,
    environment: Mapping[str, object] | None = None,
    ends: Mapping[int, Ends] | None = None,
    margins: Mapping[str, Mapping[str, float]] | None = None,
) -> Summary:
    """What `summary.json` says (`docs/measurement.md`), before anything is rounded.

    `run_problems` are reasons against the run that no trial knows of, such as that it was interrupted. `predicted` is
    what the parameters alone say of the first block of each variant, `predicted_blocks` of every block that it was done
    for. `environment` is where the run ran, with the machine's calibration. `ends` are those of disturbed trials, by
    their numbers; `margins` as in `Brackets`. Trials whose
    block was repeated are reported and count nowhere. Variants without a finished trial are left out, with a warning.
    `trials` is gone through once.
    """
    counted, superseded = _taken_in(scenario, ends or {}, trials)
    variants = _by_variant(scenario, counted)
    told = {variant.name: variant.told() for variant in variants}
    workload = scenario.workload
    floor, why_none = floor_for(environment, scenario.name, workload.rate_per_s, workload.duration_s)
    reasons = [*run_problems, *(reason for variant in variants for reason in variant.reasons())]
    answers = _answers(scenario, variants, told, floor, _brackets(variants, residuals or {}, margins or {}), reasons)
    summary = Summary(
        format_version=FORMAT_VERSION,
        scenario=scenario.name,
        claim=scenario.claim,
        seed=scenario.seed,
        valid=not answers.reasons,
        invalid_reasons=answers.reasons,
        variants=told,
        comparison=answers.comparison,
        comparisons=answers.comparisons,
        comparisons_alone=answers.comparisons_alone,
        thresholds=answers.thresholds,
        repeated_blocks=tuple(_repeated_blocks(superseded)),
        warnings=(
            *quick_warnings(scenario),
            *_warnings(scenario, variants),
            *outlier_warnings(list(told.values())),
            *ceiling_warnings(workload, environment),
        ),
        noise_floor=UsedFloor(reason=why_none) if floor is None else floor,
        predicted=predicted,
        residuals=residuals,
        disturbed=answers.disturbed,
        quick=scenario.quick is not None,
        slo_ms={"accept": scenario.slo.accept_ms, "complete": scenario.slo.complete_ms},
    )
    evidence = Evidence(scenario.slo, {variant.name: variant.curves() for variant in variants}, floor, predicted_blocks)
    return with_worth(summary, scenario.hypothesis, evidence)


@dataclass(frozen=True)
class _Answers:
    """What the run was asked, and every comparison; `reasons`: why it is not valid, if so."""

    comparison: PartVerdict | HypothesisVerdict | None
    comparisons: tuple[Comparison, ...]
    comparisons_alone: tuple[Comparison, ...]
    thresholds: tuple[Threshold, ...]
    disturbed: Disturbance | None
    reasons: tuple[str, ...]


def _answers(
    scenario: Scenario,
    variants: Sequence[_Variant],
    told: Mapping[str, VariantSummary],
    floor: NoiseFloor | None,
    brackets: Brackets,
    reasons: Sequence[str],
) -> _Answers:
    with_faults = scenario.during_ns is not None
    every = list(told.values())
    comparisons, alone = comparisons_of(every, with_faults=with_faults, floor=floor, brackets=brackets)
    thresholds = tuple(_thresholds(scenario.thresholds, told, brackets))
    comparison = comparison_of(scenario.hypothesis, told, valid=not reasons, floor=floor, brackets=brackets)
    trials = [trial for variant in variants for trial in variant.disturbed]
    disturbed = disturbance_of(trials, scenario.hypothesis, comparison, thresholds, brackets, invalid=bool(reasons))
    if disturbed is not None and not reasons and not stands(comparison, thresholds):
        reasons = [clause(disturbed.sentence)]
        comparison = comparison_of(scenario.hypothesis, told, valid=False, floor=floor, brackets=brackets)
    return _Answers(comparison, comparisons, alone, thresholds, disturbed, tuple(reasons))


def _brackets(
    variants: Sequence[_Variant], residuals: Mapping[str, ResidualSummary], margins: Mapping[str, Mapping[str, float]]
) -> Brackets:
    """Both ends of the disturbed variants' figures; the quiet trials of one have the same at both."""
    hit = [variant for variant in variants if variant.disturbed]
    without = {
        variant.name: _why_unbounded(residuals.get(variant.name))
        for variant in hit
        if any(trial.ends is None for trial in variant.disturbed)
    }
    bounded = [variant for variant in hit if variant.name not in without]
    return Brackets(
        {one.name: one.told(lambda trial: trial.metrics if trial.ends is None else trial.ends.best) for one in bounded},
        {
            one.name: one.told(lambda trial: trial.metrics if trial.ends is None else trial.ends.worst)
            for one in bounded
        },
        without,
        margins,
    )


def _why_unbounded(found: ResidualSummary | None) -> str:
    if found is None or (found.not_compared is None and not found.trials_not_compared):
        return "it was not predicted"
    return found.not_compared or f"{found.trials_not_compared} of its trials are more than a run predicts"


def _repeated_blocks(superseded: Sequence[TrialFacts]) -> list[RepeatedBlock]:
    """The attempts at a block that do not count: which, why, and their trials."""
    attempts: dict[tuple[int, int], list[TrialFacts]] = {}
    for facts in superseded:
        attempts.setdefault((facts.block, facts.attempt), []).append(facts)
    return [
        RepeatedBlock(block, attempt, tuple(facts[0].reasons), tuple(one.label for one in facts))
        for (block, attempt), facts in sorted(attempts.items())
    ]


def _taken_in(
    scenario: Scenario, ends: Mapping[int, Ends], trials: Iterable[TrialResult]
) -> tuple[list[_Trial], list[TrialFacts]]:
    """The trials that count, and those whose block was repeated."""
    counted: list[_Trial] = []
    superseded: list[TrialFacts] = []
    # A map, unlike a loop over the trials, lets go of one before it takes the next.
    for taken in map(partial(_take_in, scenario, ends), trials):
        if isinstance(taken, TrialFacts):
            superseded.append(taken)
        else:
            counted.append(taken)
    return counted, superseded


def _take_in(scenario: Scenario, ends: Mapping[int, Ends], trial: TrialResult) -> _Trial | TrialFacts:
    return trial.facts if trial.facts.superseded else _Trial.of(scenario, ends, trial)


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


def _thresholds(
    thresholds: Mapping[str, Sequence[str]], variants: Mapping[str, VariantSummary], brackets: Brackets
) -> Iterator[Threshold]:
    """Each expectation on each variant it is about; one without a figure to judge has not passed."""
    for name, expressions in thresholds.items():
        metric = Metric.parse(name)
        for label in [metric.variant] if metric.variant else list(variants):
            for expression in expressions:
                yield threshold_of(name, expression, variants.get(label), label, brackets)


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
        f"would span two (their offsets were measured to within {milliseconds(max(errors_ms))})"
    ]
