"""One run, from a scenario to its report.

    directory, plan → broker → trial 1 … n, each saved as it ends → broker stopped → finish: summary, charts, report

Whatever happens after the first finished trial, `finish` is reached: what was measured is kept and can be read.
"""

from __future__ import annotations

import asyncio
import datetime
import enum
import secrets
import shutil
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from benchmarks import environment, scratch
from benchmarks.brokers import KINDS, Broker, BrokerUnavailable, connect
from benchmarks.planning.plan import Plan, Trial, make_plan
from benchmarks.processes.child import ChildError
from benchmarks.processes.ports import NoFreePort, Ports
from benchmarks.progress import Observer
from benchmarks.scenario import Scenario, load_text
from benchmarks.scenario.resolve import dump
from benchmarks.store import DID_NOT_END, Results, ResultsError, load_trials, write_text
from benchmarks.trials.trial import Stage, run_trial


class ExitCode(enum.IntEnum):
    """What `bench` exits with; of several the first one here holds, after BUG."""

    OK = 0
    BUG = 1
    USAGE = 2
    INTERRUPTED = 105
    ENVIRONMENT = 111
    NOT_VALID = 110
    THRESHOLD = 99
    SCENARIO = 104


@dataclass(frozen=True)
class Outcome:
    """How a run ended. `problem` and `next_step` are set where it did not come to its planned end."""

    directory: Path
    summary: Mapping[str, object]  # empty where not even that could be written
    exit_code: ExitCode
    problem: str = ""
    next_step: str = ""


@dataclass(frozen=True)
class _Trouble:
    """Why a run did not come to its planned end."""

    exit_code: ExitCode
    problem: str
    next_step: str


async def run(
    scenario: Scenario,
    results: Results,
    observer: Observer,
    *,
    broker_address: str | None = None,
    command: str = "",
) -> Outcome:
    """Run every trial of the scenario's plan and write the results directory.

    Cancelling the task that awaits this ends the run early and in order. `broker_address`: a cluster to use instead
    of starting a broker. `command` is what the user typed, for the report. A disk that is full or gone is an outcome
    without a summary: what has been saved by then stays, and `rebuild` finishes it.
    """
    try:
        return await _run(scenario, results, observer, broker_address, command)
    except OSError as error:
        return Outcome(
            results.directory,
            {},
            ExitCode.ENVIRONMENT,
            f"the results cannot be written: {error}",
            f"make room; then `bench report {results.directory}` shows the trials that were saved",
        )
    except ResultsError as error:  # what was saved cannot be read back
        return Outcome(results.directory, {}, ExitCode.ENVIRONMENT, str(error), error.next_step)


async def _run(
    scenario: Scenario, results: Results, observer: Observer, broker_address: str | None, command: str
) -> Outcome:
    plan = make_plan(scenario)
    about = {
        "started": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "command": command,
        "version": version(),
    }
    # First of all, and overwritten at the end: if we are killed, this is what stands.
    results.write_json("run.json", {**about, "problems": [DID_NOT_END]})
    write_text(results.directory / "scenario.yaml", dump(scenario.resolved()))
    results.write_json("plan.json", plan.as_dict())
    observer.run_began(plan, results.directory)
    trouble: _Trouble | None = None
    ended: list[Trial] = []
    try:
        await _perform(plan, results, observer, broker_address, ended)
    except asyncio.CancelledError:
        trouble = _Trouble(ExitCode.INTERRUPTED, "interrupted", "")
    except (ChildError, BrokerUnavailable, NoFreePort) as error:
        trouble = _Trouble(ExitCode.ENVIRONMENT, str(error), getattr(error, "next_step", ""))
    except OSError as error:
        trouble = _Trouble(ExitCode.ENVIRONMENT, str(error), "is the disk full, or the results directory gone?")
    except Exception as error:  # noqa: BLE001 - a bug must not cost what was measured before it
        (results.logs / "bench-traceback.txt").write_text(traceback.format_exc())
        where = f"its traceback is in {results.logs / 'bench-traceback.txt'}"
        trouble = _Trouble(ExitCode.BUG, f"a bug in bench: {error!r}", f"please report it; {where}")
    problems = []
    if trouble is not None:
        # The first line says what; what a process said last follows it, and is for the terminal.
        problems = [f"{trouble.problem.splitlines()[0]} after {len(ended)} of {len(plan.trials)} trials"]
    results.write_json("run.json", {**about, "problems": problems})
    observer.step("drawing the charts")
    # In a thread, so that a signal is heard meanwhile. What is saved by now is saved: the report is brought to its end.
    finishing = asyncio.ensure_future(asyncio.to_thread(finish, results))
    try:
        summary = await asyncio.shield(finishing)
    except asyncio.CancelledError:
        summary = await finishing
        trouble = trouble or _Trouble(ExitCode.INTERRUPTED, "interrupted; everything had been measured by then", "")
    if trouble is not None:
        return Outcome(results.directory, summary, trouble.exit_code, trouble.problem, trouble.next_step)
    return Outcome(results.directory, summary, _exit_code(summary))


