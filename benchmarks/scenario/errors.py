"""Turns what pydantic finds into sentences at places of the file."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from benchmarks.faults import KINDS, FaultKind
from benchmarks.scenario.broker import BrokerSpec
from benchmarks.scenario.document import Document
from benchmarks.scenario.faults import why_not_here
from benchmarks.scenario.model import ApiSpec, Scenario, Service
from benchmarks.scenario.variant import VariantSpec
from benchmarks.scenario.workload import Keys, Stage, Workload
from benchmarks.values.checked import Model
from benchmarks.values.problems import Flaw, Location, Problem, ValueProblems, choice_hint
from benchmarks.values.slo import Slo

# The model at each place; `*` stands for any one key or index.
MODELS: tuple[tuple[Location, type[Model]], ...] = (
    ((), Scenario),
    (("workload",), Workload),
    (("workload", "stages", "*"), Stage),
    (("workload", "keys"), Keys),
    (("services", "*"), Service),
    (("api",), ApiSpec),
    (("broker",), BrokerSpec),
    (("variants", "*"), VariantSpec),
    (("variants", "*", "broker"), BrokerSpec),
    (("slo",), Slo),
)

_SENTENCES: Mapping[str, str] = MappingProxyType(
    {
        "string_type": "{value} is not text{remedy}",
        "int_type": "{value} is not a whole number{remedy}",
        "int_from_float": "{value} is not a whole number",
        "float_type": "{value} is not a number{remedy}",
        "bool_type": "{value} is neither true nor false",
        "finite_number": "{value} is not a finite number",
        "greater_than": "{value} must be above {gt:g}",
        "greater_than_equal": "{value} must be {ge:g} or more",
        "less_than": "{value} must be below {lt:g}",
        "less_than_equal": "{value} must be {le:g} or less",
        "string_pattern_mismatch": "{value} is not a valid name; use small letters, digits and dashes",
        "string_too_long": "the text is longer than {max_length} characters",
        "string_too_short": "the text is empty",
        "tuple_type": "{value} is not a list{remedy}",
        "dict_type": "{value} is not a mapping of keys and values",
        "model_type": "{value} is not a mapping of keys and values",
        "model_attributes_type": "{value} is not a mapping of keys and values",
    }
)


_NUMBER = re.compile(r"[-+]?[0-9]+(\.[0-9]+)?", re.ASCII)


def problems_of(error: ValidationError, document: Document) -> list[Problem]:
    """One problem for each thing that is wrong, in the order of the file."""
    found = {
        document.problem(flaw.location, flaw.message)
        for details in error.errors(include_url=False)
        for flaw in _flaws_of(details)
    }
    return sorted(found, key=lambda problem: (problem.line or 0, problem.message))


def _flaws_of(details: ErrorDetails) -> Iterator[Flaw]:
    # pydantic ends the path of a bad key with "[key]", and puts the kind of a fault into the path of its keys.
    location = tuple(part for part in details["loc"] if part != "[key]")
    fault: type[FaultKind] | None = None
    if location[:1] == ("faults",) and len(location) > 2:
        fault = KINDS[str(location[2])]
        location = (*location[:2], *location[3:])
    kind, context = details["type"], details.get("ctx", {})
    if kind == "value_error":
        cause = context["error"]
        if isinstance(cause, ValueProblems):
            for flaw in cause.flaws:
                yield Flaw((*location, *flaw.location), flaw.message)
            return
        yield Flaw(location, str(cause))
    elif kind == "missing":
        yield Flaw(location, f"this key is missing{_wanted(fault or _model_at(location[:-1]), str(location[-1]))}")
    elif kind == "union_tag_not_found":
        yield Flaw((*location, "type"), "this key is missing; " + choice_hint("", KINDS))
    elif kind == "union_tag_invalid":
        type_ = details["input"]["type"]
        yield Flaw((*location, "type"), f"{_shown(type_)} is not valid here; {choice_hint(str(type_), KINDS)}")
    elif kind == "extra_forbidden":
        key = str(location[-1])
        foreign = None if fault is None else why_not_here(fault.word(), key)
        choices = _keys_of(fault or _model_at(location[:-1]))
        yield Flaw(location, foreign or f"unknown key {key!r}; {choice_hint(key, choices)}")
    elif kind == "literal_error":
        choices = re.findall(r"'([^']*)'", context["expected"])
        value = details["input"]
        hint = choice_hint(str(value), choices) if choices else f"it must be {context['expected']}"
        yield Flaw(location, f"{_shown(value)} is not valid here; {hint}")
    elif kind in _SENTENCES:
        value = details["input"]
        remedy = _remedy(kind, value, location)
        yield Flaw(location, _SENTENCES[kind].format(value=_shown(value), remedy=remedy, **context))
    else:
        yield Flaw(location, details["msg"])


def _remedy(kind: str, value: object, location: Location) -> str:
    """What to write instead of a value of another type, where that is plain to see."""
    if kind == "string_type" and isinstance(value, list) and location[::2] == ("faults", "target"):
        return "; a fault has one target, so write a fault for each"
    if kind == "string_type" and not isinstance(value, (list, dict)):
        return "; put it in quotes"
    if kind == "tuple_type" and isinstance(value, (str, int, float)):
        return f"; write it as one, as in [{value}]"
    if kind in ("int_type", "float_type") and isinstance(value, str) and _NUMBER.fullmatch(value):
        return "; leave out the quotes"
    return ""


def _model_at(location: Location) -> type[Model] | None:
    for pattern, model in MODELS:
        if len(pattern) == len(location) and all(p in ("*", part) for p, part in zip(pattern, location, strict=True)):
            return model
    return None


def _keys_of(model: type[Model] | None) -> list[str]:
    return [] if model is None else [field.alias or name for name, field in model.model_fields.items()]


def _wanted(model: type[Model] | None, key: str) -> str:
    """What a missing key means, with an example, where its model says so."""
    fields = {} if model is None else {field.alias or name: field for name, field in model.model_fields.items()}
    examples = fields[key].examples if key in fields else None
    return f": {fields[key].description}, as in {key}: {examples[0]}" if examples else ""


def _shown(value: object) -> str:
    special: tuple[tuple[type, Callable[[object], str]], ...] = (
        (bool, lambda truth: str(truth).lower()),
        (dict, lambda _: "a mapping"),
        (list, lambda _: "a list"),
        (type(None), lambda _: "nothing"),
    )
    for kind, show in special:
        if isinstance(value, kind):
            return show(value)
    text = repr(value)
    return text if len(text) <= 60 else text[:60] + "…"
