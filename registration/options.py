"""The options of a variant: fields of a frozen dataclass, each with its default, its unit and a sentence.

    @dataclass(frozen=True)
    class Options:
        timeout_s: float = duration(2.0, "one call in all, from connecting to the last byte")

A scenario file spells an option without its unit and in camelCase (`timeout: 200ms`). Scenario files, `bench
variants` and the documents ask `options_of`.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeVar

OptionKind = Literal["duration", "count", "share", "switch", "choice"]
T = TypeVar("T")

OptionValue = str | float | int | bool
_KEY = "option"


@dataclass(frozen=True)
class Option:
    """One option. `attribute` is the dataclass's field, `name` the key of the scenario file.

    A `duration` is a float of seconds and a `count` an int, each at least `least`; a `share` a float from 0 to 1; a
    `switch` a bool; a `choice` one of `choices`.
    """

    kind: OptionKind
    says: str
    least: float = 0
    choices: tuple[str, ...] = ()
    attribute: str = ""
    name: str = ""
    default: object = None


def duration(default_s: float, says: str, *, least_s: float = 0.0) -> float:
    """A time in seconds, above zero, or at least `least_s`. Its attribute ends in `_s`."""
    return _field(default_s, Option("duration", says, least_s))


def count(default: int, says: str, *, least: int = 0) -> int:
    """A whole number."""
    return _field(default, Option("count", says, least))


def share(default: float, says: str) -> float:
    """A number from 0 to 1."""
    return _field(default, Option("share", says))


def switch(default: bool, says: str) -> bool:
    """True or false."""
    return _field(default, Option("switch", says))


def choice(default: str, choices: tuple[str, ...], says: str) -> str:
    """One of several words."""
    return _field(default, Option("choice", says, choices=choices))


def options_of(cls: type) -> Mapping[str, Option]:
    """The options of a variant's dataclass, by the name that the scenario file gives them."""
    found: dict[str, Option] = {}
    for each in dataclasses.fields(cls):
        option: Option = each.metadata[_KEY]
        stem = each.name.removesuffix("_s") if option.kind == "duration" else each.name
        name = re.sub(r"_(\w)", lambda match: match[1].upper(), stem)
        found[name] = dataclasses.replace(option, attribute=each.name, name=name, default=each.default)
    return found


def _field(default: T, option: Option) -> T:
    return field(default=default, metadata={_KEY: option})
