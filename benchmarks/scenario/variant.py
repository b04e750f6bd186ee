"""A variant: one of the implementations, its options and, on the event side, its broker."""

from __future__ import annotations

from typing import Self

from pydantic import Field, ValidationInfo, field_validator, model_validator

from benchmarks.scenario.broker import BrokerSpec
from benchmarks.scenario.options import OptionValue, read_options
from benchmarks.subject import VARIANTS, Listed
from benchmarks.values.checked import BROKER, Model, Name
from benchmarks.values.problems import Flaw, ValueProblems, choice_hint
from registration.options import options_of

DEFAULT_VARIANTS: tuple[str, ...] = ("sync", "events")


def processes_of(base: str) -> frozenset[str]:
    """The processes that a variant of `base` has and others have not; a fault may hit each of them."""
    listed = VARIANTS[base]
    own = frozenset(process.name for process in listed.declared.processes)
    return own | {BROKER} if listed.uses_broker else own


# Every process that some variants have and others have not.
SOME_HAVE: frozenset[str] = frozenset().union(*(processes_of(base) for base in VARIANTS))


class VariantSpec(Model):
    """One implementation with its options, by field: `{"timeout_s": 2.0}`. `broker` is None where there is none."""

    name: Name
    base: str
    options: dict[str, OptionValue] = Field(default_factory=dict, validate_default=True)
    broker: BrokerSpec | None = None

    @property
    def listed(self) -> Listed:
        """What its base declares."""
        return VARIANTS[self.base]

    def lacks(self, process: str) -> bool:
        """Whether `process` is one that only some variants have, and that a fault cannot hit in this one."""
        # One of a kind that lives in the memory of one process has nothing to come back to.
        beyond = {BROKER} if self.broker is not None and not self.broker.hit_by_faults else set()
        return process in SOME_HAVE and process not in processes_of(self.base) - beyond

    @property
    def uses_broker(self) -> bool:
        return self.listed.uses_broker

    @model_validator(mode="before")
    @classmethod
    def _expanded(cls, value: object) -> object:
        """A bare name stands for the variant of that name; a mapping without `base` too."""
        data = {"name": value} if isinstance(value, str) else value
        if isinstance(data, dict) and "base" not in data and isinstance(name := data.get("name"), str):
            if name not in VARIANTS:
                hint = choice_hint(name, VARIANTS)
                raise ValueError(
                    f"{name!r} is no variant; {hint}" + ("" if data is not value else " or give it a base")
                )
            return {**data, "base": name}
        return data

    @field_validator("base")
    @classmethod
    def _base_known(cls, base: str) -> str:
        if base not in VARIANTS:
            raise ValueError(f"{base!r} is no variant; {choice_hint(base, VARIANTS)}")
        return base

    @field_validator("options", mode="before")
    @classmethod
    def _options_known(cls, value: object, info: ValidationInfo) -> dict[str, OptionValue]:
        if not isinstance(value, dict):
            raise ValueProblems([Flaw((), "a mapping belongs here, as in {timeout: 200ms}")])
        base = info.data.get("base")
        return {} if base is None else read_options(value, options_of(VARIANTS[base].declared.options))

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
