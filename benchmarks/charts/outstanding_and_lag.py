"""How much work was under way at each moment, how far consumers were behind, and how long the rest took to drain."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.charts import axis, palette
from benchmarks.charts.chart import Chart
from benchmarks.charts.run_data import FaultSpan
from benchmarks.charts.sheet import Dashes, EndLabel, Sheet
from benchmarks.charts.wording import told
from benchmarks.words.numbers import DASH, NBSP, count

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from benchmarks.charts.run_data import RunData

_POINTS = 240
_DASHES: tuple[Dashes, ...] = ((0, ()), (0, (5, 2)), (0, (1, 1.5)), (0, (5, 1.5, 1, 1.5)))
_GROUPS_NAMED = 1  # with more event variants than this, only each one's largest group is drawn
_SAMPLE_ROOM = "        "  # as wide as the piece of line before a label
_Counts = Mapping[str, list[NDArray[np.float64]]]  # for each variant, an array for each trial
_MARGIN = 1.0  # seconds kept free after the last drain


def title(data: RunData) -> str:
    highest = {name: data.summary.figure(name, "outstanding_max") for name in data.variants}
    drains = {name: _drain_s(data, name) for name in data.variants}
    text = f"At most {told(highest, count, 'unknown')} registrations were under way at once"
    if len(highest) > 1:
        text = f"Registrations under way at once: at most {told(highest, count, 'unknown')}"
    if any(value is not None for value in drains.values()):
        text += f"; the drain took {told(drains, _tenths, 'unknown')}"
    return text


def draw(data: RunData) -> Figure:
    sheet = Sheet(
        data,
        title(data),
        "From when an arrival was due to the later of its answer and its last effect. Thin: each trial; thick: the "
        f"largest of them at each time; dot: the largest of all; {data.load}.",
    )
    end_s = max([facts.end_ns / 1e9 for facts in data.facts] + [data.duration_s])
    x = (0.0, end_s + min(_MARGIN, 0.04 * end_s))
    grid = np.linspace(0.0, x[1], _POINTS)
    load_over = FaultSpan("drain", data.duration_s, x[1], palette.DRAIN)
    windows = [*data.windows, load_over]

    counts = {name: _counts(data, name, grid) for name in data.variants}
    ends = [
        EndLabel(
            float(np.max(trials)), _drain_text(data, name, trials), data.colours[name], bold=True, dashes=_DASHES[0]
        )
        for name, trials in counts.items()
        if len(trials)
    ]
    lags = _lags(data, grid)
    groups = [
        EndLabel(float(peak.max()), f"{label}: max {count(float(peak.max()))}", colour, dashes=dashes)
        for label, colour, dashes, peak in lags
    ]
    texts = [f"{label.text}{_SAMPLE_ROOM}" for label in (*ends, *groups)]

    left, bottom, right, top = sheet.body
    split = bottom + (top - bottom) * 0.42 if lags else bottom
    above = sheet.panel(
        (left, split, right, top),
        "Registrations under way",
        x=x,
        end_labels=texts,
        windows=windows,
        bottom=24 if lags else 32,
    )
    axis.whole(above, max((label.y for label in ends), default=1))
    _draw_counts(data, above, grid, counts)
    axis.seconds(above, label="" if lags else "seconds into the run")
    sheet.label_ends(above, ends)
    if lags:
        heading = "Consumer lag: records past the committed offset" + ("" if _by_group(data) else ", largest group")
        below = sheet.panel(
            (left, bottom, right, split), heading, x=x, end_labels=texts, windows=windows, name_windows=False
        )
        axis.whole(below, max(label.y for label in groups))
        for _, colour, dashes, peak in lags:
            _with_peak(below, grid, peak, colour, 2.0, dashes)
        axis.seconds(below, label="seconds into the run")
        sheet.label_ends(below, groups)
    return sheet.figure


def _draw_counts(data: RunData, axes: Axes, grid: NDArray[np.float64], counts: _Counts) -> None:
    for number, (name, trials) in enumerate(counts.items()):
        colour = data.colours[name]
        for values in trials:
            axes.plot(grid, values, color=colour, linewidth=0.7, alpha=0.35)
        if trials:
            # Lines on top of each other all stay visible: each next one is thinner.
            width = min(1.8 + 2.0 * (len(counts) - 1 - number), 6.0)
            _with_peak(axes, grid, np.max(trials, axis=0), colour, width, _DASHES[0])


def _with_peak(
    axes: Axes, grid: NDArray[np.float64], values: NDArray[np.float64], colour: str, width: float, dashes: Dashes
) -> None:
    """A line, and a dot where it is highest: the figure that its label names."""
    axes.plot(grid, values, color=colour, linewidth=width, linestyle=dashes)
    highest = int(values.argmax())
    axes.plot([grid[highest]], [values[highest]], "o", color=colour, markersize=7, markeredgecolor="white")


def _counts(data: RunData, variant: str, grid: NDArray[np.float64]) -> list[NDArray[np.float64]]:
    """The largest number outstanding from each time of the grid to the next, one array for each trial."""
    trials = []
    for facts in data.facts_of(variant):
        series = data.outstanding_of(facts)
        t_s, number = series["t_s"].to_numpy(), series["count"].to_numpy(dtype=np.float64)
        first = np.searchsorted(t_s, grid, side="right") - 1  # what holds as an interval begins
        highest = np.maximum.reduceat(number, np.clip(first, 0, len(number) - 1))
        trials.append(highest)
    return trials


def _drain_s(data: RunData, variant: str) -> float | None:
    """The mean drain to a tenth of a second: an end is noticed by asking again and again, which takes its time."""
    drain_s = data.summary.figure(variant, "drain_s")
    return None if drain_s is None else round(drain_s, 1)


def _tenths(value_s: float | None) -> str:
    return DASH if value_s is None else f"{value_s:.1f}{NBSP}s"


def _drain_text(data: RunData, variant: str, trials: list[NDArray[np.float64]]) -> str:
    highest = count(float(np.max(trials)))
    drain_s = _drain_s(data, variant)
    drained = "" if drain_s is None else f", drain {_tenths(drain_s)}"
    return f"{variant}: max {highest}{drained}"


Lag = tuple[str, str, Dashes, NDArray[np.float64]]


def _by_group(data: RunData) -> bool:
    return data.lag["variant"].nunique() <= _GROUPS_NAMED


def _lags(data: RunData, grid: NDArray[np.float64]) -> list[Lag]:
    """The lines of the lower panel: label, colour, dashes, and the largest of the trials at each time."""
    lag = data.lag
    lag = lag[(lag["t_ns"] >= 0) & lag["lag"].notna()] if len(lag) else lag
    lines: list[Lag] = []
    for variant in data.variants:
        mine = lag[lag["variant"] == variant]
        groups = list(dict.fromkeys(mine["group"]))
        if groups and not _by_group(data):
            mine = mine.groupby(["trial", "t_ns"], as_index=False)["lag"].max().assign(group=variant)
            groups = [variant]
        for number, group in enumerate(groups):
            trials = [_sampled(trial, grid) for _, trial in mine[mine["group"] == group].groupby("trial")]
            dashes = _DASHES[number % len(_DASHES)]
            lines.append((str(group), data.colours[variant], dashes, np.max(trials, axis=0)))
    return lines


def _sampled(trial: pd.DataFrame, grid: NDArray[np.float64]) -> NDArray[np.float64]:
    ordered = trial.sort_values("t_ns")
    t_s = ordered["t_ns"].to_numpy(dtype=np.float64) / 1e9
    lag = ordered["lag"].to_numpy(dtype=np.float64)
    # Every sample counts, also one between two points of the grid: its peak is the figure of the summary.
    found: NDArray[np.float64] = np.interp(grid, t_s, lag)
    np.maximum.at(found, np.clip(np.searchsorted(grid, t_s, side="right") - 1, 0, len(grid) - 1), lag)
    return found


CHART = Chart(
    name="outstanding_and_lag",
    heading="Work under way, and the drain",
    question="How much work piled up, how far behind were the consumers, and how long did the rest take?",
    how_to_read=(
        "A line that climbs while the load is even is a backlog. After the last arrival (grey) no more comes in: the "
        "time until all is at rest is the drain. Both sides are counted by the same rule; lag is what the broker still "
        "held. The label of a line is at the height of its dot, its peak."
    ),
    title=title,
    draw=draw,
)
