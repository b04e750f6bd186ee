"""A comparison as people say it: `508× faster (364–709×)`, `0.990× (0.836–1.17×)`, `97.1 points more (96.0 to 98.2)`.

What may go either way is said as it was measured: only where the whole interval lies on one side is there a direction.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf, isinf
from typing import Literal

from benchmarks.analysis.summary_model import Advantage, Comparison, Interval
from benchmarks.metrics.definition import Nature
from benchmarks.scenario.hypothesis import EstimateKind
from benchmarks.scenario.metric import Metric
from benchmarks.words.numbers import DASH, NBSP, figure, signed

# Below one, and above.
_RATIO_WORDS: Mapping[Nature, tuple[str, str]] = {
    "latency": ("faster", "slower"),
    "time": ("faster", "slower"),
    "count": ("fewer", "more"),
}
_USUAL = ("less", "more")


@dataclass(frozen=True)
class RatioWords:
    """A ratio as it is read. One that is clearly below one is turned round, and `way` says so.

    `size` is its figure, without a unit; `span` its interval, empty where there is none.
    """

    way: Literal["less", "more", "open", "same"]
    size: str
    span: str

    @classmethod
    def of(cls, value: float, interval: Interval | None) -> RatioWords:
        if value > 0 and figure(max(value, 1 / value)) == figure(1):
            return cls("same", figure(1), span_words(interval))
        if value <= 0 or (interval is not None and interval[0] <= 1 <= interval[1]):
            return cls("open", figure(value), span_words(interval))
        if value < 1:
            return cls("less", figure(1 / value), span_words(None if interval is None else _inverted(interval)))
        return cls("more", figure(value), span_words(interval))


def span_words(interval: Interval | None) -> str:
    """The interval of a ratio: `364–709×`, `184× or more` where it has no end, nothing where there is none."""
    if interval is None:
        return ""
    low, high = interval
    return f"{figure(low)}× or more" if isinf(high) else f"{figure(low)}–{figure(high)}×"


def effect_words(found: Comparison) -> str:
    """What the first side does against the second, with the interval over blocks."""
    if found.estimate is None:
        return DASH
    nothing = 1.0 if found.kind == "ratio" else 0.0
    if found.kind != "variant" and found.estimate == nothing and set(found.per_block) <= {nothing}:
        return "equal"
    return sized(found.kind, found.measured, found.estimate, found.ci95)


def advantage_words(found: Advantage) -> str:
    """As `effect_words`, of what speaks for a losing side."""
    metric = Metric.parse(found.metric)
    return sized(metric.definition.comparison, metric, found.estimate, found.ci95)


def sized(kind: EstimateKind, metric: Metric, value: float, interval: Interval | None) -> str:
    """The size of a ratio, of a difference or of one side's figure, with the direction where there is one."""
    if kind == "ratio":
        found = RatioWords.of(value, interval)
        less, more = _RATIO_WORDS.get(metric.definition.nature, _USUAL)
        by_way = {"less": f"× {less}", "more": f"× {more}", "open": "×"}
        text = "the same" if found.way == "same" else f"{found.size}{by_way[found.way]}"
        return f"{text} ({found.span or 'no interval'})"
    scale, unit = scale_of(kind, metric)
    if kind == "variant" or (interval is not None and interval[0] < 0 < interval[1]):
        write = figure if kind == "variant" else signed
        text, ends = f"{write(value * scale)}{unit}", interval
    else:
        text, write = f"{figure(abs(value) * scale)}{unit} {_USUAL[value >= 0]}", figure
        ends = (-interval[1], -interval[0]) if interval is not None and value < 0 else interval
    span = "no interval" if ends is None else " to ".join(write(edge * scale) for edge in ends)
    return f"{text} ({span})"


def scale_of(kind: EstimateKind, metric: Metric) -> tuple[float, str]:
    """What a figure is multiplied by to be read, and its unit after a no-break space; a ratio has none."""
    if kind == "ratio":
        return 1.0, ""
    if metric.definition.nature == "share":
        return 100.0, f"{NBSP}points" if kind == "difference" else f"{NBSP}%"
    return 1.0, f"{NBSP}{metric.definition.unit}".rstrip(NBSP)


def _inverted(interval: Interval) -> Interval:
    low, high = interval
    return 1 / high, 1 / low if low > 0 else inf
