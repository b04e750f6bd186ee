"""What did each side cost the machine: processor time by process, and memory?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, cast

from benchmarks.charts import palette
from benchmarks.charts.chart import Chart
from benchmarks.charts.sheet import LABEL_PT, TICK_PT, Region, Sheet
from benchmarks.charts.wording import told
from benchmarks.words.numbers import NBSP, figure, milliseconds

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from benchmarks.charts.run_data import RunData

# The two figures, as the summary calls them, with the unit and the heading of their panels.
_PANELS = (
    ("cpu_ms_per_registration", "ms", "CPU per completed registration"),
    ("rss_mb_max", "MB", "Peak memory of each process"),
)
_FIGURE_PT = 62.0  # the sum next to a bar
_KEY_PT = LABEL_PT * 1.9


def title(data: RunData) -> str:
    totals = {name: data.summary.figure(name, "cpu_ms_per_registration", "total") for name in data.variants}
    memory = {name: data.summary.figure(name, "rss_mb_max") for name in data.variants}
    cpu = told(totals, milliseconds, "without a total")
    return f"CPU per completed registration: {cpu}; memory: {told(memory, _megabytes, 'not sampled')}"


def draw(data: RunData) -> Figure:
    sheet = Sheet(
        data,
        title(data),
        f"API, services and broker, without the load generator; CPU until the end of the drain; {data.load}.",
    )
    parts = {metric: {name: _by_role(data, name, metric) for name in data.variants} for metric, *_ in _PANELS}
    every = [role for of_all in parts.values() for of_one in of_all.values() for role in of_one]
    roles = [role for role in ("api", *data.services, "broker") if role in every]
    roles += [role for role in dict.fromkeys(every) if role not in roles]
    fills = palette.process_colours(roles)
    left, bottom, right, top = sheet.body
    _draw_key(sheet, roles, fills, top)
    names = sheet.widest(data.variants, weight="bold") + 14
    width = (right - left - names) / len(_PANELS)
    for number, (metric, unit, heading) in enumerate(_PANELS):
        x0 = left + names + width * number
        region = (x0, bottom, x0 + width - 16, top - _KEY_PT - 6)
        _draw_panel(sheet, data, region, f"{heading} ({unit})", parts[metric], fills, left if number == 0 else None)
    return sheet.figure


def _draw_key(sheet: Sheet, roles: list[str], fills: Mapping[str, str], top: float) -> None:
    x = sheet.body[0]
    for role in roles:
        sheet.swatch(x, top - LABEL_PT / 2, palette.Style(role, fills[role], ""))
        sheet.text(x + 14, top - LABEL_PT / 2, role)
        x += sheet.width(role) + 34


def _draw_panel(
    sheet: Sheet,
    data: RunData,
    region: Region,
    heading: str,
    parts: Mapping[str, Mapping[str, float]],
    fills: Mapping[str, str],
    names_at: float | None,
) -> None:
    """A bar for each variant, made of its processes; with `names_at`, the variants' names there."""
    x0, bottom, x1, top = region
    sheet.text(x0, top, heading, size=LABEL_PT, weight="bold", va="top")
    row = min((top - 24 - bottom) / len(parts), 110.0)
    most = max((sum(part.values()) for part in parts.values()), default=0.0) or 1.0
    for number, (name, by_role) in enumerate(parts.items()):
        y = top - 24 - row * (number + 0.5)
        if names_at is not None:
            sheet.text(names_at, y, name, weight="bold", colour=palette.ink(data.colours[name]))
        x = x0
        for role, fill in fills.items():
            length = by_role.get(role, 0.0) / most * (x1 - x0 - _FIGURE_PT)
            sheet.bar(x, y, length, min(row * 0.6, 46.0), fill)
            text = figure(by_role.get(role))
            if length > sheet.width(text, TICK_PT) + 6 and row > TICK_PT * 1.4:
                sheet.text(x + length / 2, y, text, size=TICK_PT, ha="center", colour=palette.on(fill))
            x += length
        text = figure(sum(by_role.values())) if by_role else "not sampled"
        sheet.text(x + 6, y, text, weight="bold" if by_role else "normal")


def _by_role(data: RunData, variant: str, metric: str) -> dict[str, float]:
    """What each kind of process took, its instances together."""
    found = data.summary.variants[variant].figures.get(metric)
    if metric == "cpu_ms_per_registration" and isinstance(found, Mapping):
        found = found["by_process"]
    by_role: dict[str, float] = {}
    for process, value in cast(Mapping[str, float | None], found or {}).items():
        role = process.split("/", maxsplit=1)[0]
        by_role[role] = by_role.get(role, 0.0) + (value or 0.0)
    return by_role


def _megabytes(value: float | None) -> str:
    return f"{figure(value)}{NBSP}MB"


CHART = Chart(
    name="cost",
    heading="What it cost",
    question="What did each side cost the machine?",
    how_to_read=(
        "Each bar consists of its processes, all instances of one together; the figure at its end is the sum. Memory "
        "is the peak of each process; peaks need not coincide. The broker’s share includes what it would "
        "have used when idle: less per registration under more load. An external broker is not measured: the "
        "bar then lacks it."
    ),
    title=title,
    draw=draw,
)
