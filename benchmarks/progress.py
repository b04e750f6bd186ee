"""What a run reports while it goes on, to a terminal, a log or nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from benchmarks.planning.plan import Plan, PlannedTrial


class Observer(Protocol):
    """Called at each step, from the main thread. Must not block and must not raise."""

    def run_began(self, plan: Plan, out: Path) -> None: ...

    def step(self, message: str) -> None:
        """What the run is doing now, in a few words."""

    def trial_began(self, trial: PlannedTrial) -> None: ...

    def load_began(self, trial: PlannedTrial, rows: Path, start_ns: int) -> None:
        """`rows` is the load generator's live file; `start_ns` the CLOCK_MONOTONIC instant of scenario time 0."""

    def load_ended(self, _trial: PlannedTrial, /) -> None: ...

    def trial_ended(self, _trial: PlannedTrial, /) -> None: ...

    def warn(self, message: str) -> None: ...


class SilentObserver:
    """Ignores all of it."""

    def run_began(self, plan: Plan, out: Path) -> None:
        pass

    def step(self, message: str) -> None:
        pass

    def trial_began(self, trial: PlannedTrial) -> None:
        pass

    def load_began(self, trial: PlannedTrial, rows: Path, start_ns: int) -> None:
        pass

    def load_ended(self, trial: PlannedTrial) -> None:
        pass

    def trial_ended(self, trial: PlannedTrial) -> None:
        pass

    def warn(self, message: str) -> None:
        pass
