"""How much work was left when the last person had come? The time until nothing waited and nothing was at work."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.charts import palette
from benchmarks.charts.chart import Chart
from benchmarks.charts.sheet import LABEL_PT, Sheet
from benchmarks.charts.wording import told
from benchmarks.words.numbers import DASH, nominal_ms

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from benchmarks.charts.run_data import RunData

_ROW_PT = 44.0
_BAR_PT = 14.0


def _drains_ms(data: RunData) -> dict[str, float | None]:
    found = {name: data.summary.figure(name, "drain_s") for name in data.variants}
    return {name: None if seconds is None else round(seconds, 2) * 1000 for name, seconds in found.items()}


def _time(ms: float | None) -> str:
    return DASH if ms is None else nominal_ms(ms)


def title(data: RunData) -> str:
    return f"After the last arrival, work went on for {told(_drains_ms(data), _time, 'an unknown time')}"


def draw(data: RunData) -> Figure:
    sheet = Sheet(data, title(data), f"Until nothing waited and nothing was at work; {data.load}.")
    left, _, right, top = sheet.body
    names = sheet.widest(data.variants, weight="bold") + 16
    drains_ms = _drains_ms(data)
    longest_ms = max((drain_ms for drain_ms in drains_ms.values() if drain_ms), default=1.0)
    room = right - left - names - sheet.widest([nominal_ms(longest_ms)], LABEL_PT, "bold") - 16
    for row, (name, drain_ms) in enumerate(drains_ms.items()):
        y = top - _ROW_PT * (row + 0.5)
        colour = data.colours[name]
        sheet.text(left, y, name, weight="bold", colour=palette.ink(colour))
        length = room * (drain_ms or 0.0) / longest_ms
        sheet.bar(left + names, y, length, _BAR_PT, colour)
        sheet.text(left + names + length + 8, y, _time(drain_ms), weight="bold")
    return sheet.figure


CHART = Chart(
    name="drain_after_load",
    heading="What was left at the end",
    question="How long did work go on after the last arrival?",
    how_to_read="One bar for each variant. A long one is work that replies had promised and that was still to do.",
    title=title,
    draw=draw,
)
