"""`bench run`: one scenario after the other, each watched while it runs and shown when it has ended."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from benchmarks.brokers import KINDS, BrokerUnavailable, fetch_kind
from benchmarks.exit_code import ExitCode
from benchmarks.planning.prediction import Predict
from benchmarks.run import RunResult, run
from benchmarks.scenario import Scenario
from benchmarks.store import Results, ResultsError, default_directory, write_text
from benchmarks.terminal.console import complain, console, say
from benchmarks.terminal.fetchbar import FetchBar
from benchmarks.terminal.interruptible import interruptible
from benchmarks.terminal.live import LivePanel, PlainLines
from benchmarks.terminal.summary import print_summary
from benchmarks.trials.load_workers import LoadWorkers
from benchmarks.values.checked import BROKER
from benchmarks.words.numbers import listed

_RESULTS_ROOT = Path("results")


@dataclass(frozen=True)
class RunOptions:
    """How scenarios are run, whatever they hold.

    `broker_address`: a cluster to use instead of starting a broker. `out`: the results directory, one below
    `_RESULTS_ROOT` where it is None. `as_json`: only summaries reach standard output. `command` is what the user typed.
    `repeat_invalid`: how many blocks may be repeated, None for half of them. `verbose`: every figure is printed at the
    end.
    """

    predict: Predict
    broker_address: str | None
    out: Path | None
    as_json: bool
    command: str
    repeat_invalid: int | None
    load_workers: LoadWorkers
    verbose: bool = False


def run_all(scenarios: Sequence[Scenario], options: RunOptions) -> ExitCode:
    """Run one scenario after the other, and show how each ended."""
    talk = console(stderr=True)
    if (code := _prepare(scenarios, options, talk)) is not None:
        return code
    codes: list[ExitCode] = []
    written: list[tuple[str, Path]] = []
    for scenario in scenarios:
        try:
            results = Results.create(_directory(scenario.name, options.out, several=len(scenarios) > 1))
        except ResultsError as error:
            complain(talk, str(error), error.next_step)
            codes.append(ExitCode.ENVIRONMENT)
            continue
        outcome = _watched(scenario, results, options, talk)
        _show(outcome, results, options, talk)
        codes.append(outcome.exit_code)
        written.append((scenario.name, results.directory))
        if outcome.exit_code == ExitCode.INTERRUPTED:
            break
    if len(scenarios) > 1 and options.out is not None and written:
        try:
            _write_index(options.out, written)
        except OSError as error:
            complain(talk, f"the index of the runs cannot be written: {error}", "make room; the runs are beside it")
            codes.append(ExitCode.ENVIRONMENT)
    return ExitCode.of(codes)


def _prepare(scenarios: Sequence[Scenario], options: RunOptions, talk: Console) -> ExitCode | None:
    """Fetch what the brokers need, before the first panel; the code to exit with where nothing can be run."""
    brokers = (variant.broker for scenario in scenarios for variant in scenario.variants if variant.broker is not None)
    kinds = dict.fromkeys(broker.kind for broker in brokers if KINDS[broker.kind].fetches)
    if options.broker_address is None and kinds:
        with FetchBar(talk) as bar:
            try:
                for kind in kinds:
                    asyncio.run(interruptible(fetch_kind(kind, bar)))
            except BrokerUnavailable as error:
                complain(talk, error.message, error.next_step)
                return ExitCode.ENVIRONMENT
            except asyncio.CancelledError:
                complain(talk, "interrupted before anything was measured", "")
                return ExitCode.INTERRUPTED
    elif options.broker_address is not None and (hit := _faults_of_the_broker(scenarios)):
        complain(
            talk,
            f"{listed(hit)} would hit the broker, and the faults of {options.broker_address} are not ours to inject",
            "leave --broker out, so that bench starts a broker of its own, or choose scenarios without such faults",
        )
        return ExitCode.USAGE
    if options.load_workers.master is not None:
        host, port = options.load_workers.master
        say(talk, f"the load is made elsewhere: on the other hosts run `bench load-worker {host}:{port}`")
    return None


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


def _watched(scenario: Scenario, results: Results, options: RunOptions, talk: Console) -> RunResult:
    observing: AbstractContextManager[LivePanel | PlainLines] = (
        LivePanel(talk) if talk.is_terminal else PlainLines(talk)
    )
    with observing as observer:
        work = run(
            scenario,
            results,
            observer,
            options.predict,
            broker_address=options.broker_address,
            command=options.command,
            repeat_invalid=options.repeat_invalid,
            load_workers=options.load_workers,
        )
        return asyncio.run(interruptible(work))


def _show(outcome: RunResult, results: Results, options: RunOptions, talk: Console) -> None:
    if options.out is None and not results.point_latest(_RESULTS_ROOT):
        latest = _RESULTS_ROOT / "latest"
        say(talk, f"note: {latest} is not a link that bench can move, so it does not point to {results.directory}")
    if outcome.summary is not None:  # None where not even that could be written
        if options.as_json:
            print(json.dumps(outcome.summary.as_dict()))
        else:
            print_summary(outcome.summary, results.directory, console(), verbose=options.verbose)
    if outcome.problem:
        complain(talk, outcome.problem, outcome.next_step)


def _write_index(out: Path, written: Sequence[tuple[str, Path]]) -> None:
    """An index beside the folders of several runs."""
    lines = [f"- [{name}]({directory.relative_to(out) / 'report.html'})" for name, directory in written]
    write_text(out / "index.md", "# Runs\n\n" + "\n".join(lines) + "\n")
