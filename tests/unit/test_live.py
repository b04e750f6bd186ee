"""What the live display reads off the rows: the ends of registrations, where they happened."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks.load.rows import NO_TIME, ROW_DTYPE, Outcome
from benchmarks.planning.plan import Plan, PlannedTrial, make_plan
from benchmarks.scenario import load_text
from benchmarks.terminal.live import Glance, Scoreboard, glance

SECOND = 1_000_000_000
TIMEOUT_NS = 10 * SECOND


def rows(*arrivals: tuple[float, float | None, Outcome]) -> NDArray[np.void]:
    """Rows from (intended s, answered s, outcome)."""
    made = np.zeros(len(arrivals), ROW_DTYPE)
    for row, (intended_s, answered_s, outcome) in zip(made, arrivals, strict=True):
        row["intended_ns"] = round(intended_s * SECOND)
        row["answered_ns"] = NO_TIME if answered_s is None else round(answered_s * SECOND)
        row["outcome"] = outcome
    return made


def look(arrivals: NDArray[np.void], begin_s: float, end_s: float) -> Glance:
    return glance(arrivals, round(begin_s * SECOND), round(end_s * SECOND), TIMEOUT_NS)


def test_a_glance_counts_answers_per_second_and_their_latency_from_the_intended_time() -> None:
    seen = look(rows((1.0, 1.1, Outcome.ACKED), (1.5, 1.7, Outcome.ACKED), (2.0, 2.3, Outcome.ACKED)), 1, 3)
    assert seen.rate_per_s == 1.5
    assert seen.p50_ms == pytest.approx(200.0)
    assert seen.p95_ms == pytest.approx(290.0)
    assert seen.errors == 0


def test_an_answer_counts_when_it_comes_not_when_it_was_asked_for() -> None:
    slow = rows((1.0, 4.0, Outcome.ACKED))
    assert look(slow, 0, 2).rate_per_s == 0
    assert look(slow, 3, 5).p50_ms == pytest.approx(3000.0)


def test_nothing_answered_is_no_latency() -> None:
    seen = look(rows((1.0, None, Outcome.PENDING)), 0, 2)
    assert seen == Glance(0.0, None, None, 0)


def test_a_failure_counts_when_it_is_told() -> None:
    failed = rows((1.0, 3.1, Outcome.FAILED))
    assert look(failed, 0, 2).errors == 0
    assert look(failed, 2, 4).errors == 1


def test_one_that_got_no_answer_counts_when_patience_ends() -> None:
    silent = rows((1.0, None, Outcome.INDETERMINATE))
    assert look(silent, 0, 2).errors == 0
    assert look(silent, 10, 12).errors == 1


@pytest.mark.parametrize("outcome", [Outcome.DROPPED, Outcome.REFUSED])
def test_one_that_never_reached_the_api_counts_where_it_was_due(outcome: Outcome) -> None:
    assert look(rows((1.0, None, outcome)), 0, 2).errors == 1


def plan() -> Plan:
    return make_plan(
        load_text(
            """
version: 1
name: live
workload: {rate: 10, duration: 10s, warmup: 2s}
faults:
  - {name: slow, target: email, type: latency, at: 2s, duration: 4s, latency: 800ms, variants: [sync]}
