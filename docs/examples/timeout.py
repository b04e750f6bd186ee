"""`timeout`: the work waits for something of its own, until it gives that up, as with a database that has gone quiet."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from benchmarks.faults.work_kind import WorkKind
from benchmarks.values.checked import LatencyValue, Status
from benchmarks.words.numbers import nominal_ms
from registration.faults import WorkFault


class TimeoutFault(WorkKind):
    """The attempts that it hits take their time and `after`, slot kept, and then fail without an effect."""

    sentence: ClassVar[str] = "the attempt takes longer by the time that it waits for something, and then fails"

    type: Literal["timeout"] = "timeout"
    after_ms: Annotated[
        LatencyValue, Field(alias="after", description="how long the attempt waits, in vain", examples=["1s"])
    ]
    status: Annotated[Status, Field(description="what the service answers, 400 to 599")] = 504

    @property
    def now(self) -> str:
        return f"gives up after {nominal_ms(round(self.after_ms.mean_ms(), 1))}"

    @property
    def then(self) -> str:
        return f"gave up after {nominal_ms(round(self.after_ms.mean_ms(), 1))}"

    def mean_work_ms(self, work_ms: float) -> float:
        return work_ms if self.share == 0 else work_ms + self.share * self.after_ms.mean_ms()

    def for_service(self) -> WorkFault:
        return replace(super().for_service(), latency=self.after_ms, status=self.status)
