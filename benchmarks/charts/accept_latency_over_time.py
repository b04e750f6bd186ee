"""How long did people wait for their answer, second by second?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.charts import time_lines
from benchmarks.charts.chart import Chart
from benchmarks.charts.sheet import Sheet
from benchmarks.charts.wording import accepted_differs, told, while_clause
from benchmarks.words.numbers import milliseconds

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from benchmarks.charts.run_data import RunData

_TIMED = time_lines.Timed(
    done=False,
    heading="Accept latency of everybody who arrived",
    share_heading="Share of arrivals accepted",
    nobody="Nobody was accepted: there is no accept latency",
)


def title(data: RunData) -> str:
    medians = data.figures("accept_latency_ms", "p50")
    if all(median is None for median in medians.values()):
        return f"{while_clause(data)}, nobody was accepted"
    if differs := accepted_differs(data):
        return f"{while_clause(data)}, {differs}"
    return f"{while_clause(data)}, the median answer took {told(medians, milliseconds, 'accepted nobody')}"


def draw(data: RunData) -> Figure:
    sheet = Sheet(
        data,
        title(data),
        f"From when an arrival was due to its reply: p50 (thick) and p95 (thin) of each {data.bin_words}, of all who "
        f"arrived in it; × on top: half never got a yes; {data.load}, pooled.",
    )
    time_lines.draw(sheet, data, _TIMED, data.scenario.slo.accept_ms)
    return sheet.figure


CHART = Chart(
    name="accept_latency_over_time",
    heading="How long people waited for their answer",
    question="How long did people wait for their answer, second by second?",
    how_to_read=(
        "Thick lines are each second’s median, thin ones its 95th percentile, of everybody who arrived: those who were "
        "turned away wait for ever, and a line has a gap (a cross for the median) where that many did. Shaded: the "
        "fault. Dashed: the promise (SLO). The panel below shows how many were accepted at all."
    ),
    title=title,
    draw=draw,
)
