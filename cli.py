"""The command line `bench`: it parses, prints and exits; the logic is in `benchmarks`."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from benchmarks.exit_code import ExitCode

# Nothing else at the top: `bench --help` answers in a fifth of a second, and pandas alone takes longer.
if TYPE_CHECKING:
    from rich.console import Console

    from benchmarks.scenario import Scenario, ScenarioError

_THREE_TO_TRY = """bench run slow-downstream   one service becomes slow: who waits?
        bench run consumer-crash    a process is killed mid-work: what is lost?
        bench run baseline          nothing goes wrong: what does each side cost?
  `bench list` shows them all; --quick makes it shorter"""

app = typer.Typer(
    name="bench",
    help="Should this service call its downstreams directly (HTTP), or publish an event (Kafka)? Measure it.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
)
broker_app = typer.Typer(help="Fetch, start and stop the Kafka that bench uses.", no_args_is_help=True)
app.add_typer(broker_app, name="broker")

Names = Annotated[
    list[str] | None, typer.Argument(help="Scenarios: a name (see `bench list`) or a path to a YAML file.")
]
VariantOption = Annotated[
    list[str] | None, typer.Option("--variant", help="Run only this variant, even if not in the file; may be repeated.")
]
RateOption = Annotated[float | None, typer.Option(help="Arrivals per time unit, instead of the scenario's.")]
DurationOption = Annotated[
    str | None, typer.Option(help="Length of a trial, as in 30s; the faults are scaled with it.")
]
BlocksOption = Annotated[int | None, typer.Option(min=1, help="Trials of each variant; an interval needs 3.")]
SeedOption = Annotated[int | None, typer.Option(min=0, help="Seed of arrivals and draws.")]
SetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Any key of the scenario, as in services.email.concurrency=8 or faults.0.latency=400ms; may be repeated.",
    ),
]
QuickOption = Annotated[bool, typer.Option("--quick", help="Three short blocks for a first verdict, labelled quick.")]
BrokerOption = Annotated[
    str | None,
    typer.Option(
        help="HOST:PORT of a running Kafka-compatible cluster, or the kind of broker that bench starts for every "
        "event variant, such as `embedded`, a stand-in in memory that is not a real broker."
    ),
]
RepeatOption = Annotated[
    int | None,
    typer.Option(min=0, help="How many blocks may be repeated because the machine was busy; default half of them."),
]
LoadWorkersOption = Annotated[
    int, typer.Option(min=1, max=64, help="Processes that generate the load; they share the schedule.")
]
LoadMasterOption = Annotated[
    str | None,
    typer.Option(
        metavar="HOST:PORT",
        help="Generate the load on other hosts, where that many `bench load-worker HOST:PORT` run. HOST is the address "
        "of this machine that they can reach. The API and the Locust master listen on it, unprotected.",
    ),
]
OutOption = Annotated[
    Path | None, typer.Option(help="Where the results go; default results/SCENARIO/STAMP, under this directory.")
]
SummaryOption = Annotated[
    bool, typer.Option("--json", help="Print the summary as JSON on standard output, the rest on standard error.")
]

VerboseOption = Annotated[
    bool, typer.Option("--verbose", help="Print every figure of the sides and every warning at the end.")
]


@app.command()
def run(
    scenarios: Names = None,
    variant: VariantOption = None,
    broker: BrokerOption = None,
    blocks: BlocksOption = None,
    seed: SeedOption = None,
    rate: RateOption = None,
    duration: DurationOption = None,
    set_: SetOption = None,
    quick: QuickOption = False,
    repeat_invalid: RepeatOption = None,
    load_workers: LoadWorkersOption = 1,
    load_master: LoadMasterOption = None,
    out: OutOption = None,
    json: SummaryOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Run scenarios, and write charts and a report.

    Exit codes: 0 ok, whatever the verdict · 2 usage · 99 a threshold failed · 104 the scenario is not valid ·
    105 interrupted · 110 the run is not valid · 111 the environment lacks something · 1 a bug.
    """
    from benchmarks.brokers import KINDS
    from benchmarks.brokers.external import names_a_secret
    from benchmarks.terminal.run import RunOptions, run_all
    from benchmarks.trials.load_workers import LoadWorkers, LoadWorkersError

    if not scenarios:
        _fail(ExitCode.USAGE, "which scenario? Try one of these", _THREE_TO_TRY)
    if broker is not None and names_a_secret(broker):
        _fail(
            ExitCode.USAGE,
            "--broker takes only host:port: a name or a password on the command line would end up in logs and results",
            "put them into BENCH_KAFKA_USERNAME and BENCH_KAFKA_PASSWORD, see docs/kafka.md",
        )
    kind, address = (broker, None) if broker in KINDS else (None, broker)
    changes = {"rate": rate, "duration": duration, "blocks": blocks, "seed": seed, "quick": quick, "sets": set_}
    loaded = [_loaded(name, variants=variant, broker=kind, **changes) for name in scenarios]
    try:
        workers = LoadWorkers.of(load_workers, load_master)
        for scenario in loaded:
            workers.check(scenario.workload)
    except LoadWorkersError as error:
        _fail(ExitCode.USAGE, str(error), "see docs/load.md")
    from virtual.predict import predict  # late: it takes longer than reporting an invalid scenario

    options = RunOptions(predict, address, out, json, _typed(), repeat_invalid, workers, verbose)
    raise typer.Exit(run_all(loaded, options))


