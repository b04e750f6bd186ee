"""`bench calibrate` for real, in short: its parts, what it stores, and what it refuses."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

import cli
from benchmarks import environment
from benchmarks.calibration import ceiling, store
from benchmarks.calibration.workbench import QUICK, Workbench
from benchmarks.planning.plan import make_plan
from benchmarks.processes.ports import Ports
from benchmarks.progress import SilentObserver
from benchmarks.scenario import load_text
from benchmarks.trials.load_workers import LoadWorkers
from benchmarks.trials.trial import RunContext, run_trial

Bench = Callable[..., Result]


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    monkeypatch.setenv(store.DATA_VARIABLE, str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: CliRunner().invoke(cli.app, ["calibrate", *arguments])


def test_timer_and_clock_are_measured_stored_and_found_again_by_runs(bench: Bench) -> None:
    result = bench("--only", "timer,clock", "--quick", "--json")

    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert told["stale"] == []
    assert told["timer"]["rings"] == QUICK.rings
    assert 0 < told["timer"]["late_ms"]["p50"] <= told["timer"]["late_ms"]["p99"]
    assert told["clock"]["one_clock"] is True
    assert told["generator"] is None
    assert environment.describe([], LoadWorkers())["calibration"] == told


def test_an_unknown_part_or_scenario_is_a_usage_error(bench: Bench) -> None:
    for arguments, words in (
        (("--only", "timr"), "did you mean 'timer'"),
        (("--aa", "no-such-scenario"), "no-such-scenario"),
        (("--only", "clock", "--aa", "baseline"), "--only leaves out"),
        (("--blocks", "2"), "3"),
    ):
        result = bench(*arguments)
        assert (result.exit_code, words in result.output) == (2, True), result.output
    assert store.load() is None


def test_a_duration_that_is_none_is_told_as_in_a_run(bench: Bench) -> None:
    assert bench("--duration", "soon").exit_code == 104


async def test_the_generator_s_ceiling_keeps_every_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # A second of 1,000/s costs several ticks of the clock that counts processor time, on any machine; and a busy one
    # that answers late answers all the same.
    monkeypatch.setattr(ceiling, "_FIRST_PER_S", 1_000.0)
    monkeypatch.setattr(ceiling, "_MOST_PER_S", 1_000.0)
    monkeypatch.setattr(ceiling, "_WARMUP_S", 0.1)
    monkeypatch.setattr(ceiling, "_TIMEOUT_S", 10.0)
    effort = replace(QUICK, step_s=1.0, attempts=1, halvings=0)

    found = await ceiling.measure(Workbench(effort, tmp_path, Ports().take, print))

    steps = found["steps"]
    assert isinstance(steps, list)
    assert len(steps) == 1
    assert found["highest_clean_per_s"] == (1_000.0 if steps[-1]["clean"] else None)
    assert {step["rate_per_s"] for step in steps} == {1_000.0}
    assert all(step["unanswered"] == 0 for step in steps)
    assert all(step["generator_cpu_share"] > 0 for step in steps)


async def test_without_its_trace_a_trial_still_knows_when_each_was_answered(tmp_path: Path) -> None:
    scenario = load_text(
        "version: 1\nname: bare\nworkload: {rate: 40, warmup: 0s, duration: 500ms}\nvariants: [sync]\nblocks: 1\n", "t"
    )
    plan = make_plan(scenario)
    context = RunContext(plan, {}, tmp_path, secrets.token_hex(4), Ports().take, SilentObserver(), traced=False)

    result = await run_trial(plan.trials[0], context, tmp_path / "trial")

    assert list((tmp_path / "trial").rglob("*.trace")) == []
    history = result.frames.history
    assert list(history["outcome"]) == ["acked"] * 20
    assert np.all(history["answered_ns"] > history["intended_ns"])
    assert history["received_ns"].isna().all()