blocks: 1
""",
            "live",
        )
    )


class Clock:
    now_ns = 0

    def __call__(self) -> int:
        return self.now_ns


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def board(clock: Clock, tmp_path: Path) -> Scoreboard:
    made = plan()
    board = Scoreboard(clock, plan=made, trial=made.trials[0], start_ns=100 * SECOND, began_ns=90 * SECOND)
    board.rows = tmp_path / "load.rows"
    clock.now_ns = 100 * SECOND
    return board


def test_scenario_time_is_negative_in_the_warm_up(board: Scoreboard, clock: Clock) -> None:
    clock.now_ns = 99 * SECOND
    assert board.at_s() == -1.0


def test_the_fault_is_named_while_it_is_on(board: Scoreboard, clock: Clock) -> None:
    shown = []
    for at_s in (1.9, 2.0, 5.9, 6.0):
        clock.now_ns = round((100 + at_s) * SECOND)
        shown.append(board.fault())
    assert shown == ["", "slow until 6 s", "slow until 6 s", ""]


def test_a_fault_of_another_variant_is_not_shown(board: Scoreboard, clock: Clock) -> None:
    assert board.plan is not None
    board.trial = next(trial for trial in board.plan.trials if trial.variant.name == "events")
    clock.now_ns = 103 * SECOND
    assert board.fault() == ""


def test_it_looks_at_the_last_two_seconds_of_the_running_variant(board: Scoreboard, clock: Clock) -> None:
    assert board.rows is not None
    rows((0.5, 0.6, Outcome.ACKED), (4.0, 4.1, Outcome.ACKED), (4.5, 4.7, Outcome.ACKED)).tofile(board.rows)
    clock.now_ns = 105 * SECOND
    board.look()
    assert board.glances["sync"].rate_per_s == 1.0


def test_rows_that_are_not_there_yet_leave_the_last_figures(board: Scoreboard) -> None:
    board.look()
    assert board.glances == {}


def test_rows_of_which_nothing_is_known_yet_give_no_figures(board: Scoreboard, clock: Clock) -> None:
    assert board.rows is not None
    rows((4.0, 4.1, Outcome.PENDING)).tofile(board.rows)
    clock.now_ns = 105 * SECOND
    board.look()
    assert board.glances == {}


def test_before_the_load_there_is_no_time_no_fault_and_no_figure(board: Scoreboard) -> None:
    board.start_ns = None
    board.look()
    assert (board.at_s(), board.fault(), board.glances) == (None, "", {})


def go_through(board: Scoreboard, clock: Clock, trials: Sequence[PlannedTrial], each_s: float) -> None:
    """Trials one after the other, each of them taking so long."""
    for trial in trials:
        board.begin(trial)
        clock.now_ns += round(each_s * SECOND)
        board.end()


def three_blocks() -> Plan:
    text = "version: 1\nname: live\nworkload: {rate: 10, duration: 10s, warmup: 2s}\nblocks: 3\n"
    return make_plan(load_text(text, "live"))


def test_before_the_first_trial_the_plan_says_how_long_it_takes(clock: Clock) -> None:
    board = Scoreboard(clock, plan=three_blocks(), began_ns=0)
    assert board.plan is not None
    assert board.left_s() == board.plan.estimated_s
    assert board.share_done() == 0.0


def test_trials_that_take_longer_than_planned_leave_more_time(clock: Clock) -> None:
    board = Scoreboard(clock, plan=three_blocks(), began_ns=0)
    assert board.plan is not None
    go_through(board, clock, board.plan.trials[:2], each_s=100)
    assert board.left_s() == pytest.approx(4 * 100)
    assert board.share_done() == pytest.approx(1 / 3)


def test_a_trial_that_drags_on_eats_up_nothing_of_those_that_follow(clock: Clock) -> None:
    board = Scoreboard(clock, plan=three_blocks(), began_ns=0)
    assert board.plan is not None
    go_through(board, clock, board.plan.trials[:2], each_s=10)
    board.begin(board.plan.trials[2])
    clock.now_ns += 5_000 * SECOND
    assert board.left_s() == pytest.approx(3 * 10)


def test_when_the_last_trial_has_ended_nothing_is_left(clock: Clock) -> None:
    board = Scoreboard(clock, plan=three_blocks(), began_ns=0)
    assert board.plan is not None
    go_through(board, clock, board.plan.trials, each_s=10)
    assert board.left_s() == 0.0
    assert board.share_done() == 1.0


def test_a_repeated_block_is_named_not_counted_and_takes_time_of_its_own(clock: Clock) -> None:
    board = Scoreboard(clock, plan=three_blocks(), began_ns=0)
    assert board.plan is not None
    planned = board.plan.trials
    go_through(board, clock, planned, each_s=10)
    assert board.position() == "trial 6 of 6"
    for attempt in (1, 2):
        again = [replace(trial, number=trial.number + 2 * attempt) for trial in planned[4:]]
        board.begin(again[0])
        assert board.position() == "block 3 again"
        assert board.left_s() == pytest.approx(2 * 10)
        clock.now_ns += 10 * SECOND
        board.end()
        board.begin(again[1])
        assert board.left_s() == pytest.approx(10)
        clock.now_ns += 10 * SECOND
        board.end()


def test_a_block_repeated_in_the_middle_leaves_the_later_ones_too(clock: Clock) -> None:
    board = Scoreboard(clock, plan=three_blocks(), began_ns=0)
    assert board.plan is not None
    go_through(board, clock, board.plan.trials[:2], each_s=10)
    board.begin(replace(board.plan.trials[0], number=7))
    assert board.position() == "block 1 again"
    assert board.left_s() == pytest.approx(6 * 10)