@app.command(name="list")
def list_() -> None:
    """List the scenarios: those in ./scenarios/ and those that come with bench."""
    from rich.table import Table

    from benchmarks.scenario import ScenarioError, load
    from benchmarks.scenario.loader import list_scenarios

    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for heading in ("name", "what happens", "claim"):
        table.add_column(heading)
    for name, path in list_scenarios():
        try:
            scenario = load(path)
        except ScenarioError:
            table.add_row(name, "not valid: see `bench validate`", "")
            continue
        table.add_row(name, scenario.title, scenario.claim or "")
    _stdout().print(table)


@app.command()
def new(
    name: Annotated[
        str | None, typer.Argument(help="Its name, for scenarios/NAME.yaml, or a path; without one, lists templates.")
    ] = None,
    from_: Annotated[
        str | None, typer.Option("--from", metavar="TEMPLATE", help="What to start from; default slow-service.")
    ] = None,
) -> None:
    """Write a commented scenario file to start from; without a name, list the templates. Never overwrites."""
    from benchmarks.scenario.new import DEFAULT, NewScenarioError, templates, write_new

    if name is None:
        typer.echo("\n".join(templates()))
        return
    try:
        path = write_new(name, from_ or DEFAULT)
    except NewScenarioError as error:
        _fail(ExitCode.USAGE, str(error), "")
    except OSError as error:
        _fail(ExitCode.ENVIRONMENT, f"the file cannot be written: {error}", "choose a directory that you can write to")
    shown = path.stem if path.parent == Path("scenarios") else path
    typer.echo(f"{path}: written\n  next: bench plan {shown}, then bench run {shown} --quick")
    if not (path.parent / "schema.json").exists():
        typer.echo(f"  for editors that complete and check it: bench schema > {path.parent / 'schema.json'}")


@app.command()
def schema() -> None:
    """Print the JSON Schema of scenario files; editors use it to complete and check them."""
    from json import dumps

    from benchmarks.scenario.schema import scenario_schema

    typer.echo(dumps(scenario_schema(), indent=1, ensure_ascii=False))


@app.command()
def variants(
    json: Annotated[bool, typer.Option("--json", help="Print the variants as JSON on standard output.")] = False,
) -> None:
    """List the variants: what each is, what it promises, and its options with their defaults."""
    from json import dumps

    from benchmarks.terminal import variants as words

    if json:
        typer.echo(dumps(words.as_dicts(), indent=1))
    else:
        words.show(_stdout())


@app.command()
def show(scenario: Annotated[str, typer.Argument(help="A name or a path.")]) -> None:
    """Show a scenario in full, with every default filled in."""
    from benchmarks.scenario.resolve import dump, resolve

    print(dump(resolve(_loaded(scenario))), end="")


@app.command()
def faults(
    json: Annotated[bool, typer.Option("--json", help="Print the table as JSON on standard output.")] = False,
) -> None:
    """List the kinds of faults that a scenario may have: what each does, what it can hit, and its keys."""
    from benchmarks.terminal.faults import print_faults

    print_faults(_stdout(), as_json=json)


