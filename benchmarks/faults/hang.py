"""`hang`: the work stands still and then goes on, as with a lock that is not released for a while."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar, Literal

from benchmarks.faults.fault import Effect
from benchmarks.faults.work_kind import WorkKind
from registration.faults import WorkFault


class HangFault(WorkKind):
    """Holds the attempts that it hits until its window ends, their slots with them."""

    sentence: ClassVar[str] = "the attempt stands still, keeping its slot, until the window ends, then does its work"
    now: ClassVar[str] = "hangs"
    then: ClassVar[str] = "hung"
    effect: ClassVar[Effect] = Effect.STANDS_STILL

    type: Literal["hang"] = "hang"

    def for_service(self) -> WorkFault:
        return replace(super().for_service(), holds=True)
