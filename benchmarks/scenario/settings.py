"""`--set key=value`: any key of the file, set in its plain data before that is checked as a whole.

faults.0.latency=400ms      a dotted path with list indices (`faults[0].latency` is the same), and a YAML value
variants=[sync, events]     a whole list
hypothesis=null             null removes a key, so that its default applies
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from benchmarks.scenario.document import Tree, read_document, read_value
from benchmarks.scenario.faults import foreign_keys, with_default_names
from benchmarks.scenario.resolve import dump
from benchmarks.scenario.workload import EXECUTOR_KEYS, EXECUTORS, keys_of_executor
from benchmarks.values.problems import Location, Problem, ScenarioError, dotted

# A mapping whose keys are metrics, which have dots of their own.
_DOTTED_KEYS = "thresholds"
_INDEX = re.compile(r"\[([0-9]+)\]")
_INDEX_DIGITS = 9


def with_settings(data: Mapping[str, object], sets: Sequence[str], source: str) -> dict[str, object]:
    """The data of a scenario, as `resolve` gives it, with each `key=value` set in turn.

    Raises ScenarioError for those that cannot be set anywhere; the loader checks whether the result is a scenario.
    """
    changed = read_document(dump(data), source).data
    problems: list[Problem] = []
    places: list[tuple[Location, Tree]] = []
    for setting in sets:
        path, equals, text = setting.partition("=")
        try:
            if not equals or not path.strip():
                raise ValueError("write key=value, as in --set workload.rate=80")
            places.append((_location(path.strip()), _value(text.strip(), source)))
        except ValueError as error:
            problems.append(Problem(source, None, setting, f"--set {setting}: {error}"))
    _forget_defaults(changed, [location for location, _ in places])
    for location, value in places:
        try:
            _set(changed, location, value)
        except ValueError as error:
            problems.append(Problem(source, None, dotted(location), f"--set {dotted(location)}: {error}"))
    if problems:
        raise ScenarioError(problems)
    _forget_foreign_keys(changed, {location for location, _ in places})
    return dict(changed)


def _location(path: str) -> Location:
    first, *rest = _INDEX.sub(r".\1", path).split(".") if not path.startswith(f"{_DOTTED_KEYS}.") else [path]
    if not rest and first.startswith(f"{_DOTTED_KEYS}."):
        return _DOTTED_KEYS, first.removeprefix(f"{_DOTTED_KEYS}.")
    if "" in (first, *rest):
        raise ValueError("the path has an empty part; write it as in faults.0.latency")
    return first, *(
        int(part) if part.isascii() and part.isdecimal() and len(part) <= _INDEX_DIGITS else part for part in rest
    )


def _value(text: str, source: str) -> Tree:
    # One line cannot hold a block of text; what begins like one is an expectation such as `> 0.5`.
    if text[:1] in (">", "|"):
        return text
    try:
        return read_value(text, source)
    except ScenarioError as error:
        raise ValueError(error.problems[0].message) from None


def _set(data: dict[str, Tree], location: Location, value: Tree) -> None:
    """Set or, with None, take away. Mappings and lists that are missing on the way are made."""
    here: Tree = data
    for depth, part in enumerate(location):
        at, last = dotted(location[:depth]), depth == len(location) - 1
        inside: Tree = [] if not last and isinstance(location[depth + 1], int) else {}
        match here:
            case list() if isinstance(part, int) and part <= len(here):
                if part == len(here):
                    here.append(inside)
                if not last:
                    here = here[part]
                elif value is None:
                    del here[part]
                else:
                    here[part] = value
            case list():
                many = f"{len(here)} entr{'y' if len(here) == 1 else 'ies'}"
                raise ValueError(f"{at} is a list with {many}, counted from 0; {at}.{len(here)} would add one")
            case dict():
                key = str(part)
                if not last:
                    here = here.setdefault(key, inside)
                elif value is None:
                    here.pop(key, None)
                else:
                    here[key] = value
            case _:
                raise ValueError(f"{at} is {here!r} and has no {part!r}; set it as a whole, as in {at}={{{part}: …}}")


def _forget_defaults(data: dict[str, Tree], locations: Sequence[Location]) -> None:
    """Drop the names that faults got from type and target, where one of these is set: they follow."""
    faults = data.get("faults")
    if not isinstance(faults, list):
        return
    nameless = [{key: value for key, value in f.items() if key != "name"} if isinstance(f, dict) else f for f in faults]
    named = with_default_names(nameless)
    assert isinstance(named, list)
    for place, (fault, default) in enumerate(zip(faults, named, strict=True)):
        moved = {("faults", place, "type"), ("faults", place, "target")} & set(locations)
        if moved and isinstance(fault, dict) and fault.get("name") == default.get("name"):
            del fault["name"]


def _forget_foreign_keys(data: dict[str, Tree], locations: set[Location]) -> None:
    """Another executor or another type of fault drops what it does not have, except what is set with it."""
    workload = data.get("workload")
    if ("workload", "executor") in locations and isinstance(workload, dict):
        keep = keys_of_executor(str(workload.get("executor", EXECUTORS[0])))
        _drop(workload, ("workload",), EXECUTOR_KEYS - keep, locations)
    faults = data.get("faults")
    for place, fault in enumerate(faults if isinstance(faults, list) else []):
        if ("faults", place, "type") in locations and isinstance(fault, dict):
            _drop(fault, ("faults", place), foreign_keys(str(fault.get("type"))), locations)


def _drop(mapping: dict[str, Tree], at: Location, keys: frozenset[str], locations: set[Location]) -> None:
    for key in keys:
        # Set as it is or in part, as `stages.0.target`.
        if not any(location[: len(at) + 1] == (*at, key) for location in locations):
            mapping.pop(key, None)
