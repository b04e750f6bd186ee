"""The options of a variant as a scenario file has them: read against what the variant declares, and written back."""

from __future__ import annotations

from collections.abc import Mapping

from benchmarks.values.problems import Flaw, ValueProblems, choice_hint
from benchmarks.values.units import format_s, parse_s
from registration.options import Option

OptionValue = float | int | bool | str


def read_options(given: Mapping[str, object], known: Mapping[str, Option]) -> dict[str, OptionValue]:
    """Every option by the name of its field, defaults too, times in seconds. Raises ValueProblems with all flaws."""
    flaws = [Flaw((key,), f"{key!r} is no option; {choice_hint(key, known)}") for key in given if key not in known]
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


def _read(value: object, option: Option) -> OptionValue:
    match option.kind:
        case "duration":
            return _at_least(parse_s(value), option)
        case "count":
            if isinstance(value, bool) or not isinstance(value, int):
                raise ValueError("a whole number belongs here")  # noqa: TRY004 - a flaw of the file
            return int(_at_least(value, option))
        case "share":
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
                raise ValueError("a share from 0 to 1 belongs here")
            return float(value)
        case "switch":
            if not isinstance(value, bool):
                raise ValueError("true or false belongs here")  # noqa: TRY004 - a flaw of the file
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
