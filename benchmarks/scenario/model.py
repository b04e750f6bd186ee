"""The scenario: one frozen, checked value that says what is run, against what, with which faults."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated, Literal, Self, get_args

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo, field_validator, model_validator

from benchmarks.scenario.fault import Fault, with_default_names
from benchmarks.scenario.hypothesis import Hypothesis, parse_hypothesis
from benchmarks.scenario.override import override
from benchmarks.scenario.problems import Flaw, ValueProblems, choice_hint
from benchmarks.scenario.resolve import resolve
from benchmarks.scenario.thresholds import Thresholds, checked_thresholds
from benchmarks.scenario.units import parse_ms
from benchmarks.scenario.values import (
    Concurrency,
    DurationS,
    Instances,
    Known,
    LastingMs,
    LastingS,
    LatencyValue,
    Model,
    Name,
    Rate,
    ServiceName,
    Share,
    Truth,
    some,
)
from registration.services import ROSTER, kind_of

Claim = Literal[
    "tight-coupling",
    "synchronous-blocking",
    "caller-bottleneck",
    "lost-on-crash",
    "fire-and-forget",
    "independent-subscribers",
    "scale-out",
    "replay",
    "exactly-once",
    "retry-dead-letter",
    "event-sourcing",
    "eventual-consistency",
    "harder-debugging",
    "broker-dependency",
    "start-sync-then-events",
    "alternatives",
]
Base = Literal["sync", "sync-concurrent", "events"]
BASES: tuple[str, ...] = get_args(Base)
DEFAULT_VARIANTS: tuple[str, ...] = ("sync", "events")
EVENT_BASES = frozenset({"events"})

# The options of each base and what they are when not given: the bound on one call or one publish.
_OPTIONS = {"timeout": "2s"}
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


class Service(Model):
    """One downstream service; `concurrency` is registrations at work at once in one instance."""

    latency: LatencyValue
    error_rate: Share = 0.0
    concurrency: Concurrency = 64
    instances: Instances = 1


class Api(Model):
    """The API in front, the same for every variant."""

    instances: Instances = 1


class BrokerSpec(Model):
    """The broker that event variants publish to."""

    kind: Literal["kafka"] = "kafka"
    partitions: Annotated[int, Field(strict=True, ge=1, le=64)] = 6


class VariantSpec(Model):
    """One implementation with its options: `{"timeout_ms": 2000.0}`. `broker` is None where there is none."""

    name: Name
    base: Base
    options: dict[str, float] = Field(default_factory=dict, validate_default=True)
    broker: BrokerSpec | None = None

    @property
    def uses_broker(self) -> bool:
        return self.base in EVENT_BASES

    @property
    def timeout_ms(self) -> float:
        """The bound on one call or one publish, connect to last byte."""
        return self.options["timeout_ms"]

    @model_validator(mode="before")
    @classmethod
    def _expanded(cls, value: object) -> object:
        """A bare name stands for the variant of that name; a mapping without `base` too."""
        data = {"name": value} if isinstance(value, str) else value
        if isinstance(data, dict) and "base" not in data and isinstance(name := data.get("name"), str):
            if name not in BASES:
                hint = choice_hint(name, BASES)
                raise ValueError(
                    f"{name!r} is no variant; {hint}" + ("" if data is not value else " or give it a base")
                )
            return {**data, "base": name}
        return data

    @field_validator("options", mode="before")
    @classmethod
    def _options_known(cls, value: object) -> dict[str, float]:
        if not isinstance(value, dict):
            raise ValueProblems([Flaw((), "a mapping belongs here, as in {timeout: 200ms}")])
        flaws = [
            Flaw((key,), f"{key!r} is no option; {choice_hint(key, _OPTIONS)}") for key in value if key not in _OPTIONS
        ]
        options: dict[str, float] = {}
        for key, default in _OPTIONS.items():
            try:
                options[f"{key}_ms"] = parse_ms(value.get(key, default))
                if options[f"{key}_ms"] <= 0:
                    raise ValueError("the duration must be above 0ms")
            except ValueError as error:
                flaws.append(Flaw((key,), str(error)))
        if flaws:
            raise ValueProblems(flaws)
        return options

    @model_validator(mode="after")
    def _broker_fits(self) -> Self:
        if self.broker is not None and not self.uses_broker:
            raise ValueProblems([Flaw(("broker",), f"a variant of {self.base!r} has no broker")])
        return self


class Slo(Model):
    """The promise that `slo_ratio` counts: answered within `accept_ms` and complete within `complete_ms`."""

    accept_ms: Annotated[LastingMs, Field(alias="accept")] = 300.0
    complete_ms: Annotated[LastingMs, Field(alias="complete")] = 30_000.0


def merged_services(value: object) -> object:
    """The raw services over the defaults of the roster: the roster's first and in its order, then any others."""
    if not isinstance(value, dict):
        return value
    merged: dict[str, object] = {}
    for name in [*ROSTER, *(name for name in value if name not in ROSTER)]:
        given = value.get(name, {})
        merged[name] = {"latency": kind_of(name).latency, **given} if isinstance(given, dict) else given
    return merged


