"""The small checked types that the scenario model is made of, and what the whole file knows while one part is read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Self, TypeVar, cast

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    PlainSerializer,
    ValidationError,
    ValidationInfo,
    WithJsonSchema,
    model_validator,
)
from pydantic.alias_generators import to_camel
from pydantic.fields import FieldInfo
from pydantic_core import InitErrorDetails

from benchmarks.values.latency import format_latency, latency_schema, parse_latency
from benchmarks.values.problems import Flaw, ValueProblems, choice_hint, edits, nearest
from benchmarks.values.units import (
    DURATION_PATTERN,
    PERCENT_PATTERN,
    format_ms,
    format_s,
    parse_ms,
    parse_s,
    read_percent,
)
from registration.latency import Latency
from registration.services import ROSTER

T = TypeVar("T")
NAME = r"^[a-z0-9][a-z0-9-]*$"
API, BROKER = "api", "broker"
# What else has processes, files or targets by its name.
_RESERVED = (API, BROKER, "harness", "load", "machine", "relay", "topics")
_SERVICE_NAME = r"^[a-z][a-z0-9-]*$"
# How similar a new service's name may be to a known one before it is taken for a typo: `emails`, or `cash`.
_NEAR_MISS = 0.75
_MOST_EDITS = 2


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

    @classmethod
    def flaws_together(cls, data: Mapping[str, object]) -> Iterator[Flaw]:
        """What is wrong with the raw keys taken together, whatever else is wrong with each of them."""
        yield from ()

    @model_validator(mode="wrap")
    @classmethod
    def _all_at_once(cls, value: object, handler: ModelWrapValidatorHandler[Self]) -> Self:
        """A wrong key does not hide what is wrong with the rest."""
        flaws = list(cls.flaws_together(value)) if isinstance(value, Mapping) else []
        try:
            made = handler(value)
        except ValidationError as error:
            if not flaws:
                raise
            # What pydantic found, given back to it as it was, and ours with it.
            found = cast("list[InitErrorDetails]", error.errors(include_url=False))
            ours: InitErrorDetails = {"type": "value_error", "input": value, "ctx": {"error": ValueProblems(flaws)}}
            raise ValidationError.from_exception_data(cls.__name__, [*found, ours]) from None
        if flaws:
            raise ValueProblems(flaws)
        return made


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
        raise ValueError("this is empty; give a value or leave the key out")
    return value


def spelled_default(field: FieldInfo) -> object:
    """The default of a key as a file would have it."""
    for part in field.metadata:
        if isinstance(part, PlainSerializer):
            write: Callable[[object], object] = part.func  # type: ignore[assignment]  # none of ours needs more
            return write(field.default)
    return field.default


def near_miss(name: str) -> str | None:
    """The service of the roster that `name` seems to be a typo of."""
    if name in ROSTER:
        return None
    slips = (known for known in ROSTER if abs(len(known) - len(name)) <= 1 and edits(name, known) <= _MOST_EDITS)
    return nearest(name, ROSTER, cutoff=_NEAR_MISS) or next(slips, None)


def _service_name(name: str) -> str:
    if name in _RESERVED:
        raise ValueError(f"{name!r} cannot be a service's name, since it is that of another part; choose another")
    if (close := near_miss(name)) is not None:
        raise ValueError(f"unknown service {name!r}; did you mean {close!r}? (a new service needs a less similar name)")
    return name


def known_variant(name: str, info: ValidationInfo) -> str:
    """A variant's name that the run has."""
    variants = Known.of(info).variants
    if name not in variants:
        raise ValueError(f"this scenario has no variant {name!r}; {choice_hint(name, variants)}")
    return name


_AS_DURATION = WithJsonSchema({"type": "string", "pattern": DURATION_PATTERN})
DurationS = Annotated[float, BeforeValidator(parse_s), PlainSerializer(format_s), _AS_DURATION]
DurationMs = Annotated[float, BeforeValidator(parse_ms), PlainSerializer(format_ms), _AS_DURATION]
LastingS = Annotated[
    float, BeforeValidator(parse_s), AfterValidator(_above_zero), PlainSerializer(format_s), _AS_DURATION
]
LastingMs = Annotated[
    float, BeforeValidator(parse_ms), AfterValidator(_above_zero), PlainSerializer(format_ms), _AS_DURATION
]
LatencyValue = Annotated[
    Latency, BeforeValidator(parse_latency), PlainSerializer(format_latency), WithJsonSchema(latency_schema())
]
SHARE_SCHEMA: dict[str, Any] = {
    "anyOf": [{"type": "number", "minimum": 0, "maximum": 1}, {"type": "string", "pattern": PERCENT_PATTERN}]
}
Share = Annotated[
    float,
    Field(strict=True, allow_inf_nan=False, ge=0, le=1),
    BeforeValidator(read_percent),
    WithJsonSchema(SHARE_SCHEMA),
]
Rate = Annotated[float, Field(strict=True, allow_inf_nan=False, gt=0, le=1_000_000)]
RampRate = Annotated[float, Field(strict=True, allow_inf_nan=False, ge=0, le=1_000_000)]
Truth = Annotated[bool, Field(strict=True)]
Name = Annotated[str, Field(pattern=NAME, max_length=60)]
ServiceName = Annotated[str, Field(pattern=_SERVICE_NAME, max_length=60), AfterValidator(_service_name)]
VariantName = Annotated[str, AfterValidator(known_variant)]
Instances = Annotated[int, Field(strict=True, ge=1, le=64)]
Concurrency = Annotated[int, Field(strict=True, ge=1, le=10_000)]
Status = Annotated[int, Field(strict=True, ge=400, le=599)]
