"""What every kind of fault has: the keys that all share, its window, what it meets, and how it is described.

    FaultKind ─┬─ WorkKind     in a service's work   `benchmarks.faults.work_kind`
               └─ ProcessKind  on a process          `benchmarks.faults.process_kind`
    Lasting        a window rather than an instant, mixed into those that need healing

A kind is a model of its keys and, as class variables, what is true of it whatever its keys say.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, Protocol, get_args

from pydantic import AfterValidator, Field, ValidationInfo, field_validator

from benchmarks.values.checked import (
    BROKER,
    DurationS,
    Known,
    LastingS,
    Model,
    Name,
    VariantName,
    some,
    spelled_default,
)
from benchmarks.values.problems import choice_hint
from benchmarks.values.units import format_s
from benchmarks.words.numbers import listed


class Effect(enum.StrEnum):
    """What becomes of a service while a fault is on it."""

    WORKS = "works"
    STANDS_STILL = "stands still"  # takes calls and events, begins nothing new and ends nothing
    DOWN = "is down"  # refuses calls; its memory is gone


# Names that people may use for the broker.
_BROKERS = ("kafka", "redpanda", "brokers")


@dataclass(frozen=True)
class Shade:
    """How charts shade a window: `fill` is see-through, so that windows that overlap add up; `ink` is for its label."""

    fill: str
    ink: str


class FaultedVariant(Protocol):
    """What a fault asks of a variant."""

    @property
    def name(self) -> str: ...

    def lacks(self, process: str) -> bool:
        """Whether `process` is one that only some variants have, and this one does not."""


@dataclass(frozen=True)
class Key:
    """One key of a kind, as the file spells it. `default` is None where it has to be given, or where it follows.

    `example` is a value for one that has to be given, else None.
    """

    name: str
    description: str
    required: bool
    default: object
    example: object


class FaultKind(Model):
    """One fault of a trial; scenario times. `variants` is None where it meets every variant that can have it."""

    sentence: ClassVar[str]  # what it does, for the documents and `bench faults`
    targets: ClassVar[str]  # what it can hit, likewise
    effect: ClassVar[Effect] = Effect.WORKS
    lasts: ClassVar[bool] = False
    shade: ClassVar[Shade] = Shade("#D9B84A40", "#7A5B00")

    name: Annotated[Name, Field(description="its name, unique in the file; `<type>-<target>` where it is not given")]
    target: Annotated[str, Field(description="what it hits", examples=["email"])]
    type: Annotated[str, Field(description="the kind of fault")]
    at_s: Annotated[
        DurationS, Field(alias="at", description="when it begins, counted from the end of the warm-up", examples=["8s"])
    ]
    variants: Annotated[
        Annotated[tuple[VariantName, ...], AfterValidator(some)] | None,
        Field(description="names of the variants that it affects; all by default"),
    ] = None

    @classmethod
    def word(cls) -> str:
        """The type, as files write it."""
        (word,) = get_args(cls.model_fields["type"].annotation)
        return str(word)

    @classmethod
    def described_keys(cls) -> tuple[Key, ...]:
        """Every key that a fault of this kind may have beside `type`."""
        return tuple(
            Key(
                name=field.alias or name,
                description=field.description or "",
                # Its name is made up where there is none, before the model sees it.
                required=field.is_required() and name != "name",
                default=None if field.is_required() else spelled_default(field),
                example=field.examples[0] if field.examples else None,
            )
            for name, field in cls.model_fields.items()
            if name != "type"
        )

    @classmethod
    def example(cls) -> dict[str, object]:
        """The shortest fault of this kind, as raw data."""
        return {"type": cls.word(), **{key.name: key.example for key in cls.described_keys() if key.required}}

    @classmethod
    def key_names(cls) -> frozenset[str]:
        return frozenset(field.alias or name for name, field in cls.model_fields.items())

    @classmethod
    def reach(cls, known: Known) -> Mapping[str, int | None]:
        """What this kind can hit, and of how many instances that is; None for one process without a number."""
        raise NotImplementedError

    @property
    def end_s(self) -> float:
        """Where the fault has no window, its instant."""
        return self.at_s

    @property
    def begin_ns(self) -> int:
        return round(self.at_s * 1e9)

    @property
    def end_ns(self) -> int:
        return round(self.end_s * 1e9)

    @property
    def when(self) -> str:
        return f"at {format_s(self.at_s)}"

    @property
    def process(self) -> str:
        """The target without an instance: a service, `api`, `broker` or a process of a variant's own."""
        return self.target.partition("/")[0]

    @property
    def instance(self) -> int | None:
        """The one instance that is hit; None for all of them."""
        _, slash, number = self.target.partition("/")
        return int(number) if slash else None

    @property
    def share(self) -> float:
        """The share of attempts, begun in the window, that the fault hits."""
        return 1.0

    def mean_work_ms(self, work_ms: float) -> float:
        """What it makes of the mean work time of an attempt; infinite where none ends."""
        return work_ms if self.effect is Effect.WORKS or self.share == 0 else math.inf

    def concerns(self, variant: FaultedVariant) -> bool:
        """Whether it meets a variant: one that the file wants it to meet, and that has its target."""
        return (self.variants is None or variant.name in self.variants) and not variant.lacks(self.process)

    def resolved(self) -> dict[str, object]:
        """As the file spells it, with every default."""
        data = self.model_dump(mode="json", by_alias=True, exclude_none=True)
        variants = data.pop("variants", None)
        return data if variants is None else {**data, "variants": variants}

    @property
    def now(self) -> str:
        """What follows the target on a chart: `killed`. Most kinds have it as a constant."""
        raise NotImplementedError

    @property
    def then(self) -> str:
        """What follows it in a sentence about the past: `was down`; likewise a constant."""
        raise NotImplementedError

    @property
    def label(self) -> str:
        """What a chart calls it: `email +800 ms`, `email: 30 % fail`, `email killed, events only`."""
        return f"{self._label()}, {listed(self.variants)} only" if self.variants else self._label()

    @property
    def clause(self) -> str:
        """As a clause about the past: `email was slower by 800 ms`, `30 % of email’s work failed`, `email was down`."""
        return f"{self.target} {self.then}"

    def _label(self) -> str:
        return f"{self.target} {self.now}"

    @field_validator("target")
    @classmethod
    def _target_exists(cls, target: str, info: ValidationInfo) -> str:
        reach = cls.reach(Known.of(info))
        name, slash, number = target.partition("/")
        if name.lower() in _BROKERS and name not in Known.of(info).processes:
            raise ValueError(f"unknown target {target!r}; did you mean {BROKER!r}?")
        if name in reach:
            count = reach[name]
            if not slash or (count is not None and _is_instance(number, count)):
                return target
            if count is None:
                raise ValueError(f"{target!r}: {name!r} is one process, without instances; write {name!r}")
            if number.isdecimal():
                raise ValueError(f"{target!r}: {name!r} has {count} instance{'s' * (count > 1)}, counted from 0")
        if name in Known.of(info).processes:
            raise ValueError(f"{target!r} does no work that could go wrong; `bench faults` lists what can hit it")
        many = {name: count for name, count in reach.items() if count is not None and count > 1}
        instances = [f"{name}/{number}" for name, count in many.items() for number in range(count)]
        raise ValueError(f"unknown target {target!r}; {choice_hint(target, [*reach, *instances])}")

    @field_validator("at_s")
    @classmethod
    def _begins_in_the_run(cls, at_s: float, info: ValidationInfo) -> float:
        run_s = Known.of(info).duration_s
        if run_s is not None and at_s >= run_s:
            raise ValueError(f"the fault begins at {format_s(at_s)}, after the run, which lasts {format_s(run_s)}")
        return at_s


class Lasting(FaultKind):
    """A fault with a window, at whose end it heals."""

    lasts: ClassVar[bool] = True

    duration_s: Annotated[LastingS, Field(alias="duration", description="the time until it heals", examples=["8s"])]

    @property
    def end_s(self) -> float:
        return self.at_s + self.duration_s

    @property
    def when(self) -> str:
        return f"from {format_s(self.at_s)} to {format_s(round(self.end_s, 9))}"

    @field_validator("duration_s")
    @classmethod
    def _ends_in_the_run(cls, duration_s: float, info: ValidationInfo) -> float:
        run_s, at_s = Known.of(info).duration_s, info.data.get("at_s")
        if run_s is None or at_s is None:
            return duration_s
        if round((at_s + duration_s) * 1e9) > round(run_s * 1e9):
            ends = format_s(round(at_s + duration_s, 9))
            raise ValueError(f"the fault ends at {ends}, after the run, which lasts {format_s(run_s)}")
        return duration_s


def _is_instance(number: str, count: int) -> bool:
    return number.isascii() and number.isdecimal() and str(int(number)) == number and int(number) < count