@app.command()
def plan(
    scenario: Annotated[str, typer.Argument(help="A name or a path.")],
    variant: VariantOption = None,
    blocks: BlocksOption = None,
    seed: SeedOption = None,
    rate: RateOption = None,
    duration: DurationOption = None,
    set_: SetOption = None,
    quick: QuickOption = False,
    json: Annotated[bool, typer.Option("--json", help="Print plan.json.")] = False,
) -> None:
    """Show what a run would do, without doing it: trials, utilisation, and what the parameters alone predict."""
    from benchmarks.terminal.plan import print_plan

    changes = {"rate": rate, "duration": duration, "blocks": blocks, "seed": seed, "quick": quick, "sets": set_}
    chosen = _loaded(scenario, variants=variant, **changes)
    from virtual.predict import predict  # as in `run`

    print_plan(chosen, _stdout(), predict, as_json=json)


@app.command()
def validate(files: Annotated[list[str], typer.Argument(help="Names or paths of scenarios.")]) -> None:
    """Check scenario files; report everything that is wrong, with its line and how to fix it."""
    from benchmarks.scenario import ScenarioError, UnknownScenarioError, load
    from benchmarks.scenario.loader import find

    codes: list[ExitCode] = []
    for name in files:
        try:
            load(find(name))
        except UnknownScenarioError as error:
            _stderr().print(f"bench: {error}", markup=False, highlight=False)
            codes.append(ExitCode.USAGE)
        except ScenarioError as error:
            print(error, file=sys.stderr)
            codes.append(ExitCode.SCENARIO)
        else:
            print(f"{name}: valid")
    raise typer.Exit(ExitCode.of(codes))


@app.command()
def report(
    runs: Annotated[
        list[Path], typer.Argument(metavar="RUN...", help="A results directory, such as results/latest, or several.")
    ],
    out: Annotated[
        Path | None, typer.Option(help="Where the overview of several runs goes.  [default: next to them]")
    ] = None,
    verbose: VerboseOption = False,
) -> None:
    """Rewrite the summary, charts and report of a stored run. Needs no broker.

    For several runs, or a directory of runs such as results/ (the newest of each scenario), write an overview:
    overview.html, .svg and .png, with every scenario and every variant.

    Exit codes: 0 ok · 2 usage, or a directory without a run · 104 the stored scenario is not valid ·
    111 a result cannot be read or written.
    """
    if len(runs) > 1 or not _is_run(runs[0]):
        _overview(runs, out)
    else:
        _report(runs[0], verbose=verbose)


def _is_run(directory: Path) -> bool:
    """A directory that does not exist is taken for a run, and reported as missing by name."""
    return not directory.is_dir() or any((directory / name).exists() for name in ("scenario.yaml", "summary.json"))


def _overview(runs: list[Path], out: Path | None) -> None:
    from benchmarks.charts.overview import read_rows, runs_in, write_overview

    found = [run for given in runs for run in ([given] if _is_run(given) else runs_in(given))]
    if not found:
        _fail(ExitCode.USAGE, f"no run in {runs[0]}", "give the directory of a run, such as results/latest")
    try:
        rows = read_rows(found)
    except (FileNotFoundError, NotADirectoryError) as error:
        _fail(ExitCode.USAGE, str(error), "give directories of runs; bench report RUN writes a missing summary")
    except (OSError, ValueError) as error:
        _fail(ExitCode.ENVIRONMENT, str(error), "bench report RUN rewrites it")
    where = out or (runs[0] if len(runs) == 1 else Path(os.path.commonpath([run.resolve() for run in found])))
    try:
        where.mkdir(parents=True, exist_ok=True)
        paths = write_overview(rows, where)
    except OSError as error:
        _fail(ExitCode.ENVIRONMENT, f"the overview cannot be written: {error}", "choose another directory with --out")
    for path in paths:
        typer.echo(path)


def _report(run: Path, *, verbose: bool) -> None:
    from benchmarks.run import rebuild
    from benchmarks.scenario import ScenarioError
    from benchmarks.store import ResultsError
    from benchmarks.terminal.summary import print_summary
    from virtual.predict import predict

    try:
        summary = rebuild(run, predict)
    except (FileNotFoundError, NotADirectoryError) as error:
        _fail(ExitCode.USAGE, str(error), "give the directory of a run, such as results/latest")
    except ScenarioError as error:
        _refuse(error)
    except ResultsError as error:
        _fail(ExitCode.ENVIRONMENT, str(error), error.next_step)
    except OSError as error:
        _fail(
            ExitCode.ENVIRONMENT,
            f"the report cannot be written: {error}",
            "free some space, or copy the run to a place that you can write to",
        )
    print_summary(summary, run, _stdout(), verbose=verbose)


