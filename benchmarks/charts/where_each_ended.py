"""After the drain, where did every registration that was offered end?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.charts import palette
from benchmarks.charts.chart import Chart
from benchmarks.charts.sheet import HEADING_PT, LABEL_PT, TICK_PT, Sheet
from benchmarks.charts.wording import told
from benchmarks.numbers import count, percent, upper_bound

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from benchmarks.charts.material import Material

# Where the figure stands in the summary, what it is called, and what it means.
ENDINGS: tuple[tuple[tuple[str, str], str, str], ...] = (
    (("registrations", "complete"), "complete", "every effect applied exactly once"),
    (("registrations", "recovered"), "recovered", "not accepted, yet complete"),
    (("counts", "refused"), "refused", "told no, and nothing was done"),
    (("counts", "dropped"), "dropped", "never sent by the generator"),
    (("registrations", "pending"), "pending", "still in a log when the drain ran out"),
    (("registrations", "dead_lettered"), "dead-lettered", "put aside: known, not lost"),
    (("registrations", "stranded"), "stranded", "stored, not accepted, an effect missing"),
    (("registrations", "lost"), "lost", "accepted, an effect missing"),
    (("registrations", "unexpected"), "unexpected", "told no, yet an effect was applied"),
    (("registrations", "duplicated"), "duplicated", "an effect applied more than once"),
)
_BAD = ("lost", "stranded", "unexpected", "duplicated")
_SMALLEST_PT = 3.0  # even one in ten thousand stays visible


def title(material: Material) -> str:
    """All complete, or what was not: lost and stranded first, since nobody will notice those."""
    summary = material.summary
    offered = {name: summary.figure(name, "counts", "offered") or 0 for name in material.variants}
    complete = {name: summary.figure(name, "registrations", "complete") or 0 for name in material.variants}
    if not any(offered.values()):
        return "No registration was offered"
    if complete == offered:
        return f"Every registration was completed exactly once: {told(offered, count, 'none')}"
    parts = []
    for word in ("lost", "stranded", "pending"):
        numbers = {name: summary.figure(name, "registrations", word) for name in material.variants}
        if any(numbers.values()):
            parts.append(f"{word}: {told(numbers, count, 'unknown')}")
    shares = {name: complete[name] / offered[name] if offered[name] else None for name in material.variants}
    return f"Completed: {told(shares, percent, 'none offered')}; " + ("; ".join(parts) or "nothing lost, nothing stranded")


def draw(material: Material) -> Figure:
    sheet = Sheet(
        material,
        title(material),
        "Every registration offered, after the drain, as the number and share of those offered; all trials together. "
        "Categories may overlap. What was kept, was kept against process crash, not power loss.",
    )
    left, bottom, right, top = sheet.body
    words = sheet.widest([word for _, word, _ in ENDINGS], weight="bold")
    meanings = sheet.widest([meaning for *_, meaning in ENDINGS], TICK_PT)
    stacked = len(material.variants) > 2
    names = (words if stacked else words + 12 + meanings) + 20
    width = (right - left - names) / max(len(material.variants), 1)
    row = (top - bottom - 38) / len(ENDINGS)
    for number, name in enumerate(material.variants):
        x = left + names + width * number
        offered = count(material.summary.figure(name, "counts", "offered"))
        sheet.text(x, top, name, size=HEADING_PT, weight="bold", colour=palette.ink(material.colours[name]), va="top")
        sheet.text(x, top - 15, f"{offered} offered", size=TICK_PT, colour=palette.QUIET, va="top")
    for number, (path, word, meaning) in enumerate(ENDINGS):
        y = top - 38 - row * (number + 0.5)
        sheet.rule(left, right, y + row / 2)
        if stacked:
            sheet.text(left, y + 6, word, weight="bold")
            sheet.text(left, y - 6, meaning, size=7.5, colour=palette.QUIET)
        else:
            sheet.text(left, y, word, weight="bold")
            sheet.text(left + words + 12, y, meaning, size=TICK_PT, colour=palette.QUIET)
        for column, name in enumerate(material.variants):
            _cell(sheet, material, name, path, word, left + names + width * column, y, width - 16)
    return sheet.figure


def _cell(
    sheet: Sheet, material: Material, variant: str, path: tuple[str, str], word: str, x: float, y: float, width: float
) -> None:
    number = material.summary.figure(variant, *path)
    offered = int(material.summary.figure(variant, "counts", "offered") or 0)
    if number is None or not offered:
        sheet.text(x, y, count(number), colour=palette.QUIET)
        return
    if number == 0:
        sheet.text(x, y, f"0  ({upper_bound(offered)})", colour=palette.QUIET)
        return
    text = f"{count(number)}  ({percent(number / offered)})"
    room = width - sheet.widest([f"{count(offered)}  (> 99.9 %)"], LABEL_PT, "bold") - 8
    length = max(number / offered * room, _SMALLEST_PT)
    fill = palette.ALARM if word in _BAD else material.colours[variant]
    sheet.bar(x, y, length, 12.0, fill, hatch="///" if word in _BAD else "")
    sheet.text(x + length + 6, y, text, weight="bold")


CHART = Chart(
    name="where_each_ended",
    heading="Where each registration ended",
    question="After the drain, where did every registration that was offered end?",
    how_to_read=(
        "Bars are shares of the registrations offered, with their number. Red and hatched: what nobody would notice by itself. "
        "A zero stands with the largest rate it leaves possible (95 %)."
    ),
    title=title,
    draw=draw,
)
