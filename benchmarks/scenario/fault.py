"""A fault in a service's work: what it does, where, when, and to which variants."""

from __future__ import annotations

import re
from typing import Annotated, Literal, Self, get_args

from pydantic import AfterValidator, Field, ValidationInfo, field_validator, model_validator

from benchmarks.scenario.latency import format_latency
from benchmarks.scenario.problems import Flaw, ValueProblems, choice_hint
from benchmarks.scenario.units import format_ms, format_s
from benchmarks.scenario.values import (
    NAME,
    DurationMs,
    DurationS,
    Known,
    LastingS,
    LatencyValue,
    Model,
    Name,
    Share,
    Status,
    VariantName,
    some,
)

FaultType = Literal["latency", "error", "hang"]
FAULT_TYPES: tuple[str, ...] = get_args(FaultType)

# The keys that belong to some types only.
_TYPES_OF_KEY = {"latency": ("latency",), "jitter": ("latency",), "rate": ("error",), "status": ("error",)}
_FIELD_OF_KEY = {"latency": "latency_ms", "jitter": "jitter_ms", "rate": "rate", "status": "status"}


class Fault(Model):
    """One fault window of a trial.

    `latency_ms` (a distribution of milliseconds) is there for the type `latency` only. `variants` is None where the
    fault meets every variant of the run.
    """

    name: Name
    target: str
    type: FaultType
    at_s: Annotated[DurationS, Field(alias="at")]
    duration_s: Annotated[LastingS, Field(alias="duration")]
    latency_ms: Annotated[LatencyValue | None, Field(alias="latency")] = None
    jitter_ms: Annotated[DurationMs, Field(alias="jitter")] = 0.0
    probability: Share = 1.0
    rate: Share = 1.0
    status: Status = 503
    variants: Annotated[tuple[VariantName, ...], AfterValidator(some)] | None = None

    @property
    def end_s(self) -> float:
        return self.at_s + self.duration_s

    @property
    def begin_ns(self) -> int:
        return round(self.at_s * 1e9)

    @property
    def end_ns(self) -> int:
        return round(self.end_s * 1e9)

    @property
    def service(self) -> str:
        """The service of the target, with or without an instance."""
        return self.target.partition("/")[0]

    @property
    def instance(self) -> int | None:
        """The one instance that is hit; None for all of them."""
        _, slash, number = self.target.partition("/")
        return int(number) if slash else None

    @property
    def hit_probability(self) -> float:
        """The share of attempts, begun in the window, that the fault hits."""
        return self.probability * self.rate

    def concerns(self, variant: str) -> bool:
        return self.variants is None or variant in self.variants

    @field_validator("target")
    @classmethod
    def _target_exists(cls, target: str, info: ValidationInfo) -> str:
        known = Known.of(info)
        service, slash, number = target.partition("/")
        if service in known.services and (not slash or _is_instance(number, known.services[service])):
            return target
        if service in known.services and number.isdecimal():
            count = known.services[service]
            raise ValueError(f"{target!r}: {service!r} has {count} instance{'s' * (count > 1)}, counted from 0")
        raise ValueError(f"{target!r} is no target of this scenario; {choice_hint(target, known.targets())}")

    @field_validator("duration_s")
    @classmethod
    def _inside_the_run(cls, duration_s: float, info: ValidationInfo) -> float:
        run_s, at_s = Known.of(info).duration_s, info.data.get("at_s")
        if run_s is not None and at_s is not None and round((at_s + duration_s) * 1e9) > round(run_s * 1e9):
            ends = format_s(round(at_s + duration_s, 9))
            raise ValueError(f"the fault ends at {ends}, after the run, which lasts {format_s(run_s)}")
        return duration_s

    @model_validator(mode="after")
    def _keys_fit_the_type(self) -> Self:
        flaws = [
            Flaw((key,), f"{key!r} is not for faults of type {self.type!r}, only for {types[0]!r}")
            for key, types in _TYPES_OF_KEY.items()
            if self.type not in types and _FIELD_OF_KEY[key] in self.model_fields_set
        ]
        if self.type == "latency" and self.latency_ms is None:
            flaws.append(
                Flaw(("latency",), "a fault of this type needs the latency that it adds, as in latency: 800ms")
            )
        if flaws:
            raise ValueProblems(flaws)
        return self

    def resolved(self) -> dict[str, object]:
        data: dict[str, object] = {
            "name": self.name,
            "target": self.target,
            "type": self.type,
            "at": format_s(self.at_s),
            "duration": format_s(self.duration_s),
        }
        if self.latency_ms is not None:
            data |= {"latency": format_latency(self.latency_ms), "jitter": format_ms(self.jitter_ms)}
        data["probability"] = self.probability
        if self.type == "error":
            data |= {"rate": self.rate, "status": self.status}
        if self.variants is not None:
            data["variants"] = list(self.variants)
        return data


def with_default_names(faults: object) -> object:
    """Give each nameless fault of the raw list the name `<type>-<target>`, numbered where that is taken."""
    if not isinstance(faults, list):
        return faults
    taken = {fault["name"] for fault in faults if isinstance(fault, dict) and isinstance(fault.get("name"), str)}
    named: list[object] = []
    for index, fault in enumerate(faults):
        if isinstance(fault, dict) and "name" not in fault:
            stem = f"{fault.get('type')}-{fault.get('target')}".replace("/", "-")
            if not re.fullmatch(NAME, stem):  # type or target is wrong, which is reported in its own place
                stem = f"fault-{index}"
            name, number = stem, 1
            while name in taken:
                number += 1
                name = f"{stem}-{number}"
            taken.add(name)
            named.append({"name": name, **fault})
        else:
            named.append(fault)
    return named


def _is_instance(number: str, count: int) -> bool:
    return number.isascii() and number.isdecimal() and str(int(number)) == number and int(number) < count
