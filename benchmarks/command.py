"""What the verbs of the command line do beyond parsing: run, report, plan and broker, with what they print."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from benchmarks.brokers import BrokerUnavailable
from benchmarks.live import LivePanel, PlainLines
from benchmarks.run import ExitCode, Outcome, rebuild, run
from benchmarks.store import Results, ResultsError, default_directory

if TYPE_CHECKING:
    from benchmarks.scenario import Scenario

_RESULTS_ROOT = Path("results")
# When several runs end differently, the first of these that one of them had.
_ORDER = (
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
    scenarios: Sequence[Scenario], *, broker_address: str | None, out: Path | None, as_json: bool, typed: str
) -> ExitCode:
    """Run one scenario after the other; with `as_json` only summaries reach standard output."""
    talk = Console(stderr=True)
    said = talk if as_json else Console()
    codes: list[ExitCode] = []
    written: list[tuple[str, Path]] = []
    for scenario in scenarios:
        directory = default_directory(scenario.name, _RESULTS_ROOT)
        if out is not None:
            directory = out if len(scenarios) == 1 else out / scenario.name
        try:
            results = Results.create(directory)
        except ResultsError as error:
            _complain(talk, str(error), error.next_step)
            codes.append(ExitCode.ENVIRONMENT)
            continue
        outcome = _run_one(scenario, results, talk, broker_address, typed)
        if out is None:
            results.point_latest(_RESULTS_ROOT)
        codes.append(outcome.exit_code)
        written.append((scenario.name, directory))
        if as_json:
            print(json.dumps(outcome.summary, ensure_ascii=False))
        else:
            print_summary(outcome.summary, directory, said)
        if outcome.problem:
            _complain(talk, outcome.problem, outcome.next_step)
        if outcome.exit_code == ExitCode.INTERRUPTED:
            break
    if len(scenarios) > 1 and out is not None:
        _write_index(out, written)
    return next(code for code in _ORDER if code in codes)


def _run_one(scenario: Scenario, results: Results, talk: Console, broker_address: str | None, typed: str) -> Outcome:
    observing: AbstractContextManager[LivePanel | PlainLines] = LivePanel(talk) if talk.is_terminal else PlainLines(talk)

    async def interruptible(observer: LivePanel | PlainLines) -> Outcome:
        task = asyncio.ensure_future(
            run(
                scenario,
                results,
                observer,
                broker_address=broker_address,
                fetch_progress=FetchBar(talk),
                command=typed,
            )
        )
        _end_on_signals(task)
        return await task

    with observing as observer:
        return asyncio.run(interruptible(observer))


def _end_on_signals(task: asyncio.Future[Outcome]) -> None:
    """The first Ctrl-C (or SIGTERM) ends the run in order; the second ends the program, and the kernel its children."""
    asked = False

    def end() -> None:
        nonlocal asked
        if asked:
            os._exit(ExitCode.INTERRUPTED)
        asked = True
        task.cancel()

    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, end)


def print_summary(summary: Mapping[str, object], directory: Path, console: Console) -> None:
    """The sides next to each other, the verdict in one sentence, and where the report is."""
    from benchmarks.table import side_by_side, verdict_sentence

    variants = summary["variants"]
    assert isinstance(variants, Mapping)
    if variants:
        table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
        table.add_column("")
        for name in variants:
            table.add_column(str(name), justify="right")
        table.add_column("difference", style="dim")
        for row in side_by_side(summary):
            label = f"{row.label} ({row.unit})" if row.unit else row.label
            table.add_row(label, *row.values, row.comparison)
        console.print()
        console.print(table)
        console.print()
    console.print(Text(verdict_sentence(summary), "bold"))
    if variants:
        console.print(Text(f"report: {directory / 'report.html'}"), soft_wrap=True)


def print_plan(scenario: Scenario, console: Console, *, as_json: bool) -> None:
    """The plan of a run, for people or as `plan.json`."""
    from benchmarks.plan import make_plan

    plan = make_plan(scenario)
    if as_json:
        print(json.dumps(plan.as_dict(), indent=2, ensure_ascii=False))
        return
    console.print("TODO")


class FetchBar:
    """The progress of a first fetch, as a bar; without a terminal as one line."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._progress: Progress | None = None
        self._task = None

    def begin(self, total_files: int, total_bytes: int) -> None:
        """See `benchmarks.brokers.FetchProgress`."""

    def advance(self, name: str, done_bytes: int) -> None:
        """See `benchmarks.brokers.FetchProgress`."""

    def step(self, message: str) -> None:
        """See `benchmarks.brokers.FetchProgress`."""

    def end(self) -> None:
        """See `benchmarks.brokers.FetchProgress`."""


def _complain(console: Console, message: str, next_step: str) -> None:
    console.print(Text("bench: ", "bold red") + Text(message))
    if next_step:
        console.print(Text(f"  next: {next_step}"))
