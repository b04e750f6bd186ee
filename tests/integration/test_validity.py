"""Sabotage of the apparatus while a run goes on: the run says what was wrong, and repeats what may pass.

Two runs: in one the first attempt at the block is disturbed, in the other the apparatus is broken for good.
"""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
import pytest

from benchmarks.analysis.validity import Disturbed
from benchmarks.exit_code import ExitCode
from benchmarks.planning.plan import PlannedTrial
from benchmarks.progress import SilentObserver
from benchmarks.run import RunResult, rebuild, run
from benchmarks.scenario import load_text
from benchmarks.store import Results, load_trials
from benchmarks.trial_result import TrialResult
from registration.trace import RECORD_FIELDS
from virtual.predict import predict

DISTURBED = """
version: 1
name: disturbed
title: A run that is disturbed
workload: {rate: 60, duration: 3s, warmup: 500ms}
variants: [sync]
blocks: 1
"""

BROKEN = """
version: 1
name: broken
title: A run whose apparatus is broken
workload: {rate: 40, duration: 1500ms, warmup: 0s, timeout: 4s}
services: {cache: {latency: 1500ms}}
variants: [sync]
drain: 200ms
blocks: 1
"""

RECORD_BYTES = np.dtype(RECORD_FIELDS).itemsize
TWO_BUSY_LOOPS = "import os\nos.fork()\nwhile True: pass"


def child(word: str) -> psutil.Process:
    """The process of the run that has this word in its command line."""
    return next(process for process in psutil.Process().children() if word in process.cmdline())


@contextmanager
def foreign_load() -> Iterator[None]:
    """A busy loop for each of two cores, by somebody who is no part of the run."""
    loops = subprocess.Popen([sys.executable, "-c", TWO_BUSY_LOOPS], start_new_session=True)
    try:
        yield
    finally:
        os.killpg(loops.pid, signal.SIGKILL)
        loops.wait()


class Disturbing(SilentObserver):
    """Disturbs the first attempt: the generator stands still for 200 ms, and other programs take the cores."""

    def __init__(self) -> None:
        self.warnings: list[str] = []
        self.disturbance = ExitStack()

    def load_began(self, trial: PlannedTrial, rows: Path, start_ns: int) -> None:
        if trial.number == 1:
            self.disturbance.enter_context(foreign_load())
            generator = child("benchmarks.load")
            loop, in_s = asyncio.get_running_loop(), (start_ns - time.monotonic_ns()) / 1e9
            loop.call_later(in_s + 1.0, generator.suspend)
            loop.call_later(in_s + 1.2, generator.resume)

    def load_ended(self, trial: PlannedTrial) -> None:
        self.disturbance.close()

    def warn(self, message: str) -> None:
        self.warnings.append(message)


class Breaking(SilentObserver):
    """Leaves a service unable to hear its probe, and takes the last record out of the API's trace."""

    def __init__(self, out: Path) -> None:
        self._out = out
        self._deaf: psutil.Process | None = None

    def step(self, message: str) -> None:
        if message.startswith("proving"):
            self._deaf = next(
                process for process in psutil.Process().children() if process.cmdline()[-1] == "sync_impl"
            )
            self._deaf.suspend()

    def load_began(self, trial: PlannedTrial, rows: Path, start_ns: int) -> None:
        assert self._deaf is not None
        self._deaf.resume()

    def load_ended(self, trial: PlannedTrial) -> None:
        path = self._out / "trials" / trial.label / "raw" / "api-0.trace"
        os.truncate(path, path.stat().st_size - RECORD_BYTES)


@pytest.fixture(scope="module")
def observer() -> Disturbing:
    return Disturbing()


@pytest.fixture(scope="module")
def a_quiet_second_attempt() -> Iterator[None]:
    """Of two attempts the less disturbed counts, and other tests may run beside the second: they are not counted."""
    as_it_is = Disturbed.of

    def without_other_tests(trial: TrialResult) -> Disturbed:
        found = as_it_is(trial)
        return found if trial.facts.number == 1 else replace(found, reasons=(), foreign_share=0.0, steal_share=0.0)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Disturbed, "of", without_other_tests)
        yield


@pytest.fixture(scope="module")
def outcome(observer: Disturbing, a_quiet_second_attempt: None, tmp_path_factory: pytest.TempPathFactory) -> RunResult:
    """Of a run whose first attempt was disturbed."""
    results = Results.create(tmp_path_factory.mktemp("disturbed") / "out")
    with observer.disturbance:
        return asyncio.run(run(load_text(DISTURBED, "disturbed"), results, observer, predict, repeat_invalid=1))


class TestADisturbedBlock:
    """Repeated, once it is over; what was measured in the first attempt is kept and counts nowhere."""

    def test_the_summary_says_which_block_and_why(self, outcome: RunResult) -> None:
        (repeated,) = json.loads((outcome.directory / "summary.json").read_text())["repeated_blocks"]
        assert (repeated["block"], repeated["attempt"], repeated["trials"]) == (0, 0, ["01-sync"])
        reasons = " ".join(repeated["reasons"])
        assert "trial 01-sync: the load generator stood still: " in reasons
        assert "trial 01-sync: other programs took " in reasons

    def test_whoever_watches_is_told(self, outcome: RunResult, observer: Disturbing) -> None:
        (warning,) = [each for each in observer.warnings if not each.startswith("busy: ")]
        assert warning.startswith("block 1 again: trial 01-sync: ")
        assert "repeated as a block, and not counted: 01-sync" in (outcome.directory / "report.html").read_text()

    def test_only_the_attempt_that_stands_counts(self, outcome: RunResult) -> None:
        facts = [trial.facts for trial in load_trials(outcome.directory)]
        assert [(each.label, each.attempt, each.superseded) for each in facts] == [
            ("01-sync", 0, True),
            ("02-sync", 1, False),
        ]
        assert facts[0].block_seed == facts[1].block_seed
        for name in ("history", "effects", "resources", "in_flight"):
            assert set(pd.read_parquet(outcome.directory / f"{name}.parquet")["trial"]) == {2}
        summary = json.loads((outcome.directory / "summary.json").read_text())
        assert summary["variants"]["sync"]["counts"]["offered"] == 180
        assert [trial["trial"] for trial in summary["variants"]["sync"]["trials"]] == [2]

    def test_a_stored_run_is_judged_the_same(self, outcome: RunResult) -> None:
        before = json.loads((outcome.directory / "summary.json").read_text())
        rebuild(outcome.directory, predict)
        assert json.loads((outcome.directory / "summary.json").read_text()) == before


def test_what_is_broken_for_good_is_not_repeated_and_ends_with_110(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A service that is never ready, a record that is lost, a drain that is too short."""
    monkeypatch.setattr("benchmarks.trials.supervisor._PROBE_TIMEOUT_S", 0.5)
    out = tmp_path / "out"
    outcome = asyncio.run(
        run(load_text(BROKEN, "broken"), Results.create(out), Breaking(out), predict, repeat_invalid=2)
    )
    assert outcome.exit_code == ExitCode.NOT_VALID
    assert outcome.summary is not None
    reasons = " ".join(outcome.summary.invalid_reasons)
    assert "trial 01-sync: readiness was not proven" in reasons
    assert "work was left when the drain expired after 0.200\u00a0s" in reasons
    assert "nobody recorded that they were" in reasons
    assert outcome.summary.repeated_blocks == ()
