"""One run, from a scenario to its report.

    directory, plan → broker, warmed → block 1 … n, judged and repeated where disturbed; each trial saved as it ends
                    → broker stopped → finish: summary, charts, report

Whatever happens after the first finished trial, `finish` is reached: what was measured is kept and can be read.
"""

from __future__ import annotations

import asyncio
import datetime
import functools
import secrets
import shutil
import threading
import traceback
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks import environment, machine, scratch
from benchmarks.analysis.calibration import ceiling_unknown, ceiling_warnings, floor_for
from benchmarks.analysis.summary_model import Summary
from benchmarks.brokers import Broker, BrokerUnavailable, ServerSpec, start
from benchmarks.brokers.external import connect
from benchmarks.bystanders import busy_line, busy_programs
from benchmarks.calibration.store import stored as calibrated
from benchmarks.exit_code import ExitCode
from benchmarks.planning.plan import Plan, make_plan
from benchmarks.planning.prediction import Predict, Prediction, Unpredicted, arrivals_of
from benchmarks.planning.seal import sealed
from benchmarks.planning.stalls import Stalls
from benchmarks.processes.child import ChildError
from benchmarks.processes.ports import NoFreePort, Ports
from benchmarks.progress import Observer
from benchmarks.scenario import Scenario, load_text
from benchmarks.scenario.resolve import dump, resolve
from benchmarks.store import DID_NOT_END, Results, ResultsError, load_trials, write_text
from benchmarks.trial_result import TrialFacts
from benchmarks.trials.blocks import run_blocks
from benchmarks.trials.load_workers import ONE_HERE, LoadWorkers
from benchmarks.trials.short_start import short_start
from benchmarks.trials.trial import RunContext

# Of each variant that was disturbed. Each takes about as long as a plan does, so there are fewer of a large trial.
_STALLED_PREDICTIONS, _FEWEST_STALLED, _STALLED_ARRIVALS = 10, 3, 100_000


@dataclass(frozen=True)
class RunResult:
    """How a run ended. `problem` and `next_step` are set where it ended early."""

    directory: Path
    summary: Summary | None  # None where not even that could be written
    exit_code: ExitCode
    problem: str = ""
    next_step: str = ""


@dataclass(frozen=True)
class _Trouble:
    """Why a run ended early."""

    exit_code: ExitCode
    problem: str
    next_step: str


async def run(
    scenario: Scenario,
    results: Results,
    observer: Observer,
    predict: Predict,
    *,
    broker_address: str | None = None,
    command: str = "",
    repeat_invalid: int | None = 0,
    load_workers: LoadWorkers = ONE_HERE,
) -> RunResult:
    """Run every trial of the scenario's plan and write the results directory.

    `predict` says what the parameters alone predict. Cancelling the task that awaits this ends the run early and in
    order. `broker_address`: a cluster to use instead of starting a broker. `command` is what the user typed, for the
    report. `repeat_invalid`: how many blocks may be repeated, None for half of them. `load_workers` make the load. A
    disk that is full or gone is an outcome without a summary: what has been saved by then stays, and `rebuild` finishes
    it.
    """
    try:
        return await _run(scenario, results, observer, predict, broker_address, command, repeat_invalid, load_workers)
    except OSError as error:
        return RunResult(
            results.directory,
            None,
            ExitCode.ENVIRONMENT,
            f"the results cannot be written: {error}",
            f"free some space; then `bench report {results.directory}` shows the trials that were saved",
        )
    except ResultsError as error:  # what was saved cannot be read back
        return RunResult(results.directory, None, ExitCode.ENVIRONMENT, str(error), error.next_step)


