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

# Quantiles that stand for a distribution.
_DRAWS = 1000


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
        """The jitter drops out of the mean but for what is cut at 0, where it is larger than the latency.

        Of a latency x below the jitter j, the cut of x ± j adds (j − x)² ÷ 4j.
        """
        if self.share == 0:
            return work_ms
        cut_ms = 0.0
        if self.jitter_ms:
            drawn = (self.latency_ms.sample_ms((number + 0.5) / _DRAWS) for number in range(_DRAWS))
            cut_ms = sum(max(self.jitter_ms - ms, 0.0) ** 2 for ms in drawn) / _DRAWS / (4 * self.jitter_ms)
        return work_ms + self.share * (self.latency_ms.mean_ms() + cut_ms)

    def for_service(self) -> WorkFault:
        return replace(super().for_service(), latency=self.latency_ms, jitter_ms=self.jitter_ms)
