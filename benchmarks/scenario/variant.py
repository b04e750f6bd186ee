"""A variant: one of the implementations, its options as its side declares them and, on the event side, its broker."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated

from pydantic import Field, ValidationInfo, field_validator, model_validator

from benchmarks.scenario.broker import BrokerSpec
from benchmarks.subject import VARIANTS, Listed
from benchmarks.values.checked import BROKER, Model, Name
from benchmarks.values.problems import Flaw, ValueProblems, choice_hint
from benchmarks.values.units import format_s, parse_s, read_percent
from registration.options import Option, OptionValue, options_of

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

    name: Annotated[Name, Field(description="what results call it; unique in the run")]
    base: Annotated[str, Field(description="the implementation; the name where it is not given")]
    options: dict[str, OptionValue] = Field(
        default_factory=dict, validate_default=True, description="its options, as `bench variants` lists them"
    )
    broker: Annotated[
        BrokerSpec | None, Field(description="of event variants: laid over the scenario's, key by key")
    ] = None

    @property
    def listed(self) -> Listed:
        """What its base declares."""
        return VARIANTS[self.base]

    def changed_options(self) -> str:
        """The options that are not the defaults, as the file has them; empty where all are."""
        known = options_of(self.listed.declared.options)
        usual = default_options(known)
        given = write_options(self.options, known)
        return ", ".join(f"{name}: {spelled(value)}" for name, value in given.items() if value != usual[name])

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
                    f"unknown variant {name!r}; {hint}" + ("" if data is not value else " or give it a base")
                )
            return {**data, "base": name}
        return data

    @field_validator("base")
    @classmethod
    def _base_known(cls, base: str) -> str:
        if base not in VARIANTS:
            raise ValueError(f"unknown variant {base!r}; {choice_hint(base, VARIANTS)}")
        return base

    @field_validator("options", mode="before")
    @classmethod
    def _options_known(cls, value: object, info: ValidationInfo) -> dict[str, OptionValue]:
        if not isinstance(value, dict):
            raise ValueProblems([Flaw((), "this must be a mapping, as in {timeout: 200ms}")])
        base = info.data.get("base")
        return {} if base is None else read_options(value, options_of(VARIANTS[base].declared.options))

    @classmethod
    def flaws_together(cls, data: Mapping[str, object]) -> Iterator[Flaw]:
        base = data.get("base", data.get("name"))
        if (
            isinstance(base, str)
            and base in VARIANTS
            and data.get("broker") is not None
            and not VARIANTS[base].uses_broker
        ):
            yield Flaw(("broker",), f"a variant of {base!r} has no broker; leave it out")


def with_broker(variant: VariantSpec, shared: BrokerSpec) -> VariantSpec:
    """The variant with the scenario's broker under what it says of its own."""
    if not variant.uses_broker:
        return variant
    return variant.model_copy(update={"broker": shared if variant.broker is None else variant.broker.over(shared)})


def read_options(given: Mapping[str, object], known: Mapping[str, Option]) -> dict[str, OptionValue]:
    """Every option by the name of its field, defaults too, times in seconds. Raises ValueProblems with all flaws."""
    flaws = [Flaw((key,), f"unknown option {key!r}; {choice_hint(key, known)}") for key in given if key not in known]
    options: dict[str, OptionValue] = {}
    for name, option in known.items():
        try:
            options[option.attribute] = _read(given[name], option) if name in given else _plain(option.default)
        except ValueError as error:
            flaws.append(Flaw((name,), str(error)))
    if flaws:
        raise ValueProblems(flaws)
    return options


def write_options(options: Mapping[str, OptionValue], known: Mapping[str, Option]) -> dict[str, OptionValue]:
    """The inverse of `read_options`, in the spelling of the file."""
    return {
        name: format_s(float(options[option.attribute])) if option.kind == "duration" else options[option.attribute]
        for name, option in known.items()
    }


def default_options(known: Mapping[str, Option]) -> dict[str, OptionValue]:
    """What each option is where the file does not say, in the spelling of the file."""
    return write_options({option.attribute: _plain(option.default) for option in known.values()}, known)


def spelled(value: OptionValue) -> str:
    """A value as YAML has it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _read(value: object, option: Option) -> OptionValue:
    match option.kind:
        case "duration":
            return _at_least(parse_s(value), option)
        case "count":
            if isinstance(value, bool) or not isinstance(value, int):
                raise ValueError("this must be a whole number")  # noqa: TRY004 - a flaw of the file
            return int(_at_least(value, option))
        case "share":
            value = read_percent(value)
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
                raise ValueError("this must be a share from 0 to 1, as in 0.1 or 10%")
            return float(value)
        case "switch":
            if not isinstance(value, bool):
                raise ValueError("this must be true or false")  # noqa: TRY004 - a flaw of the file
            return value
        case "choice":
            if not isinstance(value, str) or value not in option.choices:
                raise ValueError(f"unknown {option.name} {value!r}; {choice_hint(str(value), option.choices)}")
            return value


def _at_least(value: float, option: Option) -> float:
    if option.kind == "duration" and value <= 0:
        raise ValueError("the duration must be above 0ms")
    if value < option.least:
        least = format_s(option.least) if option.kind == "duration" else f"{option.least:g}"
        raise ValueError(f"{option.name} must be at least {least}")
    return value


def _plain(default: object) -> OptionValue:
    assert isinstance(default, float | int | bool | str), "an option's default is a plain value"
    return default