async def _run(
    scenario: Scenario,
    results: Results,
    observer: Observer,
    predict: Predict,
    broker_address: str | None,
    command: str,
    repeat_invalid: int | None,
    load_workers: LoadWorkers,
) -> RunResult:
    plan = planned(scenario)
    predict = _once_each(predict)
    about = {
        "started": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "command": command,
        "version": machine.version(),
    }
    # First of all, and overwritten at the end: if we are killed, this is what remains.
    results.write_json("run.json", {**about, "problems": [DID_NOT_END]})
    scenario_text = dump(resolve(scenario))
    write_text(results.directory / "scenario.yaml", scenario_text)
    results.write_json("plan.json", sealed(plan.as_dict(), scenario, scenario_text))
    observer.run_began(plan, results.directory)
    trouble: _Trouble | None = None
    ended: list[TrialFacts] = []
    try:
        if busy := busy_line(await busy_programs()):
            observer.warn(busy)
        observer.step("predicting from the parameters alone")
        described_plan = await _described_in_a_thread(plan, predict)
        results.write_json("plan.json", sealed(described_plan, scenario, scenario_text))
        await _perform(plan, results, observer, predict, broker_address, repeat_invalid, load_workers, ended)
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
        # The first line says what; a process's last words follow it, for the terminal only.
        counted = sum(not facts.superseded for facts in ended)
        problems = [f"{trouble.problem.splitlines()[0]} after {counted} of {len(plan.trials)} trials"]
    results.write_json("run.json", {**about, "problems": problems})
    observer.step("drawing the charts")
    # In a thread, so that a signal is heard meanwhile. What is saved is saved: the report is finished.
    finishing = asyncio.ensure_future(asyncio.to_thread(finish, results, predict))
    try:
        summary = await asyncio.shield(finishing)
    except asyncio.CancelledError:
        summary = await finishing
        trouble = trouble or _Trouble(ExitCode.INTERRUPTED, "interrupted; everything had been measured by then", "")
    if trouble is not None:
        return RunResult(results.directory, summary, trouble.exit_code, trouble.problem, trouble.next_step)
    return RunResult(results.directory, summary, _exit_code(summary))


async def _perform(
    plan: Plan,
    results: Results,
    observer: Observer,
    predict: Predict,
    broker_address: str | None,
    repeat_invalid: int | None,
    load_workers: LoadWorkers,
    ended: list[TrialFacts],
) -> None:
    """Start the brokers and warm them, run the blocks and stop the brokers. `ended` grows as trials end."""
    brokers: dict[ServerSpec, Broker] = {}
    # Private to this run, and outside the results: a log of messages is not what was measured.
    scratch.sweep()
    broker_directory = scratch.make()
    try:
        # Known before the broker is, and again with it: a broker that does not start must leave the rest behind.
        results.write_json("environment.json", environment.describe([], load_workers))
        if any(trial.variant.uses_broker for trial in plan.trials):
            observer.step("starting the broker")
            await _start_brokers(plan, broker_address, broker_directory, results.logs, brokers)
            infos = list({id(broker): broker.info for broker in brokers.values()}.values())
            results.write_json("environment.json", environment.describe(infos, load_workers))
        tag, take_port = secrets.token_hex(4), Ports().take
        context = RunContext(plan, brokers, results.logs, tag, take_port, observer, load_workers=load_workers)
        await short_start(context)
        await run_blocks(context, results, ended, predict, repeats=repeat_invalid)
    finally:
        try:
            await asyncio.gather(*(broker.stop() for broker in brokers.values()))
        finally:
            shutil.rmtree(broker_directory, ignore_errors=True)


async def _start_brokers(
    plan: Plan, address: str | None, directory: Path, logs: Path, brokers: dict[ServerSpec, Broker]
) -> None:
    """One of each that a variant asks for, or the one at `address` for all of them. `brokers` grows as they start."""
    wanted = dict.fromkeys(variant.broker.server for variant in plan.scenario.variants if variant.broker is not None)
    if address is not None:
        brokers |= dict.fromkeys(wanted, await connect(address))
        return
    for number, server in enumerate(wanted):
        log_name = "broker.log" if len(wanted) == 1 else f"broker-{server.label}.log"
        brokers[server] = await start(server, directory / str(number), logs / log_name)


def planned(scenario: Scenario) -> Plan:
    """The plan of a run on this machine, which knows its noise floor and ceiling if it was calibrated."""
    workload = scenario.workload
    calibration = {"calibration": calibrated()}
    floor, _ = floor_for(calibration, scenario.name, workload.rate_per_s, workload.duration_s)
    plan = make_plan(scenario, floor)
    of_the_generator = [*ceiling_warnings(workload, calibration), *ceiling_unknown(workload, calibration)]
    return replace(plan, warnings=(*plan.warnings, *of_the_generator))


