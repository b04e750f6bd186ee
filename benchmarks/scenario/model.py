"""The scenario: one frozen, checked value that says what is run, against what, with which faults."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo, field_validator, model_validator

from benchmarks import subject
from benchmarks.faults import Fault
from benchmarks.scenario.broker import BrokerSpec
from benchmarks.scenario.faults import beyond_every_variant, overlaps, with_default_names
from benchmarks.scenario.hypothesis import Hypothesis, Thresholds, parse_hypothesis, parse_thresholds
from benchmarks.scenario.variant import DEFAULT_VARIANTS, VariantSpec, with_broker
from benchmarks.scenario.workload import Workload
from benchmarks.values.checked import (
    Concurrency,
    DurationS,
    Instances,
    Known,
    LatencyValue,
    Model,
    Name,
    ServiceName,
    Share,
    Truth,
    some,
)
from benchmarks.values.problems import Flaw, ValueProblems
from benchmarks.values.slo import Slo
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


class Service(Model):
    """One downstream service; `concurrency` is registrations at work at once in one instance."""

    latency: Annotated[
        LatencyValue,
        Field(description="how long the work takes; 10ms for a service of your own"),
    ]
    error_rate: Annotated[Share, Field(description="share of the attempts that fail")] = 0.0
    concurrency: Annotated[
        Concurrency,
        Field(description="registrations at work at once in one instance; the rest wait in order of arrival"),
    ] = 64
    instances: Annotated[Instances, Field(description="its processes")] = 1


class ApiSpec(Model):
    """The API in front, the same for every variant."""

    instances: Annotated[Instances, Field(description="its processes")] = 1


def merged_services(value: object) -> object:
    """The raw services over the defaults of the roster: the roster's first and in its order, then any others."""
    if not isinstance(value, dict):
        return value
    merged: dict[str, object] = {}
    for name in [*ROSTER, *(name for name in value if name not in ROSTER)]:
        given = value.get(name, {})
        merged[name] = {"latency": kind_of(name).latency, **given} if isinstance(given, dict) else given
    return merged


class Quick(Model):
    """That `--quick` shortened a run. `left_out`: what it cannot answer, in sentences without a verb."""

    left_out: Annotated[tuple[str, ...], Field(description="what it left out, and why; `bench run` writes this")] = ()


def _version(value: object) -> object:
    return 1 if value == "1" else value


