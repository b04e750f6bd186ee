"""The faults of a scenario as a list: their names, the windows that they make, and whether they go together."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations

from benchmarks.faults import KINDS, Fault, ProcessKind
from benchmarks.faults.fault import FaultedVariant
from benchmarks.scenario.metric import WINDOWS
from benchmarks.values.checked import NAME
from benchmarks.values.problems import Flaw
from benchmarks.words.numbers import listed


def with_default_names(faults: object) -> object:
    """Give each nameless fault of the raw list the name `<type>-<target>`, numbered where that is taken."""
    if not isinstance(faults, list):
        return faults
    taken = {fault["name"] for fault in faults if isinstance(fault, dict) and isinstance(fault.get("name"), str)}
    named: list[object] = []
    for index, fault in enumerate(faults):
        if isinstance(fault, dict) and "name" not in fault:
            stem = f"{fault.get('type')}-{fault.get('target')}".replace("/", "-")
            if not re.fullmatch(NAME, stem):  # type or target is wrong, which is reported in its own place
                stem = f"fault-{index}"
            name, number = stem, 1
            while name in taken:
                number += 1
                name = f"{stem}-{number}"
            taken.add(name)
            named.append({"name": name, **fault})
        else:
            named.append(fault)
    return named


def foreign_keys(type_: str) -> frozenset[str]:
    """The keys that faults of another type have, and those of this one do not."""
    if type_ not in KINDS:
        return frozenset()
    every = {key for kind in KINDS.values() for key in kind.key_names()}
    return frozenset(every - KINDS[type_].key_names())


def why_not_here(type_: str, key: str) -> str | None:
    """Which types have a key that this one does not; None where none has it."""
    owners = [repr(word) for word, kind in KINDS.items() if key in kind.key_names()]
    return f"{key!r} is not for faults of type {type_!r}, only for {listed(owners)}" if owners else None


def windows_of(faults: object) -> frozenset[str]:
    """Those of `before`, `during` and `after` that a raw list of faults makes: `during` needs one that lasts."""
    if not isinstance(faults, list) or not faults:
        return frozenset()
    types = (fault.get("type") if isinstance(fault, dict) else None for fault in faults)
    # What cannot be read is reported in its own place, and must not cost the windows that it may have.
    lasting = any(not isinstance(type_, str) or type_ not in KINDS or KINDS[type_].lasts for type_ in types)
    return frozenset(WINDOWS) if lasting else frozenset(WINDOWS) - {"during"}


def beyond_every_variant(faults: Sequence[Fault], variants: Sequence[FaultedVariant]) -> Iterator[Flaw]:
    """Faults that no variant of the run can have."""
    for place, fault in enumerate(faults):
        if all(variant.lacks(fault.process) for variant in variants):
            yield Flaw(
                (place, "target"),
                f"no variant of this run has a {fault.process} that a fault could hit; add one that has (the embedded "
                "broker cannot be hit), or take the fault out",
            )
        elif not any(fault.concerns(variant) for variant in variants):
            yield Flaw(
                (place, "variants"),
                f"none of these variants has a {fault.process} that a fault could hit; name one that has",
            )


def overlaps(faults: Sequence[Fault], processes: Mapping[str, int | None]) -> Iterator[Flaw]:
    """Process faults that meet the same process at the same time: a killed process cannot be paused."""
    of_processes = [(place, fault) for place, fault in enumerate(faults) if isinstance(fault, ProcessKind)]
    for (_, first), (place, second) in combinations(of_processes, 2):
        shared = _hit(first, processes) & _hit(second, processes)
        together = first.variants is None or second.variants is None or set(first.variants) & set(second.variants)
        if shared and together and _meet(first, second):
            yield Flaw(
                (place, "at"),
                f"{second.type!r} of {min(shared)} {second.when} overlaps {first.type!r} {first.when} "
                f"({first.name}); a process can have one such fault at a time",
            )


def _hit(fault: ProcessKind, processes: Mapping[str, int | None]) -> set[str]:
    """The processes that a fault is on, by name."""
    count = processes.get(fault.process)
    every = [fault.process] if count is None else [f"{fault.process}/{number}" for number in range(count)]
    return {name for name in every if fault.is_on(name)}


def _meet(first: Fault, second: Fault) -> bool:
    """Whether two half-open windows share an instant; one without a duration is the instant itself."""
    same = first.begin_ns == second.begin_ns
    return same or (first.begin_ns < second.end_ns and second.begin_ns < first.end_ns)