@app.command()
def compare(
    old: Annotated[Path, typer.Argument(help="The results directory of the run to compare with.")],
    new: Annotated[Path, typer.Argument(help="The results directory of the run that may differ.")],
    json: Annotated[bool, typer.Option("--json", help="Print the comparison as JSON on standard output.")] = False,
) -> None:
    """Compare two stored runs of one scenario on one machine, such as before and after a change.

    Exit codes: 0 compared, whatever differs · 2 no run, or not comparable, with the reason · 110 a run is not valid ·
    111 its files are damaged.
    """
    from benchmarks.terminal.compare import compare_runs

    raise typer.Exit(compare_runs(old, new, _stdout(), _stderr(), as_json=json))


@app.command()
def verify(
    run: Annotated[Path, typer.Argument(help="The results directory of a run, such as results/latest.")],
) -> None:
    """Check a stored run: does its summary follow from its rows, and was it judged by what was written down before it?

    Counts, shares, latencies, intervals and the verdict are recomputed from the Parquet files by a script that
    shares no code with the rest: `benchmarks/verify.py`, which also runs on its own.

    Exit codes: 0 nothing differs · 2 no run · 110 something differs.
    """
    from benchmarks.terminal.verify import verify_run

    raise typer.Exit(verify_run(run))


@app.command()
def load_worker(
    master: Annotated[str, typer.Argument(help="HOST:PORT, as given to `bench run --load-master` on the other host.")],
    wait: Annotated[float, typer.Option(min=1, max=300, help="Seconds without a run before it exits.")] = 300,
) -> None:
    """Generate part of the load of a run on another host, trial after trial, until Ctrl-C or `--wait`.

    Exit codes: 0 it generated load, and no more is needed · 2 usage · 105 interrupted · 111 no run asked for load.
    """
    from benchmarks.terminal.load_worker import load_worker

    host, _, port = master.rpartition(":")
    if not host or not (port.isascii() and port.isdigit() and 0 < int(port) < 2**16):
        _fail(ExitCode.USAGE, f"{master!r} is not HOST:PORT", "give the same HOST:PORT as the run's --load-master")
    raise typer.Exit(load_worker(host, int(port), wait, _stdout()))


@app.command()
def doctor(
    json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON on standard output.")] = False,
) -> None:
    """Report what is there, what is missing, and what this machine can and cannot show. Changes nothing.

    Exit codes: 0 runs are possible · 111 something that a run needs is missing.
    """
    from benchmarks.doctor import THEMES, examine
    from benchmarks.terminal.doctor import print_examination

    examination = examine(THEMES)
    print_examination(examination, _stdout(), as_json=json)
    raise typer.Exit(ExitCode.OK if examination.possible else ExitCode.ENVIRONMENT)


@app.command()
def calibrate(
    aa: Annotated[
        list[str] | None,
        typer.Option(
            "--aa",
            metavar="SCENARIO",
            help="Measure the noise floor of this scenario; default baseline; may be repeated.",
        ),
    ] = None,
    blocks: Annotated[int | None, typer.Option(min=3, help="Blocks of an A/A run; default 5.")] = None,
    rate: RateOption = None,
    duration: Annotated[
        str | None, typer.Option(help="Length of an A/A trial, as in 30s; default half of the scenario's.")
    ] = None,
    only: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PART",
            help="Measure only this part: timer, clock, generator, harness, broker or noise; several with commas, or "
            "repeated.",
        ),
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Take about a quarter of the time; labelled quick.")] = False,
    json: Annotated[
        bool,
        typer.Option("--json", help="Print what is stored as JSON on standard output, the rest on standard error."),
    ] = False,
) -> None:
    """Measure what this machine and this harness can show, and store it for later runs.

    Exit codes: 0 ok · 2 usage · 104 a scenario is not valid · 105 interrupted · 110 an A/A run is not valid ·
    111 a part could not be measured.
    """
    from benchmarks.calibration import noise
    from benchmarks.calibration.measure import NAMES, NOISE, CalibrationRequest
    from benchmarks.calibration.workbench import QUICK, USUAL
    from benchmarks.scenario import ScenarioError
    from benchmarks.terminal.calibrate import run_calibration
    from benchmarks.values.problems import choice_hint

    parts = [part.strip() for text in only or NAMES for part in text.split(",")]
    for part in parts:
        if part not in NAMES:
            _fail(ExitCode.USAGE, f"--only: unknown part {part!r}; {choice_hint(part, NAMES)}", "")
    if NOISE not in parts and (aa, blocks, rate, duration) != (None,) * 4:
        _fail(
            ExitCode.USAGE,
            "--aa, --blocks, --rate and --duration are about A/A runs, which --only leaves out",
            "add noise",
        )
    effort = QUICK if quick else USUAL
    scenarios = []
    for name in dict.fromkeys(aa or ["baseline"]) if NOISE in parts else ():
        try:
            scenarios.append(noise.prepared(_loaded(name), effort, blocks=blocks, rate=rate, duration=duration))
        except ScenarioError as error:
            _refuse(error)
    from virtual.predict import predict  # as in `run`

    raise typer.Exit(run_calibration(CalibrationRequest(parts, scenarios, effort, _typed(), predict), as_json=json))


