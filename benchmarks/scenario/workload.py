"""The workload: how many arrivals there are, when they come, and how long a person waits."""

from __future__ import annotations

import math
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from benchmarks.scenario.values import DurationS, LastingMs, LastingS, Model, Rate

_MOST_ARRIVALS = 2_000_000


class Workload(Model):
    """The arrivals. `rate` counts them per `time_unit_s`; `timeout_ms` is the person's patience."""

    executor: Literal["constant-arrival-rate"] = "constant-arrival-rate"
    rate: Rate = 50.0
    time_unit_s: Annotated[LastingS, Field(alias="timeUnit")] = 1.0
    arrivals: Literal["poisson", "uniform"] = "poisson"
    warmup_s: Annotated[DurationS, Field(alias="warmup")] = 3.0
    duration_s: Annotated[LastingS, Field(alias="duration")] = 20.0
    timeout_ms: Annotated[LastingMs, Field(alias="timeout")] = 10_000.0
    max_in_flight: Annotated[int, Field(strict=True, ge=1, le=1_000_000)] = 0  # always set by the validator below
    keys: Literal["unique"] = "unique"

    @property
    def rate_per_s(self) -> float:
        return self.rate / self.time_unit_s

    @property
    def arrival_count(self) -> int:
        """How many arrivals of one trial count."""
        return round(self.rate_per_s * self.duration_s)

    @property
    def warmup_count(self) -> int:
        return round(self.rate_per_s * self.warmup_s)

    @property
    def default_max_in_flight(self) -> int:
        """1.5 × rate × timeout: what a person's patience lets pile up, and half as much again."""
        return min(1_000_000, max(1, math.ceil(1.5 * self.rate_per_s * self.timeout_ms / 1000)))

    @model_validator(mode="after")
    def _arrivals_in_bounds(self) -> Self:
        if self.arrival_count < 1:
            raise ValueError("rate × duration comes to no arrival at all; raise one of them")
        if self.arrival_count + self.warmup_count > _MOST_ARRIVALS:
            raise ValueError(
                f"rate × duration comes to more than {_MOST_ARRIVALS:,} arrivals a trial; lower one of them"
            )
        if "max_in_flight" not in self.model_fields_set:
            # The one way to fill a field of a frozen model from its siblings.
            self.__dict__["max_in_flight"] = self.default_max_in_flight
        return self
