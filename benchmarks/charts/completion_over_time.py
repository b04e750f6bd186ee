"""How long did it take until all was done, second by second?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.charts import time_lines
from benchmarks.charts.chart import Chart
from benchmarks.charts.sheet import Sheet
from benchmarks.charts.wording import never_done, told, while_clause
from benchmarks.words.numbers import milliseconds

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from benchmarks.charts.run_data import RunData

_TIMED = time_lines.Timed(
    done=True,
    heading="Completion latency of everybody who arrived",
    share_heading="Share of arrivals completed",
    nobody="Nothing was completed: there is no completion latency",
)


def title(data: RunData) -> str:
    medians = data.medians_ms("done")
    return f"{while_clause(data)}, half of the registrations were done within {told(medians, milliseconds, never_done)}"


def draw(data: RunData) -> Figure:
    sheet = Sheet(
        data,
        title(data),
        f"From when an arrival was due to its last effect: p50 (thick) and p95 (thin) of each {data.bin_words}, of all "
        f"who arrived in it; × on top: half were never done; {data.load}, pooled.",
    )
    time_lines.draw(sheet, data, _TIMED, data.scenario.slo.complete_ms)
    return sheet.figure


CHART = Chart(
    name="completion_over_time",
    heading="How long it took until all was done",
    question="How long did it take until everything was done, second by second?",
    how_to_read=(
        "Like the chart of the answers, with the other time: until the last effect was applied. Read the two side by "
        "side. A line that climbs while arrivals are even is a backlog: those who come later wait longer. A line "
        "has a gap (a cross for the median) where that many were never done."
    ),
    title=title,
    draw=draw,
)
