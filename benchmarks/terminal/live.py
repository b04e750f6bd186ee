"""What a person sees while a run goes on: a live panel in a terminal, plain lines elsewhere.

The figures come from the file of the load generator's rows: looking asks nothing of the generator. They are for the
eye; what is recorded is computed after the load, from all rows.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from benchmarks.load.rows import NO_TIME, Outcome
from benchmarks.load.rows import read as read_rows
from benchmarks.planning.plan import Plan, PlannedTrial
from benchmarks.words.numbers import count, milliseconds, plural

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_SPAN_S = 2.0  # the figures of the panel are those of the last two seconds
_REFRESH_PER_S = 2
_PLAIN_PERIOD_S = 5.0


@dataclass(frozen=True)
class Glance:
    """A look at one variant: answers per second, accept latency of the acked, and answers that were not."""

    rate_per_s: float
    p50_ms: float | None
    p95_ms: float | None
    errors: int


def glance(rows: NDArray[np.void], begin_ns: int, end_ns: int, timeout_ns: int) -> Glance:
    """The registrations that came to an end in [begin_ns, end_ns) of scenario time; patience ends at `timeout_ns`."""
    import numpy as np

    acked = rows["outcome"] == Outcome.ACKED
    failed = (rows["outcome"] != Outcome.PENDING) & ~acked
    # Without an answer it ended when patience did, or, never sent or never connected, where it was due.
    gave_up = rows["outcome"] == Outcome.INDETERMINATE
    unanswered_ns = rows["intended_ns"] + np.where(gave_up, timeout_ns, 0)
    ended_ns = np.where(rows["answered_ns"] != NO_TIME, rows["answered_ns"], unanswered_ns)
    recent = (ended_ns >= begin_ns) & (ended_ns < end_ns)
    latencies_ms = (rows["answered_ns"] - rows["intended_ns"])[acked & recent] / 1e6
    p50_ms, p95_ms = np.percentile(latencies_ms, [50, 95]) if len(latencies_ms) else (None, None)
    span_s = (end_ns - begin_ns) / 1e9
    return Glance(len(latencies_ms) / span_s, p50_ms, p95_ms, int((failed & recent).sum()))


@dataclass
class Scoreboard:
    """What is known of the run so far. `clock_ns` is CLOCK_MONOTONIC."""

    clock_ns: Callable[[], int] = time.monotonic_ns
    plan: Plan | None = None
    out: Path | None = None
    trial: PlannedTrial | None = None
    step: str = "preparing"
    start_ns: int | None = None  # scenario time 0 of the trial under load
    rows: Path | None = None
    began_ns: int = field(default_factory=time.monotonic_ns)
    trial_began_ns: int | None = None
    taken_ns: list[int] = field(default_factory=list)  # by each trial that has ended, repeats included
    in_block: int = 0  # trials of this attempt at the block that have ended
    glances: dict[str, Glance] = field(default_factory=dict)

    def position(self) -> str:
        """Where in the plan the trial is; a repeat is not in it and is not counted."""
        if self.plan is None or self.trial is None:
            return ""
        total = len(self.plan.trials)
        again = self.trial.number > total
        return f"block {self.trial.block + 1} again" if again else f"trial {self.trial.number} of {total}"

    def begin(self, trial: PlannedTrial) -> None:
        """A trial begins; where it is the first of its block, or of another attempt at it, a block does too."""
        before = self.trial
        if before is None or before.block != trial.block or self.in_block >= self._in_a_block():
            self.in_block = 0
        self.trial, self.trial_began_ns = trial, self.clock_ns()

    def end(self) -> None:
        """The trial has ended."""
        if self.trial_began_ns is not None:
            self.taken_ns.append(self.clock_ns() - self.trial_began_ns)
        self.in_block += 1
        self.trial_began_ns = None

    def at_s(self) -> float | None:
        """Scenario time, while a trial is under load; negative in its warm-up."""
        return None if self.start_ns is None else (self.clock_ns() - self.start_ns) / 1e9

    def look(self) -> None:
        """Take the running trial's figures of the last seconds."""
        at_s = self.at_s()
        if self.plan is None or self.trial is None or self.rows is None or at_s is None:
            return
        try:
            rows = read_rows(self.rows)
        except (OSError, ValueError):
            return  # not there yet
        if not (rows["outcome"] != Outcome.PENDING).any():
            return  # nothing has ended, or it is not known here before load workers elsewhere are done
        now_ns = round(at_s * 1e9)
        self.glances[self.trial.variant.name] = glance(
            rows, now_ns - round(_SPAN_S * 1e9), now_ns, round(self.plan.scenario.workload.timeout_ms * 1e6)
        )

    def fault(self) -> str:
        """The faults that are on just now."""
        at_s = self.at_s()
        if self.plan is None or self.trial is None or at_s is None:
            return ""
        return " · ".join(
            f"{window.name} until {window.end_ns / 1e9:g} s"
            for window in self.plan.fault_windows
            if self.trial.variant.name in window.variants and window.begin_ns <= at_s * 1e9 < window.end_ns
        )

    def left_s(self) -> float | None:
        """Seconds until the run is over: the trials that are left, each as long as those so far took on average.

        A repeated block is left as a whole, and so takes time of its own; before the first trial has ended, the plan
        says how long one takes.
        """
        if self.plan is None:
            return None
        a_trial_s = self.plan.estimated_s / max(len(self.plan.trials), 1)
        if self.taken_ns:
            a_trial_s = sum(self.taken_ns) / len(self.taken_ns) / 1e9
        began_ns = self.began_ns if self.trial is None else self.trial_began_ns
        under_way_s = 0.0 if began_ns is None else (self.clock_ns() - began_ns) / 1e9
        left = self._trials_left(self.plan)
        # One that takes longer than the others eats up nothing of those that follow.
        return max(left * a_trial_s - min(under_way_s, a_trial_s), 0.0) if left else 0.0

    def share_done(self) -> float:
        left_s = self.left_s()
        if self.plan is None or left_s is None:
            return 0.0
        gone_s = (self.clock_ns() - self.began_ns) / 1e9
        return gone_s / max(gone_s + left_s, 1e-9)

    def _trials_left(self, plan: Plan) -> int:
        """Those of later blocks, and of this attempt at this one, with the one under way."""
        if self.trial is None:
            return len(plan.trials)
        later = sum(trial.block > self.trial.block for trial in plan.trials)
        return later + max(self._in_a_block() - self.in_block, 0)

    def _in_a_block(self) -> int:
        return 0 if self.plan is None else len(self.plan.trials) // self.plan.scenario.blocks