class Scenario(Model):
    """A whole scenario, as checked. Fields stand in the order in which they are validated: later ones see earlier."""

    version: Literal[1]
    name: Name
    title: Annotated[str, Field(min_length=1, max_length=200)] = ""  # the name, where the file gives none
    description: str | None = None
    claim: Claim | None = None
    tags: tuple[Annotated[str, Field(min_length=1)], ...] = ()
    workload: Workload = Field(default_factory=Workload)
    services: Annotated[dict[ServiceName, Service], BeforeValidator(merged_services)] = Field(
        default_factory=dict, validate_default=True
    )
    api: Api = Field(default_factory=Api)
    broker: BrokerSpec = Field(default_factory=BrokerSpec)
    variants: Annotated[tuple[VariantSpec, ...], AfterValidator(some)] = Field(
        default=DEFAULT_VARIANTS, validate_default=True
    )
    faults: Annotated[tuple[Fault, ...], BeforeValidator(with_default_names)] = ()
    slo: Slo = Field(default_factory=Slo)
    drain_s: Annotated[DurationS, Field(alias="drain")] = 60.0
    drain_may_expire: Truth = False
    thresholds: Thresholds = Field(default_factory=dict)
    blocks: Annotated[int, Field(strict=True, ge=1, le=100)] = 3
    seed: Annotated[int, Field(strict=True, ge=0, lt=2**63)] = 1
    hypothesis: Hypothesis | None = None

    @property
    def variant_names(self) -> tuple[str, ...]:
        return tuple(variant.name for variant in self.variants)

    def variant(self, name: str) -> VariantSpec:
        """The variant of that name. Raises KeyError."""
        for variant in self.variants:
            if variant.name == name:
                return variant
        raise KeyError(name)

    def resolved(self) -> dict[str, object]:
        """All of the scenario, defaults and all, as plain data in the spelling of the file: see `dump`."""
        return resolve(self)

    def override(
        self,
        *,
        rate: float | None = None,
        duration: str | None = None,
        blocks: int | None = None,
        seed: int | None = None,
        variants: Sequence[str] | None = None,
        quick: bool = False,
    ) -> Scenario:
        """The scenario as the command line changes it, by the same rules as the file. Raises ScenarioError.

        `duration` is text with a unit and scales the fault times. `variants` are names of the run, or bases that it
        does not have; faults, thresholds and a hypothesis that speak of others are left out. `quick` makes one block
        of about 8 s with a warm-up of 1 s, and leaves out a hypothesis that so few arrivals cannot answer.
        """
        return override(self, rate=rate, duration=duration, blocks=blocks, seed=seed, variants=variants, quick=quick)

    @property
    def during_ns(self) -> tuple[int, int] | None:
        """The window `during`: from the first begin to the last end of a fault; None without faults."""
        if not self.faults:
            return None
        return min(fault.begin_ns for fault in self.faults), max(fault.end_ns for fault in self.faults)

    @field_validator("name")
    @classmethod
    def _name_is_the_file_s(cls, name: str, info: ValidationInfo) -> str:
        stem = Known.of(info).stem
        if stem is not None and name != stem:
            raise ValueError(f"{name!r} is not the file's own name, {stem!r}")
        return name

    @field_validator("variants")
    @classmethod
    def _variants_complete(cls, variants: tuple[VariantSpec, ...], info: ValidationInfo) -> tuple[VariantSpec, ...]:
        _refuse_repeats([variant.name for variant in variants])
        shared = info.data.get("broker")
        if not isinstance(shared, BrokerSpec):
            return variants
        return tuple(_with_broker(variant, shared) for variant in variants)

    @field_validator("faults")
    @classmethod
    def _fault_names_differ(cls, faults: tuple[Fault, ...]) -> tuple[Fault, ...]:
        _refuse_repeats([fault.name for fault in faults])
        return faults

    @field_validator("thresholds")
    @classmethod
    def _thresholds_readable(cls, value: Thresholds, info: ValidationInfo) -> Thresholds:
        return checked_thresholds(value, Known.of(info))

    @field_validator("hypothesis", mode="before")
    @classmethod
    def _hypothesis_readable(cls, value: object, info: ValidationInfo) -> Hypothesis | None:
        return None if value is None else parse_hypothesis(value, Known.of(info))

    @model_validator(mode="after")
    def _title_given(self) -> Self:
        if not self.title:
            self.__dict__["title"] = self.name
        return self


def _refuse_repeats(names: list[str]) -> None:
    flaws = [
        Flaw((index, "name"), f"{name!r} stands twice; give one of them another name")
        for index, name in enumerate(names)
        if name in names[:index]
    ]
    if flaws:
        raise ValueProblems(flaws)


def _with_broker(variant: VariantSpec, shared: BrokerSpec) -> VariantSpec:
    """The variant with the scenario's broker under what it says of its own."""
    if not variant.uses_broker:
        return variant
    own = variant.broker
    given = {} if own is None else {key: getattr(own, key) for key in own.model_fields_set}
    return variant.model_copy(update={"broker": shared.model_copy(update=given)})
