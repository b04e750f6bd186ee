"""The small checked types that the scenario model is made of, and what the whole file knows while one part is read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, ValidationInfo
from pydantic.alias_generators import to_camel

from benchmarks.values.latency import format_latency, parse_latency
from benchmarks.values.problems import choice_hint, nearest
from benchmarks.values.units import format_ms, format_s, parse_ms, parse_s
from registration.latency import Latency
from registration.services import ROSTER

T = TypeVar("T")
NAME = r"^[a-z0-9][a-z0-9-]*$"
API, BROKER = "api", "broker"
# What else has processes, files or targets by its name.
_RESERVED = (API, BROKER, "harness", "load", "machine", "relay", "topics")
_SERVICE_NAME = r"^[a-z][a-z0-9-]*$"
# How alike a new service's name may be to a known one before it is taken for a slip of the pen.
_NEAR_MISS = 0.75


@dataclass(frozen=True)
class Known:
    """What the rest of the file says, as far as it can be read, so that each part is checked even if others fail.

    `services` maps each name to its number of instances, `processes` all that can be killed or paused: these, the API,
    and what some variants have, with None for one process without instances. `variants` holds the names of the run,
    `windows` those of `before`, `during` and `after` that there are. `duration_s` is None where it cannot be read;
    `stem` is the file's name where the scenario's name has to equal it.
    """

    services: Mapping[str, int]
    processes: Mapping[str, int | None]
    variants: tuple[str, ...]
    duration_s: float | None
    windows: frozenset[str]
    stem: str | None = None

    @classmethod
    def of(cls, info: ValidationInfo) -> Known:
        assert isinstance(info.context, Known)
        return info.context


class Model(BaseModel):
    """A part of the scenario: immutable, no key but its own, YAML keys in camelCase."""

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel, arbitrary_types_allowed=True)


def _above_zero(duration: float) -> float:
    if duration <= 0:
        raise ValueError("the duration must be above 0ms")
    return duration


def some(entries: tuple[T, ...]) -> tuple[T, ...]:
    """A list that may not be empty. (pydantic's own check also counts entries that are wrong as absent.)"""
    if not entries:
        raise ValueError("the list is empty; give one entry or more")
    return entries


def given(value: object) -> object:
    """A key that may be left out, but not left empty."""
    if value is None:
        raise ValueError("nothing stands here; give a value or leave the key out")
    return value


def near_miss(name: str) -> str | None:
    """The service of the roster that `name` seems to be a slip of the pen for."""
    return None if name in ROSTER else nearest(name, ROSTER, cutoff=_NEAR_MISS)


def _service_name(name: str) -> str:
    if name in _RESERVED:
        raise ValueError(f"{name!r} cannot be a service's name, since it is that of another part; choose another")
    if (close := near_miss(name)) is not None:
        raise ValueError(f"unknown service {name!r}; did you mean {close!r}? (a new one needs a name less alike)")
    return name


def known_variant(name: str, info: ValidationInfo) -> str:
    """A variant's name that the run has."""
    variants = Known.of(info).variants
    if name not in variants:
        raise ValueError(f"this scenario has no variant {name!r}; {choice_hint(name, variants)}")
    return name


DurationS = Annotated[float, BeforeValidator(parse_s), PlainSerializer(format_s)]
DurationMs = Annotated[float, BeforeValidator(parse_ms), PlainSerializer(format_ms)]
LastingS = Annotated[float, BeforeValidator(parse_s), AfterValidator(_above_zero), PlainSerializer(format_s)]
LastingMs = Annotated[float, BeforeValidator(parse_ms), AfterValidator(_above_zero), PlainSerializer(format_ms)]
LatencyValue = Annotated[Latency, BeforeValidator(parse_latency), PlainSerializer(format_latency)]
Share = Annotated[float, Field(strict=True, allow_inf_nan=False, ge=0, le=1)]
Rate = Annotated[float, Field(strict=True, allow_inf_nan=False, gt=0, le=1_000_000)]
RampRate = Annotated[float, Field(strict=True, allow_inf_nan=False, ge=0, le=1_000_000)]
Truth = Annotated[bool, Field(strict=True)]
Name = Annotated[str, Field(pattern=NAME, max_length=60)]
ServiceName = Annotated[str, Field(pattern=_SERVICE_NAME, max_length=60), AfterValidator(_service_name)]
VariantName = Annotated[str, AfterValidator(known_variant)]
Instances = Annotated[int, Field(strict=True, ge=1, le=64)]
Concurrency = Annotated[int, Field(strict=True, ge=1, le=10_000)]
Status = Annotated[int, Field(strict=True, ge=400, le=599)]
