"""How long did the unlucky ones wait: the distribution of the accept latency, stretched towards its tail."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from benchmarks.charts import axis, palette
from benchmarks.charts.chart import Chart
from benchmarks.charts.sheet import EndLabel, Sheet
from benchmarks.charts.wording import accepted_differs, told, while_clause, window_name
from benchmarks.scenario.sample import windows_bounds_ns
from benchmarks.words.numbers import milliseconds

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from benchmarks.charts.run_data import RunData

# How a title names a percentile, and the smallest sample of a trial that it needs.
_STATS = {"p99": ("1 in 100", 1_000), "p95": ("1 in 20", 200), "p90": ("1 in 10", 100), "p50": ("1 in 2", 1)}


def title(data: RunData) -> str:
    if differs := accepted_differs(data):
        return f"{while_clause(data)}, {differs}"
    for stat, (people, smallest) in _STATS.items():
        acked = data.figures("counts", "acked").values()
        if any(0 < (number or 0) < smallest * data.blocks for number in acked):
            continue  # fewer than ten people beyond it: too few to name
        tails = data.figures("accept_latency_ms", stat)
        if any(tail is not None for tail in tails.values()):
            found = told(tails, milliseconds, "accepted too few to say" if stat != "p50" else "accepted nobody")
            return f"{while_clause(data)}, {people} waited longer than {found}"
    return f"{while_clause(data)}, nobody was accepted"


def draw(data: RunData) -> Figure:
    sheet = Sheet(
        data,
        title(data),
        "Share of all who arrived that were accepted within a time. Thin: each trial; thick: geometric mean; "
        f"{data.load}.",
    )
    bounds: list[tuple[str, tuple[int, int] | None]] = [("Over the whole run", None)]
    during = windows_bounds_ns(data.scenario)["during"]
    if data.main_window and during:
        bounds.append((window_name(data).capitalize(), during))
    curves = [{name: _curves(data, name, inside) for name in data.variants} for _, inside in bounds]
    drawn = [values for panel in curves for trials in panel.values() for _, values in trials]
    shown_ms = [float(value) for values in drawn for value in (values[0], values[-1])]
    ends = [[_end(data, name, trials) for name, trials in panel.items() if trials] for panel in curves]
    furthest = max((float(x[-1]) for panel in curves for trials in panel.values() for x, _ in trials), default=2.0)

    left, bottom, right, top = sheet.body
    width = (right - left) / len(bounds)
    for number, ((heading, _), panel, labels) in enumerate(zip(bounds, curves, ends, strict=True)):
        axes = sheet.panel(
            (left + width * number, bottom, left + width * (number + 1) - (16 if number + 1 < len(bounds) else 0), top),
            axis.named(heading, shown_ms),
            x=(0.0, furthest * 1.02),
            end_labels=[label.text for label in labels],
        )
        axis.latency(axes, shown_ms)
        axis.nines(axes, furthest, "share of all who arrived")
        for name, trials in panel.items():
            colour = data.colours[name]
            for x, values in trials:
                axes.plot(x, values, color=colour, linewidth=0.8, alpha=0.45)
            if trials:
                mean = _mean(trials)
                axes.plot(*mean, color=colour, linewidth=2.6, solid_capstyle="round")
                axis.to_label(axes, mean, colour)
        if not labels:
            axes.set_yticks([])
            axes.text(0.5, 0.5, "Nobody was accepted", transform=axes.transAxes, ha="center", color=palette.QUIET)
        sheet.label_ends(axes, labels)
    return sheet.figure


def _curves(data: RunData, variant: str, inside: tuple[int, int] | None) -> list[axis.Curve]:
    """One curve for each trial in which anyone was accepted."""
    curves = (
        axis.quantile_curve(data.times_ms(facts, inside)["accepted"].to_numpy()) for facts in data.facts_of(variant)
    )
    return [curve for curve in curves if curve is not None]


def _mean(trials: list[axis.Curve]) -> axis.Curve:
    """The geometric mean of the curves, as far as all of them reach."""
    x = np.linspace(0.0, min(float(places[-1]) for places, _ in trials), axis.CURVE_POINTS)
    logs = [np.interp(x, places, np.log(np.maximum(values, 1e-3))) for places, values in trials]
    return x, np.exp(np.mean(logs, axis=0))


def _end(data: RunData, variant: str, trials: list[axis.Curve]) -> EndLabel:
    """The variant, and the share and the time where its curve ends."""
    curve = _mean(trials)
    last_ms = float(curve[1][-1])
    return EndLabel(last_ms, f"{variant} {axis.reached(curve, last_ms)}", data.colours[variant], bold=True)


CHART = Chart(
    name="latency_percentiles",
    heading="How long the unlucky ones waited",
    question="How long did the slowest one in ten, in a hundred, in a thousand wait?",
    how_to_read=(
        "Find a share below, for instance 90 %: that many of all who arrived were accepted within the time where the "
        "line crosses it. A line ends at the share accepted, or where fewer than ten people remain beyond it; its "
        "label says which share and which time that is."
    ),
    title=title,
    draw=draw,
)
