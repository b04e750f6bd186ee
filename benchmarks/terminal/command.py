"""What the verbs of the command line do beyond parsing: run, report, plan and broker, with what they print."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from rich.text import Text

from benchmarks.brokers import KINDS, BrokerUnavailable, fetch_kind, manage
from benchmarks.planning.plan import Plan
from benchmarks.planning.prediction import Predict, Prediction, Unpredicted, arrivals_of
from benchmarks.run import ExitCode, RunResult, described, planned, rebuild, run
from benchmarks.store import Results, ResultsError, default_directory, write_text
from benchmarks.terminal.console import complain, console, say
from benchmarks.terminal.fetchbar import FetchBar
from benchmarks.terminal.interruptible import interruptible
from benchmarks.terminal.live import LivePanel, PlainLines
from benchmarks.values.checked import BROKER
from benchmarks.words.numbers import DASH, figure, listed, milliseconds, percent, plural

if TYPE_CHECKING:
    from benchmarks.analysis.summary_model import Summary
    from benchmarks.scenario import Scenario, Workload
    from benchmarks.trials.load_workers import LoadWorkers
    from benchmarks.words.table import TableRow

# Arrivals of a trial from which on a prediction takes several seconds.
_MANY_ARRIVALS = 20_000
_RESULTS_ROOT = Path("results")
# When several runs end differently, the first of these that one of them had.
ORDER = (
    ExitCode.BUG,
    ExitCode.INTERRUPTED,
    ExitCode.ENVIRONMENT,
    ExitCode.NOT_VALID,
    ExitCode.THRESHOLD,
    ExitCode.OK,
)

__all__ = [
    "broker_fetch",
    "broker_start",
    "broker_status",
    "broker_stop",
    "print_plan",
    "print_summary",
    "rebuild",
    "run_all",
]


def run_all(
    scenarios: Sequence[Scenario],
    *,
    broker_address: str | None,
    out: Path | None,
    as_json: bool,
    typed: str,
    repeat_invalid: int,
    load_workers: LoadWorkers,
    predict: Predict,
) -> ExitCode:
    """Run one scenario after the other; with `as_json` only summaries reach standard output.

    A block that was disturbed is repeated at most `repeat_invalid` times. `load_workers` make the load.
    """
    talk = console(stderr=True)
    said = talk if as_json else console()
    if broker_address is not None and (hit := _faults_of_the_broker(scenarios)):
        complain(
            talk,
            f"{listed(hit)} would hit the broker, and the faults of {broker_address} are not ours to inject",
            "leave --broker out, so that bench starts a broker of its own, or choose scenarios without such faults",
        )
        return ExitCode.USAGE
    brokers = (variant.broker for scenario in scenarios for variant in scenario.variants if variant.broker is not None)
    fetched = [kind for kind in dict.fromkeys(broker.kind for broker in brokers) if KINDS[kind].fetches]
    if broker_address is None and fetched:
        # Before the first panel: a first fetch has a progress bar of its own.
        with FetchBar(talk) as bar:
            try:
                for kind in fetched:
                    asyncio.run(interruptible(fetch_kind(kind, bar)))
            except BrokerUnavailable as error:
                return _unavailable(talk, error)
            except asyncio.CancelledError:
                complain(talk, "interrupted before anything was measured", "")
                return ExitCode.INTERRUPTED
    if load_workers.master is not None:
        host, port = load_workers.master
        say(talk, f"the load is made elsewhere: on the other hosts run `bench load-worker {host}:{port}`")
    codes: list[ExitCode] = []
    written: list[tuple[str, Path]] = []
    for scenario in scenarios:
        try:
            directory = _directory(scenario.name, out, several=len(scenarios) > 1)
            results = Results.create(directory)
        except ResultsError as error:
            complain(talk, str(error), error.next_step)
            codes.append(ExitCode.ENVIRONMENT)
            continue
        outcome = _run_one(scenario, results, talk, predict, broker_address, typed, repeat_invalid, load_workers)
        if out is None and not results.point_latest(_RESULTS_ROOT):
            latest = _RESULTS_ROOT / "latest"
            say(talk, f"note: {latest} is no link that bench can move, so it does not point to {directory}")
        codes.append(outcome.exit_code)
        written.append((scenario.name, directory))
        if outcome.summary is None:
            pass  # not even that could be written: see below
        elif as_json:
            print(json.dumps(outcome.summary.as_dict()))
        else:
            print_summary(outcome.summary, directory, said)
        if outcome.problem:
            complain(talk, outcome.problem, outcome.next_step)
        if outcome.exit_code == ExitCode.INTERRUPTED:
            break
    if len(scenarios) > 1 and out is not None and written:
        try:
            _write_index(out, written)
        except OSError as error:
            complain(talk, f"the index of the runs cannot be written: {error}", "make room; the runs are beside it")
            codes.append(ExitCode.ENVIRONMENT)
    return next(code for code in ORDER if code in codes)


def _faults_of_the_broker(scenarios: Sequence[Scenario]) -> list[str]:
    return [
        f"{fault.name!r} of {scenario.name}"
        for scenario in scenarios
        for fault in scenario.faults
        if fault.process == BROKER
    ]


def _directory(name: str, out: Path | None, *, several: bool) -> Path:
    if out is None:
        return default_directory(name, _RESULTS_ROOT)
    return out / name if several else out


def _run_one(
    scenario: Scenario,
    results: Results,
    talk: Console,
    predict: Predict,
    broker_address: str | None,
    typed: str,
    repeat_invalid: int,
    load_workers: LoadWorkers,
) -> RunResult:
    observing: AbstractContextManager[LivePanel | PlainLines] = (
        LivePanel(talk) if talk.is_terminal else PlainLines(talk)
    )

    with observing as observer:
        work = run(
            scenario,
            results,
            observer,
            predict,
            broker_address=broker_address,
            command=typed,
            repeat_invalid=repeat_invalid,
            load_workers=load_workers,
        )
        return asyncio.run(interruptible(work))


def print_summary(summary: Summary, directory: Path, console: Console) -> None:
    """The sides next to each other, the verdict in one sentence, and where the report is."""
    from benchmarks.words.summary import broker_caution, repeated_sentences, verdict_sentence
    from benchmarks.words.table import side_by_side

    variants = list(summary.variants)
    if variants:
        console.print()
        if caution := broker_caution(summary):
            console.print(Text(caution, "bold yellow"))
            console.print()
        console.print(_sides(side_by_side(summary), variants))
        console.print()
    for sentence in repeated_sentences(summary):
        console.print(Text("note: ", "yellow") + Text(sentence))
    console.print(Text(verdict_sentence(summary), "bold"))
    if variants:
        console.print(Text(f"report: {directory / 'report.html'}"), soft_wrap=True)


def _sides(rows: Sequence[TableRow], variants: Sequence[str]) -> Table:
    """The table of the sides, a heading above each section, without the rows that say nothing of any side."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("")
    for name in variants:
        table.add_column(name, justify="right")
    table.add_column("difference", style="dim")
    section = ""
    for row in rows:
        if all(cell.text.startswith(DASH) for cell in row.cells.values()):
            continue
        if row.section != section:
            section = row.section
            table.add_row()
            table.add_row(Text(section, "bold"))
        name = f"  {row.name} ({row.unit})" if row.unit else f"  {row.name}"
        table.add_row(name, *row.values, row.comparison)
    return table


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
            row.service,
            f"{row.begin_s:g} s",
            f"{row.end_s:g} s",
            ", ".join(row.faults) or "none",
            milliseconds(row.work_ms),
            Text(figure(row.utilisation), style),
        )
    return table