def described(plan: Plan, predict: Predict, progress: Callable[[int], None] = lambda _: None) -> dict[str, object]:
    """`plan.json`: the plan, and what the parameters alone predict for the first block of each variant."""
    names = plan.scenario.variant_names
    return {**plan.as_dict(), "predicted": [predict(plan, name, 0, progress).as_dict() for name in names]}


def _once_each(predict: Predict) -> Predict:
    """For one run, whose plan and whose report ask for the same blocks."""
    known: dict[tuple[str, int], Prediction | Unpredicted] = {}

    def once(
        plan: Plan,
        variant: str,
        block: int = 0,
        progress: Callable[[int], None] = lambda _: None,
        stalls: Stalls | None = None,
        wire_ms: float = 0.0,
    ) -> Prediction | Unpredicted:
        if stalls is not None or wire_ms:  # asked for once
            return predict(plan, variant, block, progress, stalls, wire_ms)
        if (variant, block) not in known:
            known[variant, block] = predict(plan, variant, block, progress)
        return known[variant, block]

    return once


class _Abandoned(BaseException):
    """The prediction is no longer needed."""


async def _described_in_a_thread(plan: Plan, predict: Predict) -> dict[str, object]:
    """What predicts runs an event loop of its own; once cancelled, it is not waited for."""
    abandoned = threading.Event()

    def progress(_come: int) -> None:
        if abandoned.is_set():
            raise _Abandoned

    try:
        return await asyncio.to_thread(described, plan, predict, progress)
    except asyncio.CancelledError:
        abandoned.set()
        raise


def finish(results: Results, predict: Predict) -> Summary:
    """From stored trials to summary, charts and report. Needs no broker, and can be repeated.

    Raises ResultsError or ScenarioError where files were damaged since they were written.
    """
    from benchmarks.analysis.delay import not_covered
    from benchmarks.analysis.residual import compare_run
    from benchmarks.analysis.summary import summarise
    from benchmarks.charts import draw_all
    from benchmarks.report import write_report

    scenario = load_text((results.directory / "scenario.yaml").read_text(encoding="utf-8"), "scenario.yaml")
    trials = load_trials(results.directory)
    plan = make_plan(scenario)
    held = compare_run(scenario, trials.counted, functools.partial(predict, plan))
    bounded = dict.fromkeys(one.facts.variant for one in trials.counted.stored if one.facts.number in held.ends)
    summary = summarise(
        scenario,
        trials,
        run_problems=results.run_problems(),
        predicted=held.predicted,
        predicted_blocks=held.predicted_blocks,
        residuals=held.summary,
        environment=results.environment(),
        ends=held.ends,
        margins={name: not_covered(plan, name, predict, _stalled_predictions(scenario)) for name in bounded},
    )
    results.write_json("summary.json", summary.as_dict())
    summary = Summary.read(results.directory / "summary.json")  # so that the terminal says what is stored
    if trials.counted.stored:
        results.save_run()
        results.save_frame("residuals", held.frame)
        draw_all(results.directory)
        write_report(results.directory)
    return summary


def _stalled_predictions(scenario: Scenario) -> int:
    affordable = _STALLED_ARRIVALS // max(arrivals_of(scenario), 1)
    return min(max(affordable, _FEWEST_STALLED), _STALLED_PREDICTIONS)


def rebuild(directory: Path, predict: Predict) -> Summary:
    """Rewrite the summary, charts and report of a stored run.

    Raises FileNotFoundError where it is not a run; ResultsError or ScenarioError where its files were damaged since.
    """
    if not (directory / "scenario.yaml").is_file():
        raise FileNotFoundError(f"{directory} is not a run: it has no scenario.yaml")
    return finish(Results(directory), predict)


def _exit_code(summary: Summary) -> ExitCode:
    if not summary.valid:
        return ExitCode.NOT_VALID
    failed = any(threshold.passed is False for threshold in summary.thresholds)
    return ExitCode.THRESHOLD if failed else ExitCode.OK
