"""A broker that dies under a run: the run ends soon, says why and what to do, and keeps what was measured."""

import asyncio
import os
import signal
import time
from pathlib import Path

import psutil
import pytest

from benchmarks.exit_code import ExitCode
from benchmarks.planning.plan import PlannedTrial
from benchmarks.progress import SilentObserver
from benchmarks.run import RunResult, run
from benchmarks.scenario import load_text
from benchmarks.store import Results, load_trials
from virtual.predict import predict

NOTICED_WITHIN_S = 2.0
SCENARIO = """
version: 1
name: small
workload: {{rate: 20, duration: {duration}, warmup: 0s}}
broker: {{kind: {kind}}}
blocks: 1
"""


def children() -> set[psutil.Process]:
    return set(psutil.Process().children(recursive=True))


def broker_process(before: set[psutil.Process]) -> psutil.Process:
    """The broker that the run has started; the one that other tests share was there before."""
    started = children() - before
    (found,) = [child for child in started if {"kafka.Kafka", "benchmarks.brokers.embedded"} & set(child.cmdline())]
    return found


class Killer(SilentObserver):
    """Kills the broker when the load of one trial begins, and notes when that trial's children are ended."""

    def __init__(self, at_trial: int) -> None:
        self._at_trial = at_trial
        self._before = children()
        self.killed_s = 0.0
        self.noticed_s = 0.0

    def load_began(self, trial: PlannedTrial, rows: Path, start_ns: int) -> None:
        if trial.number == self._at_trial:
            broker_process(self._before).send_signal(signal.SIGKILL)
            self.killed_s = time.monotonic()

    def step(self, message: str) -> None:
        if self.killed_s and not self.noticed_s:
            self.noticed_s = time.monotonic()


def killed_at(trial: int, kind: str, tmp_path: Path, duration: str = "2s") -> tuple[RunResult, Killer]:
    before = children()
    killer = Killer(trial)
    scenario = load_text(SCENARIO.format(kind=kind, duration=duration), "small")
    outcome = asyncio.run(run(scenario, Results.create(tmp_path / "out"), killer, predict))
    assert children() - before == set()
    return outcome, killer


@pytest.mark.parametrize("kind", [pytest.param("embedded", marks=pytest.mark.slow), "kafka"])
def test_killed_in_mid_trial_it_ends_the_run_with_its_reason_and_finished_trials_stay(
    kind: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    # Longer than the wait below, so that the end of the load cannot be what ended the trial.
    outcome, killer = killed_at(2, kind, tmp_path, duration="6s")
    assert outcome.exit_code == ExitCode.ENVIRONMENT
    assert outcome.problem.startswith("The broker died: ")
    assert "killed by SIGKILL" in outcome.problem
    assert "again" in outcome.next_step
    assert killer.noticed_s - killer.killed_s < NOTICED_WITHIN_S + 3.0  # and its clients are given 3 s to end
    assert [trial.facts.label for trial in load_trials(tmp_path / "out")] == ["01-sync"]
    assert (tmp_path / "out" / "report.html").is_file()
    assert "after 1 of 2 trials" in (tmp_path / "out" / "run.json").read_text()
    assert "never retrieved" not in capfd.readouterr().err


def test_killed_while_a_variant_runs_that_does_not_use_it_it_ends_the_run_too(tmp_path: Path) -> None:
    outcome, _ = killed_at(1, "embedded", tmp_path)
    assert outcome.exit_code == ExitCode.ENVIRONMENT
    assert outcome.problem.startswith("The broker died: ")
    assert len(load_trials(tmp_path / "out")) == 0


def test_a_broker_that_only_pauses_is_not_dead(tmp_path: Path) -> None:
    before = children()

    class Pauser(SilentObserver):
        def load_began(self, trial: PlannedTrial, rows: Path, start_ns: int) -> None:
            if trial.number == 2:
                pid = broker_process(before).pid
                os.kill(pid, signal.SIGSTOP)
                asyncio.get_running_loop().call_later(0.5, os.kill, pid, signal.SIGCONT)

    scenario = load_text(SCENARIO.format(kind="embedded", duration="2s"), "small")
    outcome = asyncio.run(run(scenario, Results.create(tmp_path / "out"), Pauser(), predict))
    assert outcome.problem == ""
