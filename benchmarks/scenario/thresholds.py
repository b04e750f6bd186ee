"""Thresholds: figures that a run has to keep, each with the expectations it is held to."""

from __future__ import annotations

from benchmarks.scenario.hypothesis import check_metric
from benchmarks.scenario.metric import Expectation, Metric
from benchmarks.values.checked import Known
from benchmarks.values.problems import Flaw, ValueProblems

# Metric → expressions, both as written.
Thresholds = dict[str, tuple[str, ...]]


def checked_thresholds(thresholds: Thresholds, known: Known) -> Thresholds:
    """The same thresholds, all readable and about things the scenario has. Raises ValueProblems."""
    flaws: list[Flaw] = []
    for name, expressions in thresholds.items():
        try:
            check_metric(Metric.parse(name), known)
        except ValueError as error:
            flaws.append(Flaw((name,), str(error)))
        if not expressions:
            flaws.append(Flaw((name,), 'one expression or more belongs here, as in ["< 100"]'))
        for index, expression in enumerate(expressions):
            try:
                Expectation.parse(expression)
            except ValueError as error:
                flaws.append(Flaw((name, index), str(error)))
    if flaws:
        raise ValueProblems(flaws)
    return thresholds
