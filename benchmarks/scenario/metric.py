"""The names of what is measured, and what a threshold or a hypothesis expects of it.

accept_latency_ms.p95{variant:events,window:during}      < 100
└─ name ────────┘ └─┘ └─ tags ─────────────────────┘     └ expectation
"""

from __future__ import annotations

import itertools
import math
import operator
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from types import MappingProxyType
from typing import Any

from benchmarks.metrics import DEFINITIONS, METRICS
from benchmarks.metrics.definition import PERCENTILES, SMALLEST_SAMPLE, Definition, MetricRow
from benchmarks.values.problems import choice_hint

WINDOWS = ("before", "during", "after")
TAGS = ("variant", "window", "service")

# What other tools call it, and what it is here.
_ELSEWHERE: Mapping[str, str] = MappingProxyType(
    {
        "http_req_duration": "accept_latency_ms.p95",
        "http_req_failed": "accept_ratio",
        "http_req_waiting": "accept_latency_ms.p95",
        "http_reqs": "throughput_per_s",
        "iteration_duration": "accept_latency_ms.p95",
        "iterations": "counts.sent",
        "dropped_iterations": "counts.dropped",
        "checks": "accept_ratio",
        "error_rate": "accept_ratio",
        "success_rate": "accept_ratio",
        "throughput": "throughput_per_s",
        **{
            word.format(p): f"accept_latency_ms.{p}"
            for p in PERCENTILES
            for word in ("{}_latency", "latency_{}", "{}", "{}_ms", "{}_latency_ms")
        },
        "latency": "accept_latency_ms.p95",
        "latency_ms": "accept_latency_ms.p95",
    }
)
# An expression of k6: `p(95)<200`, `avg < 100`, `rate<0.01`.
_OF_K6 = re.compile(r"^\s*(p\(\d|(avg|min|med|max|rate|count)\s*[<>=])")
_INSTEAD_OF_K6 = 'name the figure and give the bound alone, as in accept_latency_ms.p95: ["< 200"]'
# For JSON Schema, whose expressions have no named groups.
METRIC_PATTERN = r"^[a-z_0-9]+(\.[a-z_0-9]+)?\s*(\{[^{}]*\})?$"
_METRIC = re.compile(r"(?P<name>[a-z_0-9]+)(\.(?P<stat>[a-z_0-9]+))?\s*(\{(?P<tags>[^{}]*)\})?", re.ASCII)


@dataclass(frozen=True)
class Metric:
    """One measured figure. `tags` holds pairs in the order of `TAGS`, so that equal metrics compare equal."""

    name: str
    stat: str | None = None
    tags: tuple[tuple[str, str], ...] = ()

    @classmethod
    def parse(cls, text: str) -> Metric:
        """Read `name[.stat][{tag:value,…}]`. Raises ValueError with a sentence that names the nearest valid choice."""
        match = _METRIC.fullmatch(text.strip())
        if match is None:
            if _OF_K6.search(text):
                raise ValueError(f"cannot read {text!r} as a metric; {_INSTEAD_OF_K6}")
            raise ValueError(
                f"cannot read {text!r} as a metric; write name.stat{{tag:value}}, as in accept_latency_ms.p95"
            )
        name, stat, tags = match["name"], match["stat"], match["tags"]
        if name not in DEFINITIONS:
            hint = f"write {_ELSEWHERE[name]!r}" if name in _ELSEWHERE else choice_hint(name, tuple(DEFINITIONS))
            raise ValueError(f"unknown metric {name!r}; {hint}")
        shape = DEFINITIONS[name]
        stat = stat or shape.default_stat
        if stat is None and shape.stats:
            raise ValueError(f"{name!r} needs one of " + ", ".join(f".{choice}" for choice in shape.stats))
        if stat is not None and not shape.stats:
            raise ValueError(f"{name!r} is one figure; leave out {'.' + stat!r}")
        if stat is not None and stat not in shape.stats:
            raise ValueError(f"{name!r} has no {'.' + stat!r}; {choice_hint(stat, shape.stats)}")
        return cls(name, stat, _parse_tags(name, tags or "", ("variant", *shape.tags)))

    @property
    def definition(self) -> Definition[Any]:
        return DEFINITIONS[self.name]

    @property
    def variant(self) -> str | None:
        return self._tag("variant")

    @property
    def window(self) -> str | None:
        """`before`, `during` or `after`; None for the whole trial."""
        return self._tag("window")

    @property
    def service(self) -> str | None:
        return self._tag("service")

    def is_there(self, windows: Collection[str]) -> bool:
        """Whether a run whose faults make these windows can give this figure."""
        return self.window in (None, *windows) and (bool(windows) or not self.definition.needs_fault)

    @property
    def smallest_sample(self) -> int:
        """The fewest arrivals of a trial, in the window, that can give this figure."""
        return SMALLEST_SAMPLE.get(self.stat or "", 1)

    def of(self, figures: Mapping[str, object]) -> float | None:
        """This figure in one variant's (or trial's) part of the summary; null where it has none."""
        path = [("windows", self.window) if self.window else (), (self.name,)]
        path += [("by_service", self.service) if self.service else (), (self.stat,) if self.stat else ()]
        found: object = figures
        for key in itertools.chain.from_iterable(path):
            found = found.get(key) if isinstance(found, Mapping) else None
        if isinstance(found, Mapping):
            found = self.definition.number(found)
        return float(found) if isinstance(found, (int, float)) else None

    def inside(self, window: str) -> Metric:
        """The same figure in a window."""
        return Metric(self.name, self.stat, (("window", window),))

    def like(self, name: str, stat: str | None = None) -> Metric:
        """Another figure of the same window."""
        return Metric(name, stat, tuple(tag for tag in self.tags if tag[0] == "window"))

    def _tag(self, tag: str) -> str | None:
        return dict(self.tags).get(tag)

    def __str__(self) -> str:
        stat = "" if self.stat is None else f".{self.stat}"
        tags = ",".join(f"{tag}:{value}" for tag, value in self.tags)
        return f"{self.name}{stat}{{{tags}}}" if tags else f"{self.name}{stat}"


