"""A comparison as people say it: `508× faster (364–709×)`, `97.1 points more (96.0 to 98.2)`, `equal`."""

from __future__ import annotations

from collections.abc import Mapping

from benchmarks.analysis.summary_model import Advantage, Comparison, Interval
from benchmarks.metrics.definition import Nature
from benchmarks.scenario.hypothesis import EstimateKind
from benchmarks.scenario.metric import Metric
from benchmarks.words.numbers import DASH, NBSP, figure

# Below one, and above.
_RATIO_WORDS: Mapping[Nature, tuple[str, str]] = {
    "latency": ("faster", "slower"),
    "time": ("faster", "slower"),
    "count": ("fewer", "more"),
}
_USUAL = ("less", "more")


def effect_words(found: Comparison) -> str:
    """What the first side does against the second, with the interval over blocks."""
    if found.estimate is None:
        return DASH
    nothing = 1.0 if found.kind == "ratio" else 0.0
    if found.estimate == nothing and set(found.per_block) <= {nothing}:
        return "equal"
    return sized(found.kind, found.measured, found.estimate, found.ci95)


def advantage_words(found: Advantage) -> str:
    """As `effect_words`, of what speaks for a losing side."""
    metric = Metric.parse(found.metric)
    return sized(metric.definition.comparison, metric, found.estimate, found.ci95)


def sized(kind: EstimateKind, metric: Metric, value: float, interval: Interval | None) -> str:
    """The size and the direction of a ratio, or of a difference of shares; a smaller one is turned round."""
    if kind == "ratio":
        less, more = _RATIO_WORDS.get(metric.definition.nature, _USUAL)
        shown, ends = value, interval
        if value < 1:
            shown, ends = 1 / value, None if interval is None else _inverted(interval)
        text = f"{figure(shown)}× {less if value < 1 else more}"
        return f"{text} (no interval)" if ends is None else f"{text} ({figure(ends[0])}–{figure(ends[1])}×)"
    points = metric.definition.nature == "share"
    scale, unit = (100.0, f"{NBSP}points") if points else (1.0, f"{NBSP}{metric.definition.unit}".rstrip(NBSP))
    sign = -1.0 if value < 0 else 1.0
    text = f"{figure(abs(value) * scale)}{unit} {_USUAL[value >= 0]}"
    if interval is None:
        return f"{text} (no interval)"
    low, high = sorted(sign * edge * scale for edge in interval)
    return f"{text} ({figure(low)} to {figure(high)})"


def _inverted(interval: Interval) -> Interval:
    low, high = interval
    return 1 / high, 1 / low if low > 0 else float("inf")
