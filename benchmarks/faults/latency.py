"""`latency`: the work takes longer, as with a slow disk, a busy database or a far-away dependency."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from benchmarks.faults.work_kind import WorkKind
from benchmarks.values.checked import DurationMs, LatencyValue
from benchmarks.words.numbers import nominal_ms
from registration.faults import WorkFault


class LatencyFault(WorkKind):
    """Adds time to the attempts that it hits; faults that overlap add up."""

    sentence: ClassVar[str] = "the attempt takes longer; faults that overlap add up"

    type: Literal["latency"] = "latency"
    latency_ms: Annotated[
        LatencyValue,
        Field(alias="latency", description="the time that it adds, fixed or a distribution", examples=["800ms"]),
    ]
    jitter_ms: Annotated[
        DurationMs, Field(alias="jitter", description="up to this much more or less, evenly; the sum is cut at 0")
    ] = 0.0

    @property
    def now(self) -> str:
        return f"+{self._added}"

    @property
    def then(self) -> str:
        return f"was slower by {self._added}"

    @property
    def _added(self) -> str:
        mean_ms = self.latency_ms.mean_ms()
        text = nominal_ms(round(mean_ms, 1)) if math.isfinite(mean_ms) else f"{self.latency_ms.distribution} latency"
        if self.latency_ms.distribution != "fixed" and math.isfinite(mean_ms):
            text += " on average"
        return f"{text} ± {nominal_ms(self.jitter_ms)}" if self.jitter_ms else text

    def mean_work_ms(self, work_ms: float) -> float:
        """The jitter is symmetric and drops out of a mean."""
        return work_ms if self.share == 0 else work_ms + self.share * self.latency_ms.mean_ms()

    def for_service(self) -> WorkFault:
        return replace(super().for_service(), latency=self.latency_ms, jitter_ms=self.jitter_ms)
