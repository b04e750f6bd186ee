"""The axes that charts share: seconds, latencies, shares and whole numbers, each with its unit on every tick."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from benchmarks.charts import palette
from benchmarks.charts.sheet import TICK_PT, WIDTH_PT
from benchmarks.words.numbers import milliseconds, nominal_ms, percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis

# From this ratio of the largest to the smallest figure on, a linear axis would flatten one side to nothing.
LOG_RATIO = 20.0
_TICK_ROOM_PT = 40.0
_SHARES = {0.0: "0", 0.5: "50 %", 0.9: "90 %", 0.99: "99 %", 0.999: "99.9 %", 0.9999: "99.99 %", 0.99999: "99.999 %"}
TIME_LABEL = "seconds into the run, by the intended time of the arrival"


# Places on the axis of nines, and milliseconds.
Curve = tuple[NDArray[np.float64], NDArray[np.float64]]
CURVE_POINTS = 240
_BEYOND = 10  # a curve ends where fewer samples are beyond it: it has p99 from 1,000 samples on, p99.9 from 10,000


def needs_log(values_ms: Sequence[float]) -> bool:
    positive = [value for value in values_ms if value > 0]
    return bool(positive) and max(positive) / min(positive) > LOG_RATIO


def named(heading: str, values: Sequence[float]) -> str:
    """`heading`, and that the axis is logarithmic where it will be."""
    return f"{heading} (log scale)" if needs_log(values) else heading


def seconds(axes: Axes, label: str = TIME_LABEL) -> None:
    """The horizontal time axis, with as many ticks as there is room for; without `label` it stays unnamed."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    most = min(13, max(2, int(axes.get_position().width * WIDTH_PT / _TICK_ROOM_PT)))
    axes.xaxis.set_major_locator(MaxNLocator(nbins=most, steps=[1, 2, 5, 10], integer=True))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g} s"))
    if label:
        axes.set_xlabel(label, fontsize=TICK_PT, color=palette.QUIET, labelpad=3)


def latency(axes: Axes, values_ms: Sequence[float], axis: str = "y", most_ticks: int = 12) -> None:
    """Scale one axis to `values_ms`, logarithmically where they span more than `LOG_RATIO`."""
    from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

    on_x = axis == "x"
    target: Axis = axes.xaxis if on_x else axes.yaxis
    limits = axes.set_xlim if on_x else axes.set_ylim
    high = max(values_ms, default=1.0) or 1.0
    if needs_log(values_ms):
        (axes.set_xscale if on_x else axes.set_yscale)("log")
        low, high = min(value for value in values_ms if value > 0) / 1.35, high * 1.35
        limits(low, high)
        target.set_major_locator(FixedLocator(_log_ticks(low, high, most_ticks)))
        target.set_minor_locator(NullLocator())
    else:
        limits(0, high * 1.12)
        target.set_major_locator(MaxNLocator(nbins=min(most_ticks, 6), steps=[1, 2, 5, 10]))
    target.set_major_formatter(FuncFormatter(lambda value, _: nominal_ms(value)))


def _log_ticks(low: float, high: float, most: int) -> list[float]:
    """Round values from `low` to `high`, the densest series that has at most `most` of them."""
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for series in ((1, 2, 5), (1, 3), (1,)):
        ticks = [step * 10.0**decade for decade in decades for step in series if low <= step * 10.0**decade <= high]
        if len(ticks) <= most:
            return ticks
    return ticks[::2]


def share(axes: Axes) -> None:
    """A vertical axis from 0 to 100 %."""
    axes.set_ylim(0, 1)
    axes.set_yticks([0, 0.5, 1], ["0 %", "50 %", "100 %"])


def to_label(axes: Axes, curve: Curve, colour: str) -> None:
    """A dotted line from where a curve ends to the right, where its label is."""
    x, values = curve
    right = axes.get_xlim()[1]
    axes.plot([float(x[-1]), right], [float(values[-1])] * 2, ":", color=colour, linewidth=1.0, alpha=0.7)


def reached(curve: Curve, last_ms: float) -> str:
    """Where a curve of `quantile_curve` ends, at `last_ms`: `27.9 ms (98.9 %)`."""
    return f"{milliseconds(last_ms)} ({percent(1 - 10 ** -float(curve[0][-1]))})"


def nines(axes: Axes, furthest: float, label: str) -> None:
    """A horizontal axis of shares q at -log10(1 - q), up to the place `furthest`: each nine is as wide as the last."""
    places = {-math.log10(1 - share): text for share, text in _SHARES.items()}
    known = {place: text for place, text in places.items() if place <= furthest + 1e-9}
    axes.set_xticks(list(known), list(known.values()))
    axes.grid(axis="x", color=palette.FAINT, linewidth=0.7)
    axes.set_xlabel(label, fontsize=TICK_PT, color=palette.QUIET, labelpad=3)


def quantile_curve(sample_ms: NDArray[np.float64]) -> Curve | None:
    """The quantiles of a sample, over the axis of nines, as far as they are finite; None where none of it is."""
    finite, size = int(np.isfinite(sample_ms).sum()), sample_ms.size
    if not finite:
        return None
    furthest = max(np.log10(size / _BEYOND), np.log10(2.0))
    if finite < size:  # the quantile at the last finite value
        furthest = min(furthest, -np.log10(1 - (finite - 1) / (size - 1)))
    ordered = np.sort(sample_ms)[:finite]
    x = np.linspace(0.0, furthest, CURVE_POINTS)
    return x, np.interp((1 - 10**-x) * (size - 1), np.arange(finite), ordered)


def whole(axes: Axes, highest: float) -> None:
    """A vertical axis of counts from 0."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    axes.set_ylim(0, max(highest, 1) * 1.12)
    axes.yaxis.set_major_locator(MaxNLocator(nbins=5, steps=[1, 2, 5, 10], integer=True))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
