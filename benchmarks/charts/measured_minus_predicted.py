"""What did the wiring add: each registration's measured time less the one that the parameters alone predict."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from benchmarks.charts import axis, palette
from benchmarks.charts.chart import Chart
from benchmarks.charts.sheet import EndLabel, Sheet
from benchmarks.charts.wording import told
from benchmarks.words.numbers import milliseconds

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from benchmarks.charts.run_data import RunData

# The two times, as `summary.residuals` and `residuals.parquet` call them, and the headings of their panels.
_TIMES = {"accept_ms": "Until the answer", "completion_ms": "Until all was done"}
_LOWEST_SHARE = 0.05  # an axis begins where so many have less, and not far below the median: few do not stretch it
_LEAST_MS = 0.01  # a logarithmic axis ends somewhere


def title(data: RunData) -> str:
    medians = {time: {name: _median(data, name, time) for name in data.variants} for time in _TIMES}
    if all(value is None for of_time in medians.values() for value in of_time.values()):
        return "No registration has both a measured and a predicted time"
    answer, done = (told(of_time, milliseconds, "not compared") for of_time in medians.values())
    return f"Beyond what the parameters say, the typical answer took {answer}; until all was done it took {done}"


def draw(data: RunData) -> Figure:
    sheet = Sheet(
        data,
        title(data),
        f"Measured less predicted, of each registration; all trials of a variant together. Dot: p50; {data.load}.",
    )
    curves = [{name: _curve(data, name, time) for name in data.variants} for time in _TIMES]
    known = [curve for panel in curves for curve in panel.values() if curve is not None]
    shown_ms = [value for curve in known for value in (_lowest_ms(curve), float(curve[1][-1]))]
    furthest = max((float(x[-1]) for x, _ in known), default=2.0)
    left, bottom, right, top = sheet.body
    width = (right - left) / len(_TIMES)
    for number, heading in enumerate(_TIMES.values()):
        drawn = {name: curve for name, curve in curves[number].items() if curve is not None}
        labels = [_end(data, name, curve) for name, curve in drawn.items()]
        axes = sheet.panel(
            (left + width * number, bottom, left + width * (number + 1) - (16 if number + 1 < len(_TIMES) else 0), top),
            axis.named(heading, shown_ms),
            x=(0.0, furthest * 1.02),
            end_labels=[label.text for label in labels],
        )
        axis.latency(axes, shown_ms)
        axis.nines(axes, furthest, "share of the registrations")
        for name, (x, values) in drawn.items():
            axes.plot(x, values, color=data.colours[name], linewidth=2.6, solid_capstyle="round")
            half = -np.log10(0.5)
            axes.plot([half], [np.interp(half, x, values)], "o", color=data.colours[name], markeredgecolor="white")
            axis.to_label(axes, (x, values), data.colours[name])
        if not drawn:
            axes.set_yticks([])
            axes.text(0.5, 0.5, "Nothing to compare", transform=axes.transAxes, ha="center", color=palette.QUIET)
        sheet.label_ends(axes, labels)
    return sheet.figure


def _curve(data: RunData, variant: str, time: str) -> axis.Curve | None:
    """The quantiles of a variant's residuals that are on no edge; None without any."""
    rows = data.residuals
    mine = rows[(rows["variant"] == variant) & ~rows["on_edge"].astype(bool)]
    sample = mine[time].dropna().to_numpy(dtype=np.float64)
    if not sample.size:
        return None
    return axis.quantile_curve(sample)


def _lowest_ms(curve: axis.Curve) -> float:
    """Where the axis begins for a curve."""
    low_ms, median_ms = (float(np.interp(-np.log10(1 - share), *curve)) for share in (_LOWEST_SHARE, 0.5))
    return max(low_ms, median_ms / axis.LOG_RATIO, _LEAST_MS)


def _median(data: RunData, variant: str, time: str) -> float | None:
    found = (data.summary.residuals or {}).get(variant)
    if found is None:
        return None
    median: float | None = {"accept_ms": found.accept_ms, "completion_ms": found.completion_ms}[time]["p50"]
    return median


def _end(data: RunData, variant: str, curve: axis.Curve) -> EndLabel:
    """The variant, and the share and the time where its curve ends."""
    last_ms = max(float(curve[1][-1]), _LEAST_MS)
    return EndLabel(last_ms, f"{variant} {axis.reached(curve, last_ms)}", data.colours[variant], bold=True)


CHART = Chart(
    name="measured_minus_predicted",
    heading="What the wiring added",
    question="How much later was each registration answered and done than the parameters alone predict?",
    how_to_read=(
        "The prediction is the same code with the same arrivals and random draws, on a network and a broker that cost "
        "nothing. What the measurement shows beyond that is the wiring, and the machine: the broker, HTTP, the "
        "interpreter, waiting for a processor. Find a share below: for that many it was at most the time where the "
        "line crosses it. The dot is the median; the label says which share and which time the line ends at. On a "
        "logarithmic axis, what was quicker than predicted is below the edge. Registrations whose work met a fault "
        "in only one of the two are left out; the table above counts them."
    ),
    title=title,
    draw=draw,
)
