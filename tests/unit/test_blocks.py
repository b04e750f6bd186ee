"""Blocks are repeated by how disturbed they were, and of several attempts the least disturbed counts."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from as_predicted import trial_of
from test_bracket import CLOSE, FASTER, HEAD, SLOWER, TWO, busy

from benchmarks.planning.plan import Plan, PlannedTrial, make_plan
from benchmarks.progress import SilentObserver
from benchmarks.scenario import load_text
from benchmarks.store import Results
from benchmarks.trial_result import TrialFacts, TrialResult
from benchmarks.trials import blocks
from benchmarks.trials.trial import RunContext
from virtual.predict import predict

QUIET, HIT, HARDER = 0.0, 0.3, 0.6


class Run:
    """A run whose trials are made by hand: each as predicted, and disturbed by a share that is next in line."""

    def __init__(self, text: str, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.plan: Plan = make_plan(load_text(HEAD + text, "x"))
        self.results = Results.create(out)
        self.ended: list[TrialFacts] = []
        self._change: Callable[[TrialResult], TrialResult] = lambda trial: trial
        monkeypatch.setattr(blocks, "run_trial", self._run_trial)
        # Frames as made by hand do not have every column that a stored trial has.
        monkeypatch.setattr(self.results, "save_trial", lambda one: self._save(one.facts))
        monkeypatch.setattr(self.results, "save_facts", lambda facts, _problems: self._save(facts))

    def _save(self, facts: TrialFacts) -> None:
        directory = self.results.trial_directory(facts.label)
        directory.mkdir(exist_ok=True)
        (directory / "trial.json").write_text(json.dumps(facts.as_dict()))

    async def _run_trial(self, planned: PlannedTrial, _context: RunContext, _out: Path) -> TrialResult:
        share = next(self._shares)
        if share is None:
            raise asyncio.CancelledError
        return self._change(busy(trial_of(self.plan, planned), share))

    def go(
        self,
        *shares: float | None,
        repeats: int | None = None,
        change: Callable[[TrialResult], TrialResult] = lambda trial: trial,
    ) -> list[str]:
        """Run with these shares of the machine for others, None: interrupted; the labels of the trials that count."""
        self._shares: Iterator[float | None] = iter(shares)
        self._change = change
        context = RunContext(self.plan, {}, self.results.logs, "tag", lambda: 1, SilentObserver())
        asyncio.run(blocks.run_blocks(context, self.results, self.ended, predict, repeats=repeats))
        return self.counted

    @property
    def counted(self) -> list[str]:
        stored = [json.loads(path.read_text()) for path in self.results.directory.glob("trials/*/trial.json")]
        assert {one["number"] for one in stored if one["superseded"]} == {
            one.number for one in self.ended if one.superseded
        }
        return [one.label for one in self.ended if not one.superseded]


@pytest.fixture
def run_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Run]:
    return lambda text: Run(text, tmp_path / "out", monkeypatch)


ONE = "blocks: 1\nvariants: [sync]\n"
RISKY = ONE + "thresholds: {throughput_per_s: ['> 1']}\n"  # nothing bounds it
FIRST, SECOND = "01-sync", "02-sync"


def test_a_quiet_block_is_not_repeated(run_of: Callable[[str], Run]) -> None:
    assert run_of(RISKY).go(QUIET, repeats=1) == [FIRST]


def test_a_disturbed_one_is_and_the_quiet_attempt_counts(run_of: Callable[[str], Run]) -> None:
    run = run_of(RISKY)
    assert run.go(HIT, QUIET, repeats=1) == [SECOND]
    (first,) = [one for one in run.ended if one.superseded]
    assert "other programs took" in first.reasons[0]


def test_of_two_disturbed_attempts_the_one_counts_from_which_others_took_less(run_of: Callable[[str], Run]) -> None:
    run = run_of(RISKY)
    assert run.go(HIT, HARDER, repeats=1) == [FIRST]
    assert [one.label for one in run.ended if one.superseded] == [SECOND]


def test_half_of_the_blocks_are_repeated_at_most(run_of: Callable[[str], Run]) -> None:
    run = run_of(RISKY.replace("blocks: 1", "blocks: 5"))
    run.go(*[HIT] * 7)
    assert len(run.ended) == 7
    assert sum(one.superseded for one in run.ended) == 2


def test_where_the_prediction_leaves_no_doubt_nothing_is_repeated(run_of: Callable[[str], Run]) -> None:
    run = run_of(SLOWER + FASTER + "blocks: 1\n")
    assert run.go(HARDER, HARDER, repeats=1) == ["01-sync", "02-events"]


def test_a_close_one_is_repeated_as_a_whole_block(run_of: Callable[[str], Run]) -> None:
    run = run_of(TWO + CLOSE + "blocks: 1\n")

    def late(trial: TrialResult) -> TrialResult:
        history = trial.frames.history.copy()
        history[["sent_ns", "received_ns", "stored_ns"]] += 4_000_000
        return replace(trial, frames=replace(trial.frames, history=history))

    labels = run.go(HIT, HIT, QUIET, QUIET, repeats=1, change=late)
    assert len(run.ended) == 4
    assert len(labels) == 2


def test_what_would_be_there_again_counts_and_is_not_repeated(run_of: Callable[[str], Run]) -> None:
    """A drain that expired beside other programs: the run has to say so."""
    run = run_of(RISKY)

    def expired(trial: TrialResult) -> TrialResult:
        return replace(trial, facts=replace(trial.facts, drain_expired=True))

    assert run.go(HIT, repeats=1, change=expired) == [FIRST]


def test_a_symptom_in_the_repeat_is_not_hidden_by_the_first_attempt(run_of: Callable[[str], Run]) -> None:
    run = run_of(RISKY)
    assert run.go(HIT, QUIET, repeats=1, change=_expired_in_the_second) == [SECOND]


def _expired_in_the_second(trial: TrialResult) -> TrialResult:
    return replace(trial, facts=replace(trial.facts, drain_expired=trial.facts.number == 2))


def test_dropped_arrivals_alone_are_no_reason_to_try_again(run_of: Callable[[str], Run]) -> None:
    def dropped(trial: TrialResult) -> TrialResult:
        history = trial.frames.history.copy()
        history.loc[history["index"] < 3, "outcome"] = "dropped"
        return replace(trial, frames=replace(trial.frames, history=history))

    assert run_of(RISKY).go(QUIET, repeats=1, change=dropped) == [FIRST]


def test_a_repeat_that_is_interrupted_leaves_the_whole_attempt(run_of: Callable[[str], Run]) -> None:
    run = run_of(RISKY.replace("[sync]", "[sync, events]"))
    with pytest.raises(asyncio.CancelledError):
        run.go(HIT, HIT, QUIET, None, repeats=1)
    assert run.counted == ["01-sync", "02-events"]
    (cut,) = [one for one in run.ended if one.superseded]
    assert cut.reasons == ("it was cut short",)
