"""Whether a disturbance may decide a verdict, by the prediction alone: it decides which blocks are repeated.

    schedule delay of a block, ten times → the predicted figures, and those so much later → one answer for both, or not

No compared figure that was measured is looked at: repeating a block for its result would be optional stopping.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import product

from benchmarks.analysis.bracket import figures_if_late
from benchmarks.analysis.trial_metrics import Figures, figures_of
from benchmarks.analysis.validity import Disturbed
from benchmarks.planning.prediction import Prediction, Unpredicted
from benchmarks.scenario import Scenario
from benchmarks.scenario.hypothesis import HypothesisPart
from benchmarks.scenario.metric import Expectation, Metric
from benchmarks.trial_result import TrialResult

# A registration goes through about ten steps, each of which may be as late as its sending was.
STEPS = 10

Ends = tuple[Figures, Figures]  # as predicted, and late


def at_risk(
    scenario: Scenario, block: Sequence[TrialResult], predicted: Mapping[str, Prediction | Unpredicted]
) -> bool:
    """Whether what disturbed the trials of a block, one for each variant, may decide what the run was asked."""
    if scenario.hypothesis is None and not scenario.thresholds:
        return True  # nothing says how precise the figures have to be
    delays_ms = [found.delay_ms for trial in block if (found := Disturbed.of(trial)) and found.delay_ms is not None]
    late_ms = STEPS * max(delays_ms, default=0.0)
    ends: dict[str, Ends] = {}
    for trial in block:
        prediction = predicted[trial.facts.variant]
        if isinstance(prediction, Unpredicted) or not prediction.one_by_one:
            return True
        now, later = (
            figures_of([figures_if_late(trial.frames.history, trial.facts, prediction, scenario, ms)])
            for ms in (0.0, late_ms)
        )
        ends[trial.facts.variant] = now, later
    return not all(_settled(scenario, ends))


def _settled(scenario: Scenario, ends: Mapping[str, Ends]) -> Iterator[bool]:
    """For each question of the scenario whether delay leaves its answer as it is."""
    for part in scenario.hypothesis.parts if scenario.hypothesis is not None else ():
        guaranteed = part.comparison == "variant" and part.expect.forbids_any(part.metric)
        bounded = part.metric.definition.bracketed
        yield guaranteed or (bounded and _one_answer(part.expect, _comparisons(part, ends)))
    for name, expressions in scenario.thresholds.items():
        metric = Metric.parse(name)
        for variant in [metric.variant] if metric.variant else list(ends):
            figures = [metric.of(end) for end in ends[variant]]
            for expect in map(Expectation.parse, expressions):
                bounded = metric.definition.bracketed and _one_answer(expect, figures)
                yield expect.forbids_any(metric) or bounded


def _comparisons(part: HypothesisPart, ends: Mapping[str, Ends]) -> list[float | None]:
    """What the part compares, with each side on time and late."""
    sides = ([part.metric.of(end) for end in ends[side]] for side in part.sides)
    return [part.of(figures) for figures in product(*sides)]


def _one_answer(expect: Expectation, figures: Sequence[float | None]) -> bool:
    answers = {None if figure is None else expect.holds(figure) for figure in figures}
    return len(answers) == 1 and None not in answers
