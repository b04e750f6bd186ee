"""A variant: one of the implementations, its options and, on the event side, its broker."""

from __future__ import annotations

from typing import Literal, Self, get_args

from pydantic import Field, field_validator, model_validator

from benchmarks.scenario.broker import BrokerSpec
from benchmarks.scenario.problems import Flaw, ValueProblems, choice_hint
from benchmarks.scenario.units import parse_ms
from benchmarks.scenario.values import Model, Name

Base = Literal["sync", "sync-concurrent", "events"]
BASES: tuple[str, ...] = get_args(Base)
DEFAULT_VARIANTS: tuple[str, ...] = ("sync", "events")
EVENT_BASES = frozenset({"events"})

# The options of each base and what they are when not given: the bound on one call or one publish.
_OPTIONS = {"timeout": "2s"}


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


def with_broker(variant: VariantSpec, shared: BrokerSpec) -> VariantSpec:
    """The variant with the scenario's broker under what it says of its own."""
    if not variant.uses_broker:
        return variant
    return variant.model_copy(update={"broker": shared if variant.broker is None else variant.broker.over(shared)})