async def _perform(
    plan: Plan,
    results: Results,
    observer: Observer,
    broker_address: str | None,
    ended: list[Trial],
) -> None:
    """Start the broker, run the trials and stop the broker. `ended` grows as they end."""
    broker: Broker | None = None
    # Private to this run, and outside the results: a log of messages is not what was measured.
    scratch.sweep()
    broker_directory = scratch.make()
    try:
        # Known before the broker is, and again with it: a broker that does not start shall leave the rest behind.
        results.write_json("environment.json", environment.describe(None))
        if any(trial.variant.uses_broker for trial in plan.trials):
            observer.step("starting the broker")
            broker = await _broker(plan, broker_address, broker_directory, results.logs)
            results.write_json("environment.json", environment.describe(broker.info))
        stage = Stage(plan, broker, results.logs, secrets.token_hex(4), Ports().take, observer)
        for trial in plan.trials:
            observer.trial_began(trial)
            # Not kept: what was measured is read again when all have ended, one trial at a time.
            results.save_trial(await run_trial(trial, stage, results.trial_directory(trial.label)))
            ended.append(trial)
            observer.trial_ended(trial)
    finally:
        try:
            if broker is not None:
                await broker.stop()
        finally:
            shutil.rmtree(broker_directory, ignore_errors=True)


async def _broker(plan: Plan, address: str | None, directory: Path, logs: Path) -> Broker:
    if address is not None:
        return await connect(address)
    return await KINDS[plan.scenario.broker.kind](directory, logs / "broker.log")


def finish(results: Results) -> Mapping[str, object]:
    """From stored trials to summary, charts and report. Needs no broker, and can be repeated.

    Raises ResultsError or ScenarioError where files were damaged since they were written.
    """
    from benchmarks.analysis.summary import summarise
    from benchmarks.charts import draw_all
    from benchmarks.planning.predict import predict
    from benchmarks.report import write_report

    scenario = load_text((results.directory / "scenario.yaml").read_text(encoding="utf-8"), "scenario.yaml")
    trials = load_trials(results.directory)
    plan = make_plan(scenario)
    predicted = {name: predict(plan, name).as_dict() for name in scenario.variant_names}
    summary = summarise(scenario, trials, run_problems=results.run_problems(), predicted=predicted)
    results.write_json("summary.json", summary)
    if trials:
        results.save_run()
        draw_all(results.directory)
        write_report(results.directory)
    return summary


def rebuild(directory: Path) -> Mapping[str, object]:
    """Write summary, charts and report of a stored run anew.

    Raises FileNotFoundError where it is no run; ResultsError or ScenarioError where its files were damaged since.
    """
    if not (directory / "scenario.yaml").is_file():
        raise FileNotFoundError(f"{directory} is not a run: it has no scenario.yaml")
    return finish(Results(directory))


def version() -> str:
    """The version of the installed distribution."""
    try:
        return metadata.version("sync-vs-events")
    except metadata.PackageNotFoundError:  # a tree on PYTHONPATH
        return "unknown"


def _exit_code(summary: Mapping[str, object]) -> ExitCode:
    if not summary["valid"]:
        return ExitCode.NOT_VALID
    thresholds = summary["thresholds"]
    assert isinstance(thresholds, list)
    if not all(threshold["passed"] for threshold in thresholds):
        return ExitCode.THRESHOLD
    return ExitCode.OK