class Scenario(Model):
    """A whole scenario, as checked. Fields are in the order of their validation: later ones see earlier ones."""

    version: Annotated[Literal[1], BeforeValidator(_version), Field(description="the version of this format")]
    name: Annotated[Name, Field(description="small letters, digits and dashes; the file's own name")]
    title: Annotated[  # the name, where the file gives none
        str, Field(min_length=1, max_length=200, description="one line for lists and reports; the name by default")
    ] = ""
    description: Annotated[str | None, Field(description="a few sentences")] = None
    claim: Annotated[Claim | None, Field(description="the claim that it tests")] = None
    tags: Annotated[tuple[Annotated[str, Field(min_length=1)], ...], Field(description="words to find it by")] = ()
    workload: Workload = Field(default_factory=Workload, description="the arrivals")
    services: Annotated[dict[ServiceName, Service], BeforeValidator(merged_services)] = Field(
        default_factory=dict,
        validate_default=True,
        description="the downstream services, laid over the defaults of `email`, `analytics` and `cache`; another name "
        "adds a service",
    )
    api: ApiSpec = Field(default_factory=ApiSpec, description="the API in front, the same for every variant")
    broker: BrokerSpec = Field(default_factory=BrokerSpec, description="what event variants publish to")
    variants: Annotated[tuple[VariantSpec, ...], AfterValidator(some)] = Field(
        default=DEFAULT_VARIANTS, validate_default=True, description="what is compared"
    )
    faults: Annotated[
        tuple[Fault, ...], BeforeValidator(with_default_names), Field(description="what goes wrong, and when")
    ] = ()
    slo: Slo = Field(default_factory=Slo, description="the promise to a person that `slo_ratio` counts")
    drain_s: Annotated[
        DurationS, Field(alias="drain", description="the longest wait after the load for work to end")
    ] = 60.0
    drain_may_expire: Annotated[
        Truth, Field(description="whether a run is valid if its work does not end in that time")
    ] = False
    thresholds: Thresholds = Field(
        default_factory=dict, description="limits that a run must meet; otherwise `bench run` exits with 99"
    )
    blocks: Annotated[
        int,
        Field(strict=True, ge=1, le=100, description="trials of each variant; fewer than 3 give no verdict"),
    ] = 3
    seed: Annotated[int, Field(strict=True, ge=0, lt=2**63, description="all randomness follows from it")] = 1
    hypothesis: Annotated[Hypothesis | None, Field(description="what is expected, and judged")] = None
    quick: Annotated[
        Quick | None, Field(description="what `--quick` left out; written into a run's own copy by the command line")
    ] = None

    @property
    def variant_names(self) -> tuple[str, ...]:
        return tuple(variant.name for variant in self.variants)

    def variant(self, name: str) -> VariantSpec:
        """The variant of that name. Raises KeyError."""
        for variant in self.variants:
            if variant.name == name:
                return variant
        raise KeyError(name)

    @property
    def during_ns(self) -> tuple[int, int] | None:
        """The window `during`: from the first start to the last end of the faults that last; None without one."""
        lasting = [fault for fault in self.faults if fault.lasts]
        if not lasting:
            return None
        return min(fault.begin_ns for fault in lasting), max(fault.end_ns for fault in lasting)

    @property
    def after_ns(self) -> int | None:
        """Where the window `after` begins: the end of `during`, else the last instant of a fault; None without any."""
        during = self.during_ns
        return during[1] if during is not None else self.healed_ns

    @property
    def healed_ns(self) -> int | None:
        """The last end of a fault, or instant of one that does not last; None without any."""
        return max((fault.end_ns for fault in self.faults), default=None)

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
        complete: list[VariantSpec] = []
        flaws: list[Flaw] = []
        for index, variant in enumerate(variants):
            try:
                complete.append(with_broker(variant, shared))
            except ValueProblems as problems:
                flaws += [Flaw((index, "broker", *flaw.location), flaw.message) for flaw in problems.flaws]
        if flaws:
            raise ValueProblems(flaws)
        return tuple(complete)

    @field_validator("faults")
    @classmethod
    def _faults_fit_together(cls, faults: tuple[Fault, ...], info: ValidationInfo) -> tuple[Fault, ...]:
        _refuse_repeats([fault.name for fault in faults])
        flaws = list(overlaps(faults, Known.of(info).processes))
        if (variants := info.data.get("variants")) is not None:
            flaws += beyond_every_variant(faults, variants)
        if flaws:
            raise ValueProblems(flaws)
        return faults

    @field_validator("thresholds", mode="before")
    @classmethod
    def _thresholds_readable(cls, value: object, info: ValidationInfo) -> Thresholds:
        return parse_thresholds(value, Known.of(info))

    @field_validator("hypothesis", mode="before")
    @classmethod
    def _hypothesis_readable(cls, value: object, info: ValidationInfo) -> Hypothesis | None:
        return None if value is None else parse_hypothesis(value, Known.of(info))

    @model_validator(mode="after")
    def _brokers_can_show_it(self) -> Self:
        """What a kind of broker cannot do is refused rather than measured."""
        several = {name: service.instances for name, service in self.services.items() if service.instances > 1}
        kinds = {variant.broker.kind for variant in self.variants if variant.broker is not None} if several else set()
        flaws = [
            Flaw(
                ("services", name, "instances"),
                f"{instances} instances of {name} would share a group, and the groups of the broker {kind!r} have one "
                "member; use 1, or another broker",
            )
            for kind in sorted(kinds)
            if not subject.capabilities(kind).groups
            for name, instances in several.items()
        ]
        flaws += [
            Flaw(
                ("variants", index),
                f"{variant.name} needs {', '.join(lacking)} of its broker, which {variant.broker.kind!r} does not "
                "have; use another broker",
            )
            for index, variant in enumerate(self.variants)
            if variant.broker is not None and (lacking := variant.listed.lacks(variant.broker.kind))
        ]
        if flaws:
            raise ValueProblems(flaws)
        return self

    @model_validator(mode="after")
    def _title_given(self) -> Self:
        if not self.title:
            self.__dict__["title"] = self.name
        return self


def _refuse_repeats(names: list[str]) -> None:
    flaws = [
        Flaw((index, "name"), f"{name!r} is given twice; give one of them another name")
        for index, name in enumerate(names)
        if name in names[:index]
    ]
    if flaws:
        raise ValueProblems(flaws)