@broker_app.command()
def fetch() -> None:
    """Fetch Kafka into the cache, check it and prepare it, so that runs start fast and offline."""
    from benchmarks.terminal.broker import broker_fetch

    raise typer.Exit(broker_fetch(_stderr()))


@broker_app.command()
def start(port: Annotated[int | None, typer.Option(help="Port to listen on; default 9092.")] = None) -> None:
    """Start a Kafka that keeps running, for use with --broker HOST:PORT."""
    from benchmarks.terminal.broker import broker_start

    raise typer.Exit(broker_start(port, _stderr()))


@broker_app.command()
def stop() -> None:
    """Stop the Kafka that `bench broker start` left running."""
    from benchmarks.terminal.broker import broker_stop

    raise typer.Exit(broker_stop(_stderr()))


@broker_app.command()
def status() -> None:
    """Report whether Kafka is in the cache, and whether one is running."""
    from benchmarks.terminal.broker import broker_status

    raise typer.Exit(broker_status(_stdout()))


def _loaded(name: str, **changes: Any) -> Scenario:
    """The scenario with those `changes` that were given; if it is not valid, exit with the code that says why."""
    from benchmarks.scenario import ScenarioError, UnknownScenarioError, load
    from benchmarks.scenario.loader import find
    from benchmarks.scenario.override import override

    given = {key: value for key, value in changes.items() if value is not None and value is not False and value != []}
    try:
        scenario = load(find(name))
        return override(scenario, **given) if given else scenario
    except UnknownScenarioError as error:
        _fail(ExitCode.USAGE, str(error), "")
    except ScenarioError as error:
        _refuse(error)


def _refuse(error: ScenarioError) -> NoReturn:
    print(error, file=sys.stderr)
    raise typer.Exit(ExitCode.SCENARIO) from None


def _fail(code: ExitCode, message: str, next_step: str) -> NoReturn:
    print(f"bench: {message}" + (f"\n  next: {next_step}" if next_step else ""), file=sys.stderr)
    raise typer.Exit(code)


def _typed() -> str:
    """The command as it was typed, for the report: the program's name rather than where it is installed."""
    import shlex

    # A file name may not be valid text.
    return shlex.join(["bench", *sys.argv[1:]]).encode(errors="backslashreplace").decode()


def _stdout() -> Console:
    from benchmarks.terminal.console import console

    return console()


def _stderr() -> Console:
    from benchmarks.terminal.console import console

    return console(stderr=True)


def main() -> None:
    """The entry point of the commands `bench` and `sync-vs-events`."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            # A terminal that lacks a letter, or a file name that is not text, is no reason to fail.
            stream.reconfigure(errors="backslashreplace")
    try:
        try:
            app()
        finally:
            sys.stdout.flush()  # now, while a full disk can still be reported
    except OSError as error:
        # What is left in the buffer has nowhere to go, and would be tried again when the interpreter exits.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        with suppress(OSError):
            print(f"bench: {error}\n  next: free some space, and check where the output goes", file=sys.stderr)
        sys.exit(ExitCode.ENVIRONMENT)


if __name__ == "__main__":
    main()
