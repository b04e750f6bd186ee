"""What were people told, second by second: yes, yes but late, no, or nothing?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from benchmarks.charts import axis, palette
from benchmarks.charts.chart import Chart
from benchmarks.charts.sheet import HEADING_PT, LABEL_PT, LINE, Sheet
from benchmarks.charts.wording import told, while_clause
from benchmarks.words.numbers import count, nominal_ms, percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from benchmarks.charts.run_data import RunData

_COLUMNS_FROM = 4  # from this many variants on, two columns
_LEGEND_ROW_PT = LABEL_PT * 1.5


def title(data: RunData) -> str:
    """Who was accepted at all, and in time, in the window that the run is about."""
    clause, slo = while_clause(data), nominal_ms(data.scenario.slo.accept_ms)
    acked = data.figures("accept_ratio")
    in_time = {name: data.share_in_time(name) for name in data.variants}
    if all(share == 1 for share in in_time.values()):
        return f"{clause}, every arrival was accepted within {slo}"
    if all(share == 1 for share in acked.values()):
        return f"{clause}, everyone was accepted; within {slo}: {told(in_time, percent, 'unknown', alike=1.0)}"
    if all(share == 0 for share in acked.values()):
        return f"{clause}, nobody was accepted"
    every, timely = (told(shares, percent, "unknown", alike=1.0) for shares in (acked, in_time))
    return f"{clause}, accepted: {every}; within {slo}: {timely}"


def draw(data: RunData) -> Figure:
    sheet = Sheet(
        data,
        title(data),
        f"How the arrivals of each {data.bin_words} ended, as shares; {data.load}, pooled. "
        "Next to the panels: the whole run.",
    )
    columns = 1 if len(data.variants) < _COLUMNS_FROM else 2
    rows = -(-len(data.variants) // columns)
    left, bottom, right, top = sheet.body
    width, height = (right - left) / columns, (top - bottom) / rows
    endings = {name: data.endings_over_time(name) for name in data.variants}
    legends = {name: _legend(data, endings[name]) for name in data.variants}
    for number, name in enumerate(data.variants):
        column, row = divmod(number, rows)
        last = row == rows - 1 or number == len(data.variants) - 1
        x1 = left + width * (column + 1) - (14 if column + 1 < columns else 0)
        y0 = top - height * (row + 1)
        legend = legends[name]
        every = [f"    {text}" for entries in legends.values() for _, text in entries]
        axes = sheet.panel(
            (left + width * column, y0, x1, y0 + height - (8 if row else 0)),
            "",
            x=(0.0, data.duration_s),
            end_labels=[*every, name],
            windows=data.windows,
            name_windows=row == 0 and column == 0,
            bottom=32.0 if last else 20.0,
        )
        _stack(data, axes, endings[name])
        for window in data.windows:
            for edge_s in (window.begin_s, window.end_s):
                axes.axvline(edge_s, color=window.shade.ink, linewidth=1.0, linestyle=(0, (3, 2)))
        axis.share(axes)
        axis.seconds(axes, label=(axis.TIME_LABEL if columns == 1 else "seconds into the run") if last else "")
        box = axes.get_position()
        x, y = sheet.point(box.x1, box.y1)
        sheet.text(x + 10, y, name, size=HEADING_PT, weight="bold", colour=palette.ink(data.colours[name]), va="top")
        room = height - HEADING_PT * LINE - 12
        pitch = min(_LEGEND_ROW_PT, room / max(len(legend), 1))
        size = min(LABEL_PT, pitch / 1.2)
        y -= HEADING_PT * LINE + pitch / 2 + 2
        for style, text in legend:
            sheet.swatch(x + 10, y, style, size=size - 1)
            sheet.text(x + 24, y, text, size=size)
            y -= pitch
    return sheet.figure


def _legend(data: RunData, endings: pd.DataFrame) -> list[tuple[palette.Style, str]]:
    """Only what occurred, with how many and what share."""
    number, every = endings.groupby("ending")["number"].sum(), endings["number"].sum()
    slo = nominal_ms(data.scenario.slo.accept_ms)
    names = {"acked": f"accepted within {slo}", "acked late": "accepted, but later"}
    return [
        (style, f"{names.get(key, style.label)}: {count(number[key])} ({percent(number[key] / every)})")
        for key, style in palette.OUTCOME_STYLES.items()
        if key in number
    ]


def _stack(data: RunData, axes: Axes, endings: pd.DataFrame) -> None:
    known = endings.dropna(subset=["ending"])
    table = known.pivot_table(index="bin", columns="ending", values="number", aggfunc="sum", fill_value=0)
    share = table.div(endings.groupby("bin")["number"].sum(), axis=0).dropna()
    begin_s = share.index.to_numpy(dtype=float) * data.bin_s
    floor = np.zeros(len(share))
    for key, style in palette.OUTCOME_STYLES.items():
        if key not in share:
            continue
        height = share[key].to_numpy(dtype=float)
        axes.bar(
            begin_s,
            height,
            width=data.bin_s,
            bottom=floor,
            align="edge",
            facecolor=style.fill,
            edgecolor="white" if not style.hatch else palette.INK,
            hatch=style.hatch,
            linewidth=0.4 if not style.hatch else 0.0,
        )
        floor = floor + height


CHART = Chart(
    name="outcomes_over_time",
    heading="What people were told",
    question="What were people told, second by second: yes, yes but late, no, or nothing?",
    how_to_read=(
        "Each column is a stretch of time, split by how its arrivals ended. Refused: told no, and nothing was done. "
        "Failed: told no after work may have begun. Indeterminate: no answer in time. Dropped: the generator could not "
        "send it."
    ),
    title=title,
    draw=draw,
)
