"""A fault: what it does, where, when, and to which variants.

latency, error, hang    in a service's work, judged when an attempt begins
kill, pause, restart    on a process of a service or of the API
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from typing import Annotated, Literal, Self, get_args

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo, field_validator, model_validator

from benchmarks.scenario.latency import format_latency
from benchmarks.scenario.metric import WINDOWS
from benchmarks.scenario.problems import Flaw, ValueProblems, choice_hint
from benchmarks.scenario.units import format_ms, format_s
from benchmarks.scenario.values import (
    API,
    NAME,
    DurationMs,
    DurationS,
    Known,
    LastingS,
    LatencyValue,
    Model,
    Name,
    Share,
    Status,
    VariantName,
    given,
    some,
)

WorkFaultType = Literal["latency", "error", "hang"]
ProcessFaultType = Literal["kill", "pause", "restart"]
FaultType = Literal[WorkFaultType, ProcessFaultType]
WORK_TYPES: tuple[str, ...] = get_args(WorkFaultType)
PROCESS_TYPES: tuple[str, ...] = get_args(ProcessFaultType)
FAULT_TYPES: tuple[str, ...] = (*WORK_TYPES, *PROCESS_TYPES)
LASTING_TYPES: tuple[str, ...] = tuple(type_ for type_ in FAULT_TYPES if type_ != "restart")

# The keys that belong to some types only.
_TYPES_OF_KEY = {
    "duration": LASTING_TYPES,
    "latency": ("latency",),
    "jitter": ("latency",),
    "probability": WORK_TYPES,
    "rate": ("error",),
    "status": ("error",),
}
TYPE_KEYS = frozenset(_TYPES_OF_KEY)


class Fault(Model):
    """One fault window of a trial, or for a restart the instant of it.

    `duration_s` is None for the type `restart` only, `latency_ms` (a distribution of milliseconds) is there for the
    type `latency` only. `variants` is None where the fault meets every variant of the run.
    """

    name: Name
    type: FaultType
    target: str  # after the type, which says what can be hit
    at_s: Annotated[DurationS, Field(alias="at")]
    duration_s: Annotated[LastingS | None, BeforeValidator(given), Field(alias="duration")] = None
    latency_ms: Annotated[LatencyValue | None, Field(alias="latency")] = None
    jitter_ms: Annotated[DurationMs, Field(alias="jitter")] = 0.0
    probability: Share = 1.0
    rate: Share = 1.0
    status: Status = 503
    variants: Annotated[tuple[VariantName, ...], AfterValidator(some)] | None = None

    @property
    def end_s(self) -> float:
        """Where the fault has no duration, its instant."""
        return self.at_s + (self.duration_s or 0.0)

    @property
    def begin_ns(self) -> int:
        return round(self.at_s * 1e9)

    @property
    def end_ns(self) -> int:
        return round(self.end_s * 1e9)

    @property
    def is_process(self) -> bool:
        """Whether it happens to a process rather than to the work in it."""
        return self.type in PROCESS_TYPES

    @property
    def service(self) -> str:
        """The service of the target, or `api`, with or without an instance."""
        return self.target.partition("/")[0]

    @property
    def instance(self) -> int | None:
        """The one instance that is hit; None for all of them."""
        _, slash, number = self.target.partition("/")
        return int(number) if slash else None

    @property
    def hit_probability(self) -> float:
        """The share of attempts, begun in the window, that the fault hits."""
        return self.probability * self.rate

    def concerns(self, variant: str) -> bool:
        return self.variants is None or variant in self.variants

    @field_validator("target")
    @classmethod
    def _target_exists(cls, target: str, info: ValidationInfo) -> str:
        # A type that cannot be read is reported in its own place.
        counts = Known.of(info).targets(with_api=info.data.get("type") not in WORK_TYPES)
        name, slash, number = target.partition("/")
        if name in counts and (not slash or _is_instance(number, counts[name])):
            return target
        if name in counts and number.isdecimal():
            count = counts[name]
            raise ValueError(f"{target!r}: {name!r} has {count} instance{'s' * (count > 1)}, counted from 0")
        if name == API:
            raise ValueError(f"{target!r} does no work that could go wrong; only {_listed(PROCESS_TYPES)} can hit it")
        instances = [f"{name}/{number}" for name, count in counts.items() if count > 1 for number in range(count)]
        raise ValueError(f"{target!r} is no target of this scenario; {choice_hint(target, [*counts, *instances])}")

    @field_validator("at_s")
    @classmethod
    def _begins_in_the_run(cls, at_s: float, info: ValidationInfo) -> float:
        run_s = Known.of(info).duration_s
        if run_s is not None and at_s >= run_s:
            raise ValueError(f"the fault begins at {format_s(at_s)}, after the run, which lasts {format_s(run_s)}")
        return at_s

    @field_validator("duration_s")
    @classmethod
    def _ends_in_the_run(cls, duration_s: float | None, info: ValidationInfo) -> float | None:
        run_s, at_s = Known.of(info).duration_s, info.data.get("at_s")
        if duration_s is None or run_s is None or at_s is None:
            return duration_s
        if round((at_s + duration_s) * 1e9) > round(run_s * 1e9):
            ends = format_s(round(at_s + duration_s, 9))
            raise ValueError(f"the fault ends at {ends}, after the run, which lasts {format_s(run_s)}")
        return duration_s

    @model_validator(mode="after")
    def _keys_fit_the_type(self) -> Self:
        flaws = []
        for name, field in type(self).model_fields.items():
            key = field.alias or name
            types = _TYPES_OF_KEY.get(key, FAULT_TYPES)
            if self.type not in types and name in self.model_fields_set:
                flaws.append(
                    Flaw((key,), f"{key!r} is not for faults of type {self.type!r}, only for {_listed(types)}")
                )
        if self.type in LASTING_TYPES and self.duration_s is None:
            flaws.append(Flaw(("duration",), "a fault of this type needs the time until it heals, as in duration: 8s"))
        if self.type == "latency" and self.latency_ms is None:
            flaws.append(
                Flaw(("latency",), "a fault of this type needs the latency that it adds, as in latency: 800ms")
            )
        if flaws:
            raise ValueProblems(flaws)
        return self

    def resolved(self) -> dict[str, object]:
        data: dict[str, object] = {
            "name": self.name,
            "target": self.target,
            "type": self.type,
            "at": format_s(self.at_s),
        }
        if self.duration_s is not None:
            data["duration"] = format_s(self.duration_s)
        if self.latency_ms is not None:
            data |= {"latency": format_latency(self.latency_ms), "jitter": format_ms(self.jitter_ms)}
        if not self.is_process:
            data["probability"] = self.probability
        if self.type == "error":
            data |= {"rate": self.rate, "status": self.status}
        if self.variants is not None:
            data["variants"] = list(self.variants)
        return data


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


def keys_of_type(type_: str) -> frozenset[str]:
    """The keys of a fault that only some types have, and this one does."""
    return frozenset(key for key, types in _TYPES_OF_KEY.items() if type_ in types)


def windows_of(faults: object) -> frozenset[str]:
    """Those of `before`, `during` and `after` that a raw list of faults makes: `during` needs one that lasts."""
    if not isinstance(faults, list) or not faults:
        return frozenset()
    lasting = any(not isinstance(fault, dict) or fault.get("type") != "restart" for fault in faults)
    return frozenset(WINDOWS) if lasting else frozenset(WINDOWS) - {"during"}


def overlaps(faults: Sequence[Fault], instances: Mapping[str, int]) -> Iterator[Flaw]:
    """Process faults that meet the same process at the same time: a killed process cannot be paused."""
    listed = [(place, fault) for place, fault in enumerate(faults) if fault.is_process]
    for (_, first), (place, second) in combinations(listed, 2):
        shared = _processes(first, instances) & _processes(second, instances)
        together = first.variants is None or second.variants is None or set(first.variants) & set(second.variants)
        if shared and together and _meet(first, second):
            yield Flaw(
                (place, "at"),
                f"{second.type!r} of {min(shared)} {_when(second)} overlaps {first.type!r} {_when(first)} "
                f"({first.name}); a process can have one such fault at a time",
            )


def _processes(fault: Fault, instances: Mapping[str, int]) -> set[str]:
    numbers = range(instances.get(fault.service, 0)) if fault.instance is None else [fault.instance]
    return {f"{fault.service}/{number}" for number in numbers}


def _meet(first: Fault, second: Fault) -> bool:
    """Whether two half-open windows share an instant; one without a duration is the instant itself."""
    same = first.begin_ns == second.begin_ns
    return same or (first.begin_ns < second.end_ns and second.begin_ns < first.end_ns)


def _when(fault: Fault) -> str:
    if fault.duration_s is None:
        return f"at {format_s(fault.at_s)}"
    return f"from {format_s(fault.at_s)} to {format_s(round(fault.end_s, 9))}"


def _listed(words: Sequence[str]) -> str:
    quoted = [repr(word) for word in words]
    return " and ".join(filter(None, (", ".join(quoted[:-1]), quoted[-1])))


def _is_instance(number: str, count: int) -> bool:
    return number.isascii() and number.isdecimal() and str(int(number)) == number and int(number) < count
