"""Reads and writes the latency of a scenario: a duration, or a distribution with its parameters."""

from __future__ import annotations

import math
from typing import Any

from benchmarks.values.problems import Flaw, ValueProblems, choice_hint
from benchmarks.values.units import DURATION_PATTERN, format_ms, parse_ms
from registration.latency import DISTRIBUTIONS, Latency

_PLAIN_NUMBERS = ("alpha",)
_LARGEST_ALPHA = 1000.0
_SMALLEST_ALPHA = 0.1


def parse_latency(value: object) -> Latency:
    """Read `20ms` or `{distribution: lognormal, p50: 10ms, p99: 60ms}`.

    Raises ValueError, or ValueProblems with one flaw for each key that is wrong.
    """
    if isinstance(value, Latency):
        return value
    if not isinstance(value, dict):
        return Latency.fixed(parse_ms(value))
    name = value.get("distribution")
    if name is None:
        raise ValueError("a distribution needs its name; " + choice_hint("", DISTRIBUTIONS))
    if not isinstance(name, str) or name not in DISTRIBUTIONS:
        raise ValueProblems(
            [Flaw(("distribution",), f"unknown distribution {name!r}; {choice_hint(str(name), DISTRIBUTIONS)}")]
        )
    wanted = DISTRIBUTIONS[name].parameters
    flaws = [
        Flaw((key,), f"{name!r} has no parameter {key!r}; {choice_hint(key, wanted)}")
        for key in value
        if key not in ("distribution", *wanted)
    ]
    parameters: dict[str, float] = {}
    for key in wanted:
        try:
            if key not in value:
                raise ValueError(f"{name!r} needs {key!r} as well as " + _listed(wanted, key))
            parameters[key] = _plain_number(value[key]) if key in _PLAIN_NUMBERS else parse_ms(value[key])
        except ValueError as error:
            flaws.append(Flaw((key,), str(error)))
    flaws = flaws or _insane(name, parameters)
    if flaws:
        raise ValueProblems(flaws)
    return Latency(name, tuple(parameters.values()))


def latency_schema() -> dict[str, Any]:
    """What `parse_latency` reads, as JSON Schema."""
    duration = {"type": "string", "pattern": DURATION_PATTERN}
    alpha = {"type": "number", "minimum": _SMALLEST_ALPHA, "maximum": _LARGEST_ALPHA}
    distributions = [
        {
            "type": "object",
            "additionalProperties": False,
            "properties": {
                "distribution": {"const": name},
                **{key: alpha if key in _PLAIN_NUMBERS else duration for key in row.parameters},
            },
            "required": ["distribution", *row.parameters],
        }
        for name, row in DISTRIBUTIONS.items()
    ]
    return {"anyOf": [duration, *distributions]}


def format_latency(latency: Latency) -> str | dict[str, str | float]:
    """What `parse_latency` turns back into an equal Latency."""
    if latency.distribution == "fixed":
        return format_ms(latency.parameters[0])
    spelled: dict[str, str | float] = {"distribution": latency.distribution}
    for key, number in zip(DISTRIBUTIONS[latency.distribution].parameters, latency.parameters, strict=True):
        spelled[key] = number if key in _PLAIN_NUMBERS else format_ms(number)
    return spelled


def _insane(name: str, parameters: dict[str, float]) -> list[Flaw]:
    """Parameters that are well formed one by one and make no distribution together."""
    match name:
        case "uniform" if not parameters["min"] < parameters["max"]:
            return [Flaw(("max",), "'max' must be above 'min'")]
        case "lognormal" if not 0 < parameters["p50"] < parameters["p99"]:
            return [Flaw(("p99",), "'p50' must be above 0ms and 'p99' above 'p50'")]
        case "exponential" if not parameters["mean"] > 0:
            return [Flaw(("mean",), "'mean' must be above 0ms")]
        case "pareto" if not parameters["min"] > 0:
            return [Flaw(("min",), "'min' must be above 0ms")]
    return []


def _plain_number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise ValueError(f"{value!r} is not a number")
    if not _SMALLEST_ALPHA <= value <= _LARGEST_ALPHA:
        raise ValueError(f"{value:g} is outside {_SMALLEST_ALPHA:g} to {_LARGEST_ALPHA:g}")
    return float(value)


def _listed(names: tuple[str, ...], but: str) -> str:
    return ", ".join(f"{name!r}" for name in ("distribution", *names) if name != but)