class _BoardKeeper:
    """The observer's side: keeps the scoreboard. Those below decide how it is shown."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._board = Scoreboard()

    def run_began(self, plan: Plan, out: Path) -> None:
        self._board.plan = plan
        self._board.out = out
        self._console.print(_headline(plan))
        for warning in plan.warnings:
            self.warn(warning)

    def step(self, message: str) -> None:
        self._board.step = message

    def trial_began(self, trial: PlannedTrial) -> None:
        self._board.begin(trial)

    def load_began(self, _trial: PlannedTrial, rows: Path, start_ns: int) -> None:
        self._board.rows, self._board.start_ns = rows, start_ns
        self._board.step = "under load"

    def load_ended(self, _trial: PlannedTrial) -> None:
        self._board.start_ns = None

    def trial_ended(self, _trial: PlannedTrial) -> None:
        self._board.step = "saved"
        self._board.end()

    def warn(self, message: str) -> None:
        self._console.print(Text("note: ", "yellow") + Text(message))


class LivePanel(_BoardKeeper):
    """For a terminal: one panel, redrawn twice a second by a thread of its own. Use as a context manager."""

    def __init__(self, console: Console) -> None:
        super().__init__(console)
        self._live = Live(
            console=console, refresh_per_second=_REFRESH_PER_S, get_renderable=self._render, transient=True
        )

    def __enter__(self) -> LivePanel:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def _render(self) -> RenderableType:
        board = self._board
        board.look()
        if board.plan is None:
            return Text(board.step)
        left_s = board.left_s()
        line = Text()
        if board.trial is not None:
            line.append(f"{board.position()}  ", "bold")
            line.append(f"{board.trial.variant.name}  ", "bold cyan")
        at_s = board.at_s()
        line.append(board.step if at_s is None else _time_in_trial(at_s, board.plan))
        if fault := board.fault():
            line.append(f"   fault: {fault}", "bold red")
        bar = Table.grid(padding=(0, 2))
        bar.add_row(ProgressBar(total=1.0, completed=board.share_done(), width=40), Text(_left(left_s), "dim"))
        return Group(line, _sides(board), bar)


class PlainLines(_BoardKeeper):
    """For a log: a line at each step, and one every few seconds under load. Use as a context manager."""

    def __init__(self, console: Console) -> None:
        super().__init__(console)
        self._stop = threading.Event()
        self._ticker = threading.Thread(target=self._tick, daemon=True, name="plain-lines")

    def __enter__(self) -> PlainLines:
        self._ticker.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._ticker.join()

    def step(self, message: str) -> None:
        super().step(message)
        if self._board.trial is None or message == "drawing the charts":
            self._console.print(message)

    def load_began(self, trial: PlannedTrial, rows: Path, start_ns: int) -> None:
        super().load_began(trial, rows, start_ns)
        block = "" if self._board.position().startswith("block") else f", block {trial.block + 1}"
        self._console.print(f"{self._board.position()}: {trial.variant.name}{block}")

    def _tick(self) -> None:
        while not self._stop.wait(_PLAIN_PERIOD_S):
            board = self._board
            at_s = board.at_s()
            if board.trial is None or board.plan is None or at_s is None:
                continue
            board.look()
            seen = board.glances.get(board.trial.variant.name)
            if seen is None:
                continue
            fault = f", fault: {board.fault()}" if board.fault() else ""
            self._console.print(
                f"  {_time_in_trial(at_s, board.plan)}: {count(seen.rate_per_s)}/s, p50 {milliseconds(seen.p50_ms)}, "
                f"p95 {milliseconds(seen.p95_ms)}, {count(seen.errors)} errors{fault}, {_left(board.left_s())}"
            )


def _headline(plan: Plan) -> Text:
    scenario = plan.scenario
    text = Text(scenario.title, "bold")
    names = " and ".join(scenario.variant_names)
    text.append(
        f"\n{names}, {scenario.workload.words} for {scenario.workload.duration_s:g} s, "
        f"{plural(len(plan.trials), 'trial')}, about {_duration(plan.estimated_s)}",
        "not bold dim",
    )
    return text


def _sides(board: Scoreboard) -> Table:
    assert board.plan is not None
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("")
    for heading in ("rate", "p50", "p95", "errors"):
        table.add_column(heading, justify="right", min_width=8)
    current = board.trial.variant.name if board.trial is not None else None
    for name in board.plan.scenario.variant_names:
        seen = board.glances.get(name)
        style = "bold" if name == current and board.start_ns is not None else "dim"
        if seen is None:
            table.add_row(Text(name, style), *[Text("–", "dim")] * 4)
            continue
        cells = (f"{count(seen.rate_per_s)}/s", milliseconds(seen.p50_ms), milliseconds(seen.p95_ms))
        errors = Text(count(seen.errors), "bold red" if seen.errors else style)
        table.add_row(Text(name, style), *(Text(cell, style) for cell in cells), errors)
    return table


def _time_in_trial(at_s: float, plan: Plan) -> str:
    duration_s = plan.scenario.workload.duration_s
    return f"warm-up, {-at_s:.0f} s left" if at_s < 0 else f"{at_s:.0f} of {duration_s:g} s"


def _left(left_s: float | None) -> str:
    return "" if left_s is None else f"about {_duration(left_s)} left" if left_s > 1 else "almost done"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"
