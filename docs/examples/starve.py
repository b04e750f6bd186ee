"""`starve`: the work waits in vain for something that it needs, such as a connection from an empty pool."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from benchmarks.faults.work_kind import WorkKind
from benchmarks.values.checked import LatencyValue
from benchmarks.words.numbers import nominal_ms
from registration.faults import WorkFault

_STATUS = 504


class StarveFault(WorkKind):
    """The attempts that it hits take their time and `wait`, slot kept, and then fail without an effect."""

    sentence: ClassVar[str] = "the attempt waits for something that does not come, slot kept, and then fails"

    type: Literal["starve"] = "starve"
    wait_ms: Annotated[
        LatencyValue, Field(alias="wait", description="how long the attempt waits in vain", examples=["1s"])
    ]

    @property
    def now(self) -> str:
        return f"starves for {self._wait}"

    @property
    def then(self) -> str:
        return f"starved for {self._wait}"

    @property
    def _wait(self) -> str:
        return nominal_ms(round(self.wait_ms.mean_ms(), 1))

    def mean_work_ms(self, work_ms: float) -> float:
        return work_ms if self.share == 0 else work_ms + self.share * self.wait_ms.mean_ms()

    def for_service(self) -> WorkFault:
        return replace(super().for_service(), latency=self.wait_ms, status=_STATUS)
