"""The axes that charts share: seconds, latencies, shares and whole numbers, each with its unit on every tick."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from benchmarks.charts import palette
from benchmarks.charts.sheet import TICK_PT
from benchmarks.numbers import figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis

# From this ratio of the largest to the smallest figure on, a linear axis would flatten one side to nothing.
LOG_RATIO = 20.0
TIME_LABEL = "seconds into the run, by the intended time of the arrival"


def needs_log(values_ms: Sequence[float]) -> bool:
    positive = [value for value in values_ms if value > 0]
    return bool(positive) and max(positive) / min(positive) > LOG_RATIO


def seconds(axes: Axes, label: str = TIME_LABEL) -> None:
    """The horizontal time axis; without `label` the ticks stay unnamed."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    axes.xaxis.set_major_locator(MaxNLocator(nbins=13, steps=[1, 2, 5, 10], integer=True))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g} s"))
    if label:
        axes.set_xlabel(label, fontsize=TICK_PT, color=palette.QUIET, labelpad=3)


def latency(axes: Axes, values_ms: Sequence[float], axis: str = "y") -> bool:
    """Scale one axis to `values_ms`: logarithmic where they span more than `LOG_RATIO`. Returns whether it is."""
    from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter, NullLocator

    on_x = axis == "x"
    target: Axis = axes.xaxis if on_x else axes.yaxis
    limits = axes.set_xlim if on_x else axes.set_ylim
    log = needs_log(values_ms)
    high = max(values_ms, default=1.0) or 1.0
    if log:
        (axes.set_xscale if on_x else axes.set_yscale)("log")
        low = min(value for value in values_ms if value > 0)
        limits(low / 1.35, high * 1.35)
        wide = high / low > 300
        target.set_major_locator(LogLocator(subs=(1.0,) if wide else (1.0, 2.0, 5.0), numticks=20))
        target.set_minor_locator(LogLocator(subs=(2.0, 5.0), numticks=40) if wide else NullLocator())
        target.set_minor_formatter(NullFormatter())
    else:
        limits(0, high * 1.12)
        target.set_major_locator(MaxNLocator(nbins=6, steps=[1, 2, 5, 10]))
    target.set_major_formatter(FuncFormatter(lambda value, _: tick_ms(value)))
    return log


def tick_ms(value_ms: float) -> str:
    """`50 ms`, `2 s`."""
    return f"{figure(value_ms / 1e3)} s" if value_ms >= 1e3 else f"{value_ms:g} ms"


def share(axes: Axes) -> None:
    """A vertical axis from 0 to 100 %."""
    axes.set_ylim(0, 1)
    axes.set_yticks([0, 0.5, 1], ["0 %", "50 %", "100 %"])


def whole(axes: Axes, highest: float) -> None:
    """A vertical axis of counts from 0."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    axes.set_ylim(0, max(highest, 1) * 1.12)
    axes.yaxis.set_major_locator(MaxNLocator(nbins=5, steps=[1, 2, 5, 10], integer=True))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
