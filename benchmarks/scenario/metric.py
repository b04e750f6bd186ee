"""The names of what is measured, and what a threshold or a hypothesis expects of it.

accept_latency_ms.p95{variant:events,window:during}      < 100
└─ name ────────┘ └─┘ └─ tags ─────────────────────┘     └ expectation
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from benchmarks.values.problems import choice_hint

PERCENTILES = ("p50", "p90", "p95", "p99", "p999")
_SUMMARY = (*PERCENTILES, "max", "mean")
WINDOWS = ("before", "during", "after")
TAGS = ("variant", "window", "service")

# The fewest samples of one trial that a percentile is given for.
SMALLEST_SAMPLE: Mapping[str, int] = MappingProxyType({"p99": 1_000, "p999": 10_000})


@dataclass(frozen=True)
class _Shape:
    """The statistics a name needs after its dot, and the tags it can have beside `variant`."""

    stats: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    default_stat: str | None = None


_CATEGORIES = ("pending", "dead_lettered", "lost", "stranded", "unexpected", "duplicated")
_SHAPES: Mapping[str, _Shape] = MappingProxyType(
    {
        "accept_latency_ms": _Shape(_SUMMARY, ("window",)),
        "reply_latency_ms": _Shape(_SUMMARY, ("window",)),
        "service_time_ms": _Shape(_SUMMARY, ("window",)),
        "schedule_delay_ms": _Shape(_SUMMARY, ("window",)),
        "completion_latency_ms": _Shape(_SUMMARY, ("window", "service")),
        "accept_ratio": _Shape(tags=("window",)),
        "slo_ratio": _Shape(tags=("window",)),
        "throughput_per_s": _Shape(tags=("window",)),
        "counts": _Shape(("offered", "sent", "acked", "refused", "failed", "indeterminate", "dropped"), ("window",)),
        "registrations": _Shape(("complete", "recovered", *_CATEGORIES)),
        "effects": _Shape(("expected", "applied", *_CATEGORIES), ("service",)),
        "outstanding_max": _Shape(),
        "consumer_lag_max": _Shape(),
        "drain_s": _Shape(),
        "recovery_s": _Shape(),
        "cpu_ms_per_registration": _Shape(("total",), default_stat="total"),
        "rss_mb_max": _Shape(),
    }
)
METRIC_NAMES = tuple(_SHAPES)

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
            raise ValueError(f"{text!r} is no metric; write name.stat{{tag:value}}, as in accept_latency_ms.p95")
        name, stat, tags = match["name"], match["stat"], match["tags"]
        if name not in _SHAPES:
            raise ValueError(f"{name!r} is no metric; {choice_hint(name, METRIC_NAMES)}")
        shape = _SHAPES[name]
        stat = stat or shape.default_stat
        if stat is None and shape.stats:
            raise ValueError(f"{name!r} needs one of " + ", ".join(f".{choice}" for choice in shape.stats))
        if stat is not None and not shape.stats:
            raise ValueError(f"{name!r} is one figure; leave out {'.' + stat!r}")
        if stat is not None and stat not in shape.stats:
            raise ValueError(f"{name!r} has no {'.' + stat!r}; {choice_hint(stat, shape.stats)}")
        return cls(name, stat, _parse_tags(name, tags or "", ("variant", *shape.tags)))

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

    @property
    def smallest_sample(self) -> int:
        """The fewest arrivals of a trial, in the window, that can give this figure."""
        return SMALLEST_SAMPLE.get(self.stat or "", 1)

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
            raise ValueError(f"{item!r} is no tag; write tag:value, as in window:during")
        if tag not in TAGS:
            raise ValueError(f"{tag!r} is no tag; {choice_hint(tag, TAGS)}")
        if tag not in allowed:
            raise ValueError(f"{name!r} is not kept by {tag}; it can have " + ", ".join(allowed))
        if tag in tags:
            raise ValueError(f"the tag {tag!r} stands twice")
        if tag == "window" and value not in WINDOWS:
            raise ValueError(f"{value!r} is no window; {choice_hint(value, WINDOWS)}")
        tags[tag] = value
    return tuple((tag, tags[tag]) for tag in TAGS if tag in tags)


_OPERATORS: Mapping[str, Callable[[float, float], bool]] = MappingProxyType(
    {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge, "==": operator.eq}
)
_EXPECTATION = re.compile(r"(<=|>=|==|<|>)\s*([-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d{1,3})?)", re.ASCII)


@dataclass(frozen=True)
class Expectation:
    """A comparison with a bound, such as `< 0.5`."""

    op: str
    bound: float

    @classmethod
    def parse(cls, text: str) -> Expectation:
        """Read `< 100`, `<= 1`, `> 0.5`, `>= 0` or `== 0`. Raises ValueError."""
        match = _EXPECTATION.fullmatch(text.strip())
        if match is None:
            raise ValueError(f"{text!r} is no expectation; write <, <=, >, >= or == and a number, as in '< 0.5'")
        bound = float(match[2])
        if not math.isfinite(bound):
            raise ValueError(f"{match[2]!r} is too large a number")
        return cls(match[1], bound)

    def holds(self, value: float) -> bool:
        return _OPERATORS[self.op](value, self.bound)

    def __str__(self) -> str:
        number = repr(self.bound).removesuffix(".0")
        return f"{self.op} {number}"
