"""Was the work done when the reply came? Accept next to completion, so that no fast reply passes for work."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.charts import axis, palette
from benchmarks.charts.chart import Chart
from benchmarks.charts.sheet import LABEL_PT, TICK_PT, Region, Sheet
from benchmarks.charts.wording import never_accepted, never_done, told, while_clause, window_name
from benchmarks.words.numbers import DASH, milliseconds

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from benchmarks.charts.run_data import RunData

_SERVICES_UP_TO = 4  # with more variants than this, only accept and completion fit
_GAP = 0.75  # between groups, in rows
_COLUMN_PT = 56.0  # of the p50 and p95 figures next to the dots


@dataclass(frozen=True)
class _Row:
    """One line of the chart: a variant's p50 and p95 of one time. `y` counts rows downwards."""

    y: float
    group: str
    variant: str
    time: str  # as `RunData.quantile_ms` has it


_Figures = Mapping[tuple[_Row, str], float | None]  # of each row, p50 and p95


def title(data: RunData) -> str:
    clause = while_clause(data)
    accept, done = data.medians_ms("accepted"), data.medians_ms("done")
    if all(value is None for value in (*accept.values(), *done.values())):
        anybody = any(data.figures("accept_ratio").values())
        return f"{clause}, " + ("fewer than half were accepted, or done" if anybody else "nobody was accepted")
    reply = told(accept, milliseconds, never_accepted)
    work = told(done, milliseconds, never_done)
    return f"{clause}, half were accepted within {reply}; all was done for half within {work}"


def draw(data: RunData) -> Figure:
    sheet = Sheet(
        data,
        title(data),
        "From when an arrival was due, of everybody who arrived. Dot: p50; bar: up to p95; an arrow: never for that "
        f"many; geometric means of the trials; {data.load}.",
    )
    panels: list[tuple[str, str | None]] = [("Over the whole run", None)]
    if data.main_window:
        panels = [("Before the fault", "before"), (window_name(data).capitalize(), "during")]
    rows = list(_rows(data))
    figures = [
        {(row, stat): data.quantile_ms(row.variant, row.time, stat, window) for row in rows for stat in ("p50", "p95")}
        for _, window in panels
    ]
    shown_ms = [value for panel in figures for value in panel.values() if value is not None and math.isfinite(value)]
    left, bottom, right, top = sheet.body
    names = sheet.widest(data.variants) + 14
    groups = sheet.widest([row.group for row in rows], weight="bold") + 14
    width = (right - left - groups - names) / len(panels)
    for number, (heading, _) in enumerate(panels):
        x0 = left + groups + names + width * number
        region = (x0, bottom, x0 + width - (18 if number + 1 < len(panels) else 0), top)
        axes = _panel(sheet, data, region, heading, rows, figures[number], shown_ms)
        if number == 0:
            _name_rows(sheet, data, axes, rows, left, groups)
    return sheet.figure


def _rows(data: RunData) -> Iterator[_Row]:
    groups = [("accepted", "accepted")]
    if len(data.variants) <= _SERVICES_UP_TO:
        groups += [(f"{name} done", name) for name in data.services]
    groups.append(("all done", "done"))
    y = 0.0
    for group, time in groups:
        for variant in data.variants:
            yield _Row(y, group, variant, time)
            y += 1
        y += _GAP


def _panel(
    sheet: Sheet,
    data: RunData,
    region: Region,
    heading: str,
    rows: list[_Row],
    figures: _Figures,
    shown_ms: list[float],
) -> Axes:
    x0, y0, x1, y1 = region
    sheet.text(x0, y1, heading, size=LABEL_PT, weight="bold", va="top")
    axes = sheet.axes((x0, y0 + 32, x1 - 2 * _COLUMN_PT - 6, y1 - 34))
    axis.latency(axes, shown_ms, axis="x", most_ticks=int((x1 - x0 - 2 * _COLUMN_PT) / 42))
    if not shown_ms:
        axes.set_xticks([])
    axes.grid(axis="y", visible=False)
    axes.grid(axis="x", color=palette.FAINT, linewidth=0.7)
    axes.set_ylim(rows[-1].y + 0.6, -0.6)
    axes.set_yticks([])
    label = axis.named("time since the arrival was due", shown_ms)
    axes.set_xlabel(label, fontsize=TICK_PT, color=palette.QUIET, labelpad=3)
    for column, stat in enumerate(("p50", "p95")):
        at = x1 - _COLUMN_PT * (1 - column)
        sheet.text(at, y1 - 18, stat, size=TICK_PT, colour=palette.QUIET, ha="right", va="top")
        for row in rows:
            value = figures[row, stat]
            y = sheet.height_of(axes, row.y)
            known = value is not None and math.isfinite(value)
            colour = palette.ink(data.colours[row.variant]) if known else palette.QUIET
            text = milliseconds(value) if known else DASH if value is None else "never"
            sheet.text(at, y, text, colour=colour, ha="right", weight="bold" if stat == "p50" else "normal")
    for row in rows:
        _draw_row(axes, row, data.colours[row.variant], figures[row, "p50"], figures[row, "p95"])
    return axes


def _draw_row(axes: Axes, row: _Row, colour: str, p50: float | None, p95: float | None) -> None:
    edge = axes.get_xlim()[1]
    if p50 is None or p95 is None:
        return
    begin, end = min(p50, edge), min(p95, edge)
    if begin < end:
        axes.plot([begin, end], [row.y, row.y], color=colour, linewidth=4, alpha=0.45, solid_capstyle="butt")
    if math.isinf(p95):
        axes.plot([edge], [row.y], marker=5, markersize=7, color=colour, clip_on=False)  # an arrow's head
    if math.isfinite(p50):
        axes.plot([p50], [row.y], marker="o", markersize=8, color=colour, markeredgecolor="white")


def _name_rows(sheet: Sheet, data: RunData, axes: Axes, rows: list[_Row], left: float, groups: float) -> None:
    for group in dict.fromkeys(row.group for row in rows):
        mine = [row for row in rows if row.group == group]
        sheet.text(left, sheet.height_of(axes, (mine[0].y + mine[-1].y) / 2), group, weight="bold")
        for row in mine:
            colour = palette.ink(data.colours[row.variant])
            sheet.text(left + groups, sheet.height_of(axes, row.y), row.variant, colour=colour)


CHART = Chart(
    name="completion_beside_accept",
    heading="When the reply came, and when the work was done",
    question="Was the work done when the reply came?",
    how_to_read=(
        "The first rows say when people were accepted, the last when everything was done for them; between them, each "
        "service. Where the first is far left of the last, the reply promised work still to be done. All times are of "
        "everybody who arrived, so that they compare: “never” means that this many never got there."
    ),
    title=title,
    draw=draw,
)
