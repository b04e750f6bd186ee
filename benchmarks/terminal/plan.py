"""`bench plan`: what a run would do, and what the parameters alone predict of it."""

from __future__ import annotations

import json
from collections.abc import Sequence

from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from rich.text import Text

from benchmarks.planning.detect import POWER
from benchmarks.planning.plan import Plan
from benchmarks.planning.prediction import Predict, Prediction, Unpredicted, arrivals_of
from benchmarks.run import described, planned
from benchmarks.scenario import Scenario, Workload
from benchmarks.words.numbers import DASH, figure, milliseconds, percent, plural

# Arrivals of a trial from which on a prediction takes several seconds.
_MANY_ARRIVALS = 20_000


def print_plan(scenario: Scenario, console: Console, predict: Predict, *, as_json: bool) -> None:
    """The plan of a run, for people or as `plan.json`, with what the parameters alone predict of its first block."""
    plan = planned(scenario)
    if as_json:
        print(json.dumps(described(plan, predict), indent=2))
        return
    workload = scenario.workload
    console.print(Text(scenario.title, "bold"))
    console.print(
        f"{_arrivals(workload)}{workload.words} for {workload.duration_s:g} s, "
        f"{plural(len(plan.trials), 'trial')}, about {plan.estimated_s:.0f} s in all",
        highlight=False,
    )
    console.print("order: " + " · ".join(trial.label for trial in plan.trials), highlight=False)
    if plan.utilisation:
        console.print(_utilisation(plan))
    else:
        console.print("utilisation: not known before a run of a closed load, whose rate the replies decide")
    _print_predictions(plan, console, predict)
    if plan.detectable:
        console.print(_detectable(plan))
    for warning in plan.warnings:
        console.print(Text("note: ", "yellow") + Text(warning))


def _utilisation(plan: Plan) -> Table:
    table = _table("utilisation of each service's slots", ("from", "to", "fault", "mean work", "utilisation"))
    for row in plan.utilisation:
        style = "bold red" if row.utilisation >= 1 else ""
        table.add_row(
            row.where,
            f"{row.begin_s:g} s",
            f"{row.end_s:g} s",
            ", ".join(row.faults) or "none",
            milliseconds(row.work_ms),
            Text(figure(row.utilisation), style),
        )
    return table


def _detectable(plan: Plan) -> Table:
    title = f"what {plural(plan.scenario.blocks, 'block')} can detect, at 95 % and in {100 * POWER:g} % of runs"
    table = _table(title, ("arrivals a trial", "smallest effect", "from the spread of one block"))
    for part in plan.detectable:
        if part.smallest_ratio is not None:
            effect = f"× {figure(part.smallest_ratio)} or × {figure(1 / part.smallest_ratio)}"
        else:
            effect = DASH if part.smallest_difference is None else f"± {figure(part.smallest_difference)}"
        table.add_row(
            part.metric, DASH if part.arrivals is None else f"{part.arrivals:,}", effect, part.sd_from or "not known"
        )
    return table


def _arrivals(workload: Workload) -> str:
    return "" if workload.arrival_count is None else f"{workload.arrival_count:,} arrivals a trial, "


def _predicted(plan: Plan, name: str, console: Console, predict: Predict) -> Prediction | Unpredicted:
    """With a bar where it takes long enough for a person to wonder."""
    arrivals = arrivals_of(plan.scenario)
    if arrivals <= _MANY_ARRIVALS or not console.is_terminal:
        return predict(plan, name)
    with Progress(console=console, transient=True) as bar:
        task = bar.add_task(f"predicting {name}", total=arrivals)
        return predict(plan, name, 0, lambda come: bar.update(task, completed=come))


def _print_predictions(plan: Plan, console: Console, predict: Predict) -> None:
    """What the parameters alone predict for the first block, and for which variants they do not."""

    headings = ("window", "accepted", "accept p50", "accept p95", "completion p95", "within SLO")
    table = _table("what the parameters alone predict (first block; network and broker cost nothing)", headings)
    said: dict[str, None] = {}  # in order, and once
    for name in plan.scenario.variant_names:
        found = _predicted(plan, name, console, predict)
        if isinstance(found, Unpredicted):
            said[f"{name}: not predicted: {found.reason}"] = None
            continue
        said |= dict.fromkeys(found.notes)
        for window, part in [("all", found.whole), *found.windows.items()]:
            if part is not None:
                table.add_row(
                    name,
                    window,
                    percent(part.accept_ratio),
                    milliseconds(part.accept_p50_ms),
                    milliseconds(part.accept_p95_ms),
                    milliseconds(part.completion_p95_ms),
                    percent(part.slo_ratio),
                )
    if table.row_count:
        console.print(table)
    for sentence in said:
        console.print(sentence, highlight=False, markup=False)


def _table(title: str, headings: Sequence[str]) -> Table:
    table = Table(
        title=title, title_justify="left", title_style="bold", box=None, padding=(0, 2, 0, 0), header_style="dim"
    )
    table.add_column("")
    for heading in headings:
        table.add_column(heading, justify="right")
    return table
