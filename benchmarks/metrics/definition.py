"""What a metric is: one value that says how its figure is measured, combined, named, shown and compared.

    WindowSeries ── measure ──→ part of one trial ─┐
    WindowSeries ── measure ──→ part of another ───┴ combine ──→ what the summary has of one trial, or of several

Metrics are read with every scenario, so nothing here imports an array library before a trial is measured.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from benchmarks.metrics.arrivals import Arrivals
    from benchmarks.metrics.series import WindowSeries

PERCENTILES: Mapping[str, float] = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99, "p999": 0.999}
STATS = (*PERCENTILES, "max", "mean")

# The fewest samples of one trial that a percentile is given for.
SMALLEST_SAMPLE: Mapping[str, int] = {"p99": 1_000, "p999": 10_000}

# What a figure is. Sides are compared by the difference of shares, and by the ratio of all else; latencies are averaged
# on logarithms; what scatters from trial to trial by itself (the first four) has a noise floor.
Nature = Literal["latency", "rate", "cost", "share", "memory", "count", "time"]
Section = Literal["whole", "ended", "cost"]  # of the table

Partial = TypeVar("Partial")
Stats = dict[str, float | None]


@dataclass(frozen=True)
class MetricRow:
    """One row of the table of sides. `missing` says why there is no figure; `better`: which figures are, if any.
    `in_fault`: it stands a second time, for the fault's window.

    `compared`: sides are set against each other beside it. The rest says what more is made of such a figure:
    `listed` among the comparisons that every run has (corrected for their number), `listed_in_fault` among them in the
    fault's window; `watched` for outliers; `planned` by `bench plan`.
    """

    label: str
    stat: str | None = None
    section: Section = "whole"
    better: Literal["low", "high"] | None = None
    missing: str = "not measured"
    in_fault: bool = False
    compared: bool = True
    listed: bool = False
    listed_in_fault: bool = False
    watched: bool = False
    planned: bool = False


def _nothing(_: Sequence[Any]) -> Mapping[str, object]:
    return {}


def _as_it_is(figure: object) -> object:
    return figure


def _no_reason(_: Mapping[str, object]) -> str | None:
    return None


@dataclass(frozen=True)
class Definition(Generic[Partial]):
    """One metric.

    `words` names it in a sentence, with `{stat}` where it has several; `meaning` is its line in the documents, in
    Markdown. `measure` takes one window of one trial (the whole trial counts as one) to what is kept of it, and
    `combine` such parts to the figure: a number, null, or an object with one entry for each of `stats`. With the tag
    `window` it is measured in each of the fault's windows too; with `service` the object holds `by_service`.
    """

    name: str
    nature: Nature
    unit: str
    words: str
    meaning: str
    measure: Callable[[WindowSeries], Partial]
    combine: Callable[[Sequence[Partial]], object]
    stats: tuple[str, ...] = ()
    default_stat: str | None = None
    tags: tuple[str, ...] = ()
    rows: tuple[MetricRow, ...] = ()
    # Of latencies: the milliseconds of every arrival, NaN where it has none.
    each: Callable[[Arrivals], NDArray[np.float64]] | None = None
    # It is about those who got through, and looks the better, the more gave up.
    of_survivors: bool = False
    # It counts from the intended time, so the generator's own lateness is a part of it.
    holds_delay: bool = False
    # A busy machine can only make it worse, and the prediction has it: a disturbed trial gives both its ends.
    bracketed: bool = False
    # Without a fault it is nothing, and has no row.
    needs_fault: bool = False
    # Further keys that stand beside its own.
    beside: Callable[[Sequence[Partial]], Mapping[str, object]] = _nothing
    # One number of a figure that has several entries and no `stats`.
    number: Callable[[Any], object] = _as_it_is
    # Why a variant has no figure, from its part of the summary, where its row's own words are not enough.
    why_missing: Callable[[Mapping[str, object]], str | None] = _no_reason

    @property
    def comparison(self) -> Literal["ratio", "difference"]:
        return "difference" if self.nature == "share" else "ratio"

    @property
    def scatters(self) -> bool:
        return self.nature not in ("count", "time")

    def said(self, stat: str | None) -> str:
        """`accept latency p95`, `dead-lettered registrations`."""
        return self.words.format(stat=(stat or "").replace("_", "-")).strip()
