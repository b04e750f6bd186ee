"""The metrics of one trial and of each of its windows, and of several trials together (`benchmarks.metrics`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from benchmarks.analysis.reconcile import reconcile
from benchmarks.analysis.recovery import recovery
from benchmarks.analysis.slo_curve import SloCurve
from benchmarks.metrics import METRICS
from benchmarks.metrics.arrivals import Applied, Arrivals
from benchmarks.metrics.definition import Definition
from benchmarks.metrics.series import Recovery, TrialSeries, WindowSeries, outstanding, told_ns
from benchmarks.trial_result import TrialFacts

if TYPE_CHECKING:
    from benchmarks.values.slo import Slo

LATENCIES = {definition.name: definition.each for definition in METRICS if definition.each is not None}
_OF_A_WINDOW = tuple(definition for definition in METRICS if "window" in definition.tags)

Bounds = tuple[int, int]
Partials = Mapping[str, Any]  # what each metric keeps, by its name
Figures = dict[str, object]


@dataclass(frozen=True)
class TrialMetrics:
    """What is kept of one trial: the parts of its metrics, of the whole and of the windows that there are.

    `curves`: what other SLOs would have given, in `whole` and in each window.
    """

    facts: TrialFacts
    bounds: Mapping[str, Bounds | None]
    recovery: Recovery
    whole: Partials
    windows: Mapping[str, Partials | None]
    curves: Mapping[str, SloCurve]

    def window_bounds_s(self) -> dict[str, tuple[float, float]]:
        """The windows there are, in seconds of scenario time; `whole` where there are none."""
        known = {name: bounds for name, bounds in self.bounds.items() if bounds is not None}
        whole = {"whole": (0, self.facts.duration_ns)}
        return {name: (begin / 1e9, end / 1e9) for name, (begin, end) in (known or whole).items()}


def measure(
    history: pd.DataFrame,
    effects: pd.DataFrame,
    facts: TrialFacts,
    slo: Slo,
    bounds: Mapping[str, Bounds | None],
    lag: pd.DataFrame | None = None,
    healed_ns: int | None = None,
) -> TrialMetrics:
    """The metrics of one trial, whose frames these are.

    `bounds` are those of the scenario's windows (`windows_bounds_ns`); `lag` is missing or empty where there is no
    broker. `healed_ns` is when the last fault healed, where that is not when the window `after` begins.
    """
    found = Applied.of(history, effects, facts.services)
    table = latencies(history, effects, facts.services, found)
    series = outstanding(history, effects, facts, found)
    before, after = bounds["before"], bounds["after"]
    recovered = Recovery()
    if before is not None and after is not None:
        edges = {"fault_ns": before[1], "heal_ns": max(after[0], healed_ns or 0), "end_ns": facts.duration_ns}
        recovered = recovery(table, told_ns(history, facts), series, **edges)
    endings = reconcile(history, effects, facts, found).endings
    return metrics_of(TrialSeries(facts, slo, history, table, series, endings, recovered, lag), bounds)


def metrics_of(trial: TrialSeries, bounds: Mapping[str, Bounds | None]) -> TrialMetrics:
    """The metrics of what is known of one trial."""
    return TrialMetrics(
        facts=trial.facts,
        bounds=dict(bounds),
        recovery=trial.recovery,
        whole=_partials(METRICS, trial.window(0, trial.facts.duration_ns)),
        windows={
            name: None if inside is None else _partials(_OF_A_WINDOW, trial.window(*inside))
            for name, inside in bounds.items()
        },
        curves={
            name: SloCurve.of(trial.window(*inside))
            for name, inside in {"whole": (0, trial.facts.duration_ns), **bounds}.items()
            if inside is not None
        },
    )


def latencies(
    history: pd.DataFrame, effects: pd.DataFrame, services: Sequence[str], found: Applied | None = None
) -> pd.DataFrame:
    """Every latency of every arrival in milliseconds, NaN where it does not exist; one trial's frames or several's.

    Columns: trial, variant, block, index, intended_ns, outcome, one per metric that is a latency, and
    `completion_latency_ms:<service>`.
    """
    arrivals = Arrivals(history, effects, services, found)
    columns = {name: each(arrivals) for name, each in LATENCIES.items()}
    done_ms = arrivals.done_ms()
    by_service = {f"completion_latency_ms:{service}": done_ms[:, at] for at, service in enumerate(services)}
    head = history[["trial", "variant", "block", "index", "intended_ns", "outcome"]]
    return head.assign(**columns, **by_service).reset_index(drop=True)


def figures_of(trials: Sequence[TrialMetrics]) -> Figures:
    """What the summary has of one trial, or of a variant's: every metric, and those of a window for each window."""
    windows: Figures = {}
    for name in trials[0].windows:
        parts = [of_trial for trial in trials if (of_trial := trial.windows[name]) is not None]
        windows[name] = _combined(_OF_A_WINDOW, parts) if len(parts) == len(trials) else None
    return {**_combined(METRICS, [trial.whole for trial in trials]), "windows": windows}


def _partials(metrics: Sequence[Definition[Any]], window: WindowSeries) -> Partials:
    return {definition.name: definition.measure(window) for definition in metrics}


def _combined(metrics: Sequence[Definition[Any]], trials: Sequence[Partials]) -> Figures:
    figures: Figures = {}
    for definition in metrics:
        parts = [trial[definition.name] for trial in trials]
        figures[definition.name] = definition.combine(parts)
        figures |= definition.beside(parts)
    return figures
