"""`stutter`: the process stands still again and again, as on a host that gives it too small a share of a core."""

from __future__ import annotations

import signal
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from benchmarks.faults.fault import Lasting
from benchmarks.faults.process_kind import Processes, ProcessKind
from benchmarks.values.checked import LastingS
from benchmarks.words.numbers import nominal_ms
from registration.clock import Clock


class StutterFault(Lasting, ProcessKind):
    """It runs for `moving`, then SIGSTOP for `still`, and so on until the window ends. It runs again after it."""

    sentence: ClassVar[str] = "SIGSTOP and SIGCONT in turn; it goes on when the window ends"

    type: Literal["stutter"] = "stutter"
    still_s: Annotated[LastingS, Field(alias="still", description="how long it stands still each time")] = 0.1
    moving_s: Annotated[LastingS, Field(alias="moving", description="how long it runs in between")] = 0.1

    @property
    def now(self) -> str:
        return f"stutters by {nominal_ms(self.still_s * 1000)}"

    @property
    def then(self) -> str:
        return f"stuttered by {nominal_ms(self.still_s * 1000)}"

    async def begin(self, processes: Processes, name: str) -> None:
        """At first it runs on as before."""

    async def during(self, processes: Processes, name: str, clock: Clock, end_ns: int) -> None:
        while clock.now_ns() < end_ns:
            await clock.sleep_until(min(clock.now_ns() + round(self.moving_s * 1e9), end_ns))
            processes.signal(name, signal.SIGSTOP)
            await clock.sleep_until(min(clock.now_ns() + round(self.still_s * 1e9), end_ns))
            processes.signal(name, signal.SIGCONT)

    async def heal(self, processes: Processes, name: str) -> None:
        """It is running already."""

    def release(self, processes: Processes, name: str) -> None:
        """A stopped process does not see that it is to exit."""
        processes.signal(name, signal.SIGCONT)
