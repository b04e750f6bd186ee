"""Part `noise`: an A/A run of a scenario, run and judged like any run, and the floor that comes of it."""

from __future__ import annotations

from pathlib import Path

from benchmarks.calibration.floor import floor_of, twice
from benchmarks.calibration.workbench import Effort
from benchmarks.exit_code import ExitCode
from benchmarks.planning.prediction import Predict
from benchmarks.progress import Observer
from benchmarks.run import run
from benchmarks.scenario import Scenario
from benchmarks.scenario.override import override
from benchmarks.store import Results, default_directory
from benchmarks.values.json_object import Json
from benchmarks.values.units import format_s
from benchmarks.words.numbers import clause

ROOT = Path("results") / "calibration"


class NoFloor(Exception):  # noqa: N818 - reads as what came of the run
    """The A/A run gives no floor. The program ends with `exit_code`."""

    def __init__(self, message: str, next_step: str, exit_code: ExitCode) -> None:
        super().__init__(message)
        self.next_step = next_step
        self.exit_code = exit_code


def prepared(
    scenario: Scenario, effort: Effort, *, blocks: int | None, rate: float | None, duration: str | None
) -> Scenario:
    """The scenario of an A/A run, without the twins. Raises ScenarioError where an override is wrong."""
    return override(
        scenario,
        quick=True,  # a short warm-up, and no questions that so few arrivals could not answer
        blocks=blocks or effort.blocks,
        rate=rate,
        duration=duration or format_s(effort.trial_s(scenario.workload.duration_s)),
    )


async def measure(scenario: Scenario, observer: Observer, predict: Predict, command: str) -> Json:
    """Run a `prepared` scenario against itself; its floor. Raises NoFloor, ResultsError."""
    doubled, pairs = twice(scenario)
    results = Results.create(default_directory(scenario.name, ROOT))
    outcome = await run(doubled, results, observer, predict, command=command, repeat_invalid=None)
    if outcome.problem:
        raise NoFloor(outcome.problem, outcome.next_step, outcome.exit_code)
    summary = outcome.summary
    assert summary is not None, "a run without a problem has one"
    if not summary.valid or summary.disturbed is not None:
        reasons = "; ".join(summary.invalid_reasons) or (
            clause(summary.disturbed.sentence) if summary.disturbed else ""
        )
        what = "was disturbed" if summary.valid else "is not valid"
        raise NoFloor(
            f"the A/A run of {scenario.name} {what}, so it gives no noise floor: {reasons}",
            f"end what else is running and try again; what it measured is in {results.directory}",
            ExitCode.NOT_VALID,
        )
    workload = doubled.workload
    return {
        "blocks": doubled.blocks,
        "rate_per_s": workload.rate_per_s,
        "duration_s": workload.duration_s,
        "run": f"{scenario.name}/{results.directory.name}",
        "metrics": floor_of(summary, pairs),
    }
