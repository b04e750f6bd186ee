"""The workload: how many arrivals there are, when they come, who they are, and how long a person waits.

constant-arrival-rate   open: `rate` arrivals per time unit, whether or not earlier ones were answered
ramping-arrival-rate    open: from `startRate` in a straight line to each stage's `target`, one stage after the other
constant-vus            closed: `vus` people, each of whom comes again as soon as the last reply arrives
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, Literal, Self, get_args

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from benchmarks.values.checked import DurationS, LastingMs, LastingS, Model, RampRate, Rate, given, some
from benchmarks.values.problems import Flaw, ValueProblems, choice_hint
from benchmarks.values.units import format_ms, format_s
from benchmarks.words.numbers import NBSP

Executor = Literal["constant-arrival-rate", "ramping-arrival-rate", "constant-vus"]
KeyDistribution = Literal["uniform", "zipf"]
EXECUTORS: tuple[str, ...] = get_args(Executor)
UNIQUE = "unique"

# The keys that belong to some executors only.
_OPEN = ("constant-arrival-rate", "ramping-arrival-rate")
_EXECUTORS_OF_KEY = {
    "rate": ("constant-arrival-rate",),
    "duration": ("constant-arrival-rate", "constant-vus"),
    "startRate": ("ramping-arrival-rate",),
    "stages": ("ramping-arrival-rate",),
    "timeUnit": _OPEN,
    "arrivals": _OPEN,
    "maxInFlight": _OPEN,
    "vus": ("constant-vus",),
}
_DEFAULT_RATE = 50.0
_DEFAULT_ZIPF_S = 1.1
_MOST_ARRIVALS = 2_000_000
_MOST_IN_FLIGHT = 1_000_000


class Stage(Model):
    """A stretch of a ramp: within `duration_s` the rate goes in a straight line to `target` per time unit.

    One that takes no time is a step.
    """

    duration_s: Annotated[DurationS, Field(alias="duration", description="how long it takes; 0s is a step")]
    target: Annotated[RampRate, Field(description="arrivals per `timeUnit` at its end")]

    def resolved(self) -> dict[str, object]:
        return {"duration": format_s(self.duration_s), "target": self.target}


class Keys(Model):
    """Arrivals by `count` people rather than by a new one each: key k is drawn with weight (k + 1)^-s, k from 0.

    `s` is the exponent of the type `zipf`; for `uniform` it is 0, which weighs all alike.
    """

    distribution: Annotated[
        KeyDistribution, Field(description="`uniform`: all people alike; `zipf`: a few come more often than the rest")
    ]
    count: Annotated[int, Field(strict=True, ge=1, le=1_000_000, description="how many people there are")]
    s: Annotated[
        float,
        Field(strict=True, allow_inf_nan=False, gt=0, le=10, description="`zipf`: person k has the weight k⁻ˢ; 1.1"),
    ] = 0.0  # set by the validator below

    def as_dict(self) -> dict[str, str | int | float]:
        return {"distribution": self.distribution, "count": self.count, "s": self.s}

    def resolved(self) -> dict[str, object]:
        return {key: value for key, value in self.as_dict().items() if key != "s" or self.distribution == "zipf"}

    @classmethod
    def flaws_together(cls, data: Mapping[str, object]) -> Iterator[Flaw]:
        if data.get("distribution") == "uniform" and "s" in data:
            yield Flaw(("s",), "'s' is not for keys of distribution 'uniform', only for 'zipf'")

    @model_validator(mode="after")
    def _exponent_given(self) -> Self:
        if self.distribution == "zipf" and "s" not in self.model_fields_set:
            self.__dict__["s"] = _DEFAULT_ZIPF_S
        return self


def _keys(value: object) -> object:
    if value == UNIQUE:
        return None
    if isinstance(value, (dict, Keys)):
        return value
    hint = choice_hint(str(value), [UNIQUE]) if isinstance(value, str) else f"it must be {UNIQUE!r}"
    raise ValueError(f"keys cannot be read; {hint} or a mapping, as in {{distribution: zipf, count: 1000}}")


@dataclass(frozen=True)
class Stretch:
    """[begin, end) of scenario seconds in which the rate per second goes in a straight line from one to another."""

    begin_s: float
    end_s: float
    from_per_s: float
    to_per_s: float

    def rate_at(self, at_s: float) -> float:
        return self.from_per_s + (self.to_per_s - self.from_per_s) * (at_s - self.begin_s) / (self.end_s - self.begin_s)

    def arrivals(self, begin_s: float, end_s: float) -> float:
        """The expected number between two instants, as far as they lie inside."""
        begin_s, end_s = max(begin_s, self.begin_s), min(end_s, self.end_s)
        return (self.rate_at(begin_s) + self.rate_at(end_s)) / 2 * (end_s - begin_s) if begin_s < end_s else 0.0


class Workload(Model):
    """The arrivals. `rate` counts them per `time_unit_s`; `timeout_ms` is the person's patience.

    `rate`, `start_rate`, `stages` and `vus` are there for their own executor only. `keys` is None where every
    registration is by another person.
    """

    executor: Annotated[
        Executor,
        Field(
            description="how arrivals come: at a constant rate, at a rate that ramps, or as people in a closed loop, "
            "each of whom comes again as soon as the last reply arrives"
        ),
    ] = "constant-arrival-rate"
    rate: Annotated[
        Rate | None, BeforeValidator(given), Field(description="arrivals per `timeUnit`; 50 where none is given")
    ] = None
    start_rate: Annotated[
        RampRate | None,
        BeforeValidator(given),
        Field(description="arrivals per `timeUnit` in the warm-up and at the start; 0 where none is given"),
    ] = None
    stages: Annotated[
        Annotated[tuple[Stage, ...], AfterValidator(some)] | None,
        BeforeValidator(given),
        Field(description="the ramp, stage by stage; together they are the duration of the run"),
    ] = None
    vus: Annotated[
        Annotated[int, Field(strict=True, ge=1, le=10_000)] | None,
        BeforeValidator(given),
        Field(description="people in the closed loop"),
    ] = None
    time_unit_s: Annotated[LastingS, Field(alias="timeUnit", description="what rates count per")] = 1.0
    arrivals: Annotated[
        Literal["poisson", "uniform"],
        Field(description="`poisson`: at random times; `uniform`: evenly spaced; as many either way"),
    ] = "poisson"
    warmup_s: Annotated[DurationS, Field(alias="warmup", description="load runs, nothing is counted")] = 3.0
    duration_s: Annotated[  # of a ramp: set by the validator below
        LastingS, Field(alias="duration", description="how long arrivals are counted")
    ] = 20.0
    timeout_ms: Annotated[
        LastingMs, Field(alias="timeout", description="a person's patience, from the intended time of the arrival")
    ] = 10_000.0
    max_in_flight: Annotated[  # always set by the validator below
        int,
        Field(
            strict=True,
            ge=1,
            le=_MOST_IN_FLIGHT,
            description="requests open at once, beyond which an arrival is dropped; 1.5 × highest rate × timeout where "
            "it is not given",
        ),
    ] = 0
    keys: Annotated[
        Keys | None,
        BeforeValidator(_keys),
        Field(description="who comes: `unique`, a new person each time, or a number of people who come again"),
    ] = None

    @property
    def closed(self) -> bool:
        """Whether arrivals wait for earlier replies, so that their number and times are known only afterwards."""
        return self.executor == "constant-vus"

    @property
    def words(self) -> str:
        """`60 arrivals/s`, `10 → 80 → 20 arrivals/s`, `20 people in a closed loop`."""
        if self.vus is not None:
            return f"{self.vus:,}{NBSP}{'person' if self.vus == 1 else 'people'} in a closed loop"
        rates = [self.stretches[0].from_per_s, *(stretch.to_per_s for stretch in self.stretches)]
        steps = [rate for place, rate in enumerate(rates) if place == 0 or rate != rates[place - 1]]
        return f"{' → '.join(f'{rate:,g}' for rate in steps)}{NBSP}arrivals/s"

    @property
    def stretches(self) -> tuple[Stretch, ...]:
        """The rate over the run, warm-up aside; none for a closed load."""
        if self.rate is not None:
            per_s = self.rate / self.time_unit_s
            return (Stretch(0.0, self.duration_s, per_s, per_s),)
        return tuple(self._ramp())

    @property
    def rate_per_s(self) -> float | None:
        """The rate, of a ramp its mean; None for a closed load."""
        if self.closed:
            return None
        return self.expected_arrivals(0.0, self.duration_s) / self.duration_s

    @property
    def arrival_count(self) -> int | None:
        """How many arrivals of one trial count; None for a closed load."""
        return None if self.closed else round(self.expected_arrivals(0.0, self.duration_s))

    @property
    def warmup_count(self) -> int | None:
        """The arrivals of the warm-up, which has the rate that the run begins with; None for a closed load."""
        return None if self.closed else round(self.stretches[0].from_per_s * self.warmup_s)

    @property
    def default_max_in_flight(self) -> int:
        """1.5 × rate × timeout: what a person's patience lets pile up, and half as much again. Closed: the people."""
        if self.vus is not None:
            return self.vus
        highest = max(max(stretch.from_per_s, stretch.to_per_s) for stretch in self.stretches)
        return min(_MOST_IN_FLIGHT, max(1, math.ceil(1.5 * highest * self.timeout_ms / 1000)))

    def rate_at(self, at_s: float) -> float | None:
        """Arrivals per second at an instant of scenario time; None for a closed load."""
        if self.closed:
            return None
        stretches = self.stretches
        at_s = min(max(at_s, 0.0), self.duration_s)
        return next((part for part in stretches if at_s < part.end_s), stretches[-1]).rate_at(at_s)

    def highest_rate(self, begin_s: float, end_s: float) -> float | None:
        """The highest rate per second between two instants; None for a closed load."""
        inside = [part for part in self.stretches if part.begin_s < end_s and begin_s < part.end_s]
        edges = [rate for p in inside for rate in (p.rate_at(max(p.begin_s, begin_s)), p.rate_at(min(p.end_s, end_s)))]
        return max(edges, default=None)

    def expected_arrivals(self, begin_s: float, end_s: float) -> float:
        """The expected number of arrivals of an open load between two instants of scenario time."""
        return sum(part.arrivals(begin_s, end_s) for part in self.stretches)

    def resolved(self) -> dict[str, object]:
        """In the spelling of the file, without the keys that other executors have."""
        data: dict[str, object] = {
            "executor": self.executor,
            "rate": self.rate,
            "startRate": self.start_rate,
            "stages": [stage.resolved() for stage in self.stages or ()],
            "vus": self.vus,
            "timeUnit": format_s(self.time_unit_s),
            "arrivals": self.arrivals,
            "warmup": format_s(self.warmup_s),
            "duration": format_s(self.duration_s),
            "timeout": format_ms(self.timeout_ms),
            "maxInFlight": self.max_in_flight,
            "keys": UNIQUE if self.keys is None else self.keys.resolved(),
        }
        return {key: value for key, value in data.items() if self.executor in _EXECUTORS_OF_KEY.get(key, EXECUTORS)}

    @classmethod
    def flaws_together(cls, data: Mapping[str, object]) -> Iterator[Flaw]:
        executor = data.get("executor", EXECUTORS[0])
        if executor not in EXECUTORS:
            return  # which is reported; what belongs to it is unknown
        for key, executors in _EXECUTORS_OF_KEY.items():
            if key in data and executor not in executors:
                if "executor" not in data:
                    yield Flaw((key,), f"{key!r} needs another executor; write executor: {executors[0]}")
                    continue
                theirs = " and ".join(repr(executor) for executor in executors)
                yield Flaw((key,), f"{key!r} is not for the executor {executor!r}, only for {theirs}")
        if executor == "ramping-arrival-rate" and "stages" not in data:
            yield Flaw(("stages",), "a ramp needs its stages, as in stages: [{duration: 10s, target: 80}]")
        if executor == "constant-vus" and "vus" not in data:
            yield Flaw(("vus",), "a closed load needs the number of its people, as in vus: 20")

    @model_validator(mode="after")
    def _filled_in(self) -> Self:
        # The one way to fill a field of a frozen model from its siblings.
        if self.executor == "constant-arrival-rate" and self.rate is None:
            self.__dict__["rate"] = _DEFAULT_RATE
        if self.stages is not None:
            self.__dict__["start_rate"] = self.start_rate or 0.0
            self.__dict__["duration_s"] = round(sum(stage.duration_s for stage in self.stages), 9)
            if not self.duration_s:
                raise ValueProblems([Flaw(("stages",), "together the stages take no time; make one longer than 0s")])
        return self

    @model_validator(mode="after")
    def _arrivals_in_bounds(self) -> Self:
        counted, before = self.arrival_count, self.warmup_count
        if counted is not None and before is not None:
            if counted < 1:
                raise ValueError("rate × duration gives no arrivals; raise one of them")
            if counted + before > _MOST_ARRIVALS:
                raise ValueError(
                    f"rate × duration gives more than {_MOST_ARRIVALS:,} arrivals a trial; lower one of them"
                )
        if "max_in_flight" not in self.model_fields_set:
            self.__dict__["max_in_flight"] = self.default_max_in_flight
        return self

    def _ramp(self) -> Iterator[Stretch]:
        stages = self.stages or ()
        rates = [(self.start_rate or 0.0) / self.time_unit_s, *(stage.target / self.time_unit_s for stage in stages)]
        end_s = 0.0
        for stage, (before, after) in zip(stages, pairwise(rates), strict=True):
            begin_s, end_s = end_s, round(end_s + stage.duration_s, 9)
            if begin_s < end_s:
                yield Stretch(begin_s, end_s, before, after)


def keys_of_executor(executor: str) -> frozenset[str]:
    """The keys of a workload that only some executors have, and this one does."""
    return frozenset(key for key, executors in _EXECUTORS_OF_KEY.items() if executor in executors)


EXECUTOR_KEYS = frozenset(_EXECUTORS_OF_KEY)