def _parse_tags(name: str, text: str, allowed: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    tags: dict[str, str] = {}
    for item in filter(None, (part.strip() for part in text.split(","))):
        tag, colon, value = (part.strip() for part in item.partition(":"))
        if not colon or not value:
            raise ValueError(f"cannot read {item!r} as a tag; write tag:value, as in window:during")
        if tag not in TAGS:
            raise ValueError(f"unknown tag {tag!r}; {choice_hint(tag, TAGS)}")
        if tag not in allowed:
            raise ValueError(f"{name!r} is not recorded by {tag}; it can have " + ", ".join(allowed))
        if tag in tags:
            raise ValueError(f"the tag {tag!r} is given twice")
        if tag == "window" and value not in WINDOWS:
            raise ValueError(f"unknown window {value!r}; {choice_hint(value, WINDOWS)}")
        tags[tag] = value
    return tuple((tag, tags[tag]) for tag in TAGS if tag in tags)


def rows() -> Iterator[tuple[MetricRow, Metric]]:
    """The rows of the table of sides, and what each shows, in the order of the table of metrics."""
    for definition in METRICS:
        for row in definition.rows:
            yield row, Metric(definition.name, row.stat)


_OPERATORS: Mapping[str, Callable[[float, float], bool]] = MappingProxyType(
    {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge, "==": operator.eq}
)
_GUARANTEED = ("lost", "stranded", "duplicated")
_EXPECTATION = re.compile(r"(<=|>=|==|<|>)\s*([-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d{1,3})?)\s*(%?)", re.ASCII)

EXPECTATION_PATTERN = rf"^\s*{_EXPECTATION.pattern}\s*$"


@dataclass(frozen=True)
class Expectation:
    """A comparison with a bound, such as `< 0.5`."""

    op: str
    bound: float

    @classmethod
    def parse(cls, text: str) -> Expectation:
        """Read `< 100`, `<= 1`, `> 0.5`, `>= 10%` or `== 0`. Raises ValueError."""
        match = _EXPECTATION.fullmatch(text.strip())
        if match is None:
            if _OF_K6.search(text):
                raise ValueError(f"cannot read {text!r} as an expectation; {_INSTEAD_OF_K6}")
            raise ValueError(
                f"cannot read {text!r} as an expectation; write <, <=, >, >= or == and a number, as in '< 0.5'"
            )
        bound = float(match[2])
        if not math.isfinite(bound):
            raise ValueError(f"{match[2]!r} is too large a number")
        return cls(match[1], float(Decimal(match[2]) / 100) if match[3] else bound)

    def can_hold(self, low: float, high: float) -> bool:
        """Whether any value from `low` to `high` meets it."""
        at = min(max(self.bound, low), high)
        return any(self.holds(value) for value in (low, at, high))

    def holds(self, value: float) -> bool:
        return _OPERATORS[self.op](value, self.bound)

    def forbids_any(self, metric: Metric) -> bool:
        """Whether it says that nothing may be lost, stranded or done twice."""
        counted = metric.stat if metric.name in ("registrations", "effects") else metric.name.removesuffix("_ratio")
        return (self.op, self.bound) == ("==", 0) and counted in _GUARANTEED

    def __str__(self) -> str:
        number = repr(self.bound).removesuffix(".0")
        return f"{self.op} {number}"