def _detectable(plan: Plan) -> Table:
    from benchmarks.planning.detect import POWER

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


def broker_fetch(console: Console) -> ExitCode:
    """Make the cache complete, and say where it is."""
    with FetchBar(console) as bar:
        try:
            fetched = manage.fetch(bar)
        except BrokerUnavailable as error:
            return _unavailable(console, error)
    megabytes = fetched.total_bytes / 1e6
    say(console, f"Kafka {fetched.version} on Java {fetched.java} is ready: {fetched.jars} jars, {megabytes:.0f} MB")
    say(console, f"in {fetched.directory}")
    return ExitCode.OK


def broker_start(port: int | None, console: Console) -> ExitCode:
    """Leave a broker running."""
    with FetchBar(console) as bar:
        try:
            started = manage.start_detached(port if port is not None else manage.DEFAULT_PORT, progress=bar)
        except BrokerUnavailable as error:
            return _unavailable(console, error)
    say(console, f"Kafka {started.version} listens on {started.bootstrap} (process {started.pid})")
    say(console, f"use it with: bench run NAME --broker {started.bootstrap}")
    return ExitCode.OK


def broker_stop(console: Console) -> ExitCode:
    """End the broker that was left running."""
    try:
        stopped = manage.stop_detached()
    except BrokerUnavailable as error:
        return _unavailable(console, error)
    say(console, "no broker was running" if stopped is None else f"stopped the broker on {stopped.bootstrap}")
    return ExitCode.OK


def broker_status(console: Console) -> ExitCode:
    """Say what is in the cache and what runs."""
    status = manage.status()
    fetched, running = status.fetched, status.detached
    if fetched is None:
        say(console, f"cache: no Kafka in {status.cache}; `bench broker fetch` gets it")
    else:
        start = "starts fast" if fetched.fast_start else "not trained for a fast start yet"
        say(console, f"cache: Kafka {fetched.version} on Java {fetched.java} in {fetched.directory}, {start}")
    if running is None:
        say(console, "running: none; `bench broker start` leaves one running")
    else:
        answers = "answers" if status.answers else f"does not answer; its log is {running.log_path}"
        say(console, f"running: Kafka {running.version} on {running.bootstrap} (process {running.pid}), {answers}")
    return ExitCode.OK


def _write_index(out: Path, written: Sequence[tuple[str, Path]]) -> None:
    """An index beside the folders of several runs."""
    lines = [f"- [{name}]({directory.relative_to(out) / 'report.html'})" for name, directory in written]
    write_text(out / "index.md", "# Runs\n\n" + "\n".join(lines) + "\n")


def _unavailable(console: Console, error: BrokerUnavailable) -> ExitCode:
    complain(console, error.message, error.next_step)
    return ExitCode.ENVIRONMENT
