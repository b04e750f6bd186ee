"""After the drain, where did every registration that was offered end?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from benchmarks.charts import palette
from benchmarks.charts.chart import Chart
from benchmarks.charts.sheet import HEADING_PT, LABEL_PT, LINE, TICK_PT, Region, Sheet
from benchmarks.charts.wording import told
from benchmarks.words.numbers import count, listed, percent, upper_bound

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from benchmarks.charts.run_data import RunData

# Where the figure is in the summary, what it is called, and what it means.
ENDINGS: tuple[tuple[tuple[str, str], str, str], ...] = (
    (("registrations", "complete"), "complete", "every effect applied exactly once"),
    (("registrations", "recovered"), "recovered", "not accepted, yet complete"),
    (("counts", "refused"), "refused", "told no, and nothing was done"),
    (("counts", "dropped"), "dropped", "never sent by the generator"),
    (("registrations", "pending"), "pending", "still in a log when the drain ran out"),
    (("registrations", "dead_lettered"), "dead-lettered", "set aside: known, not lost"),
    (("registrations", "stranded"), "stranded", "stored, not accepted, an effect missing"),
    (("registrations", "lost"), "lost", "accepted, an effect missing"),
    (("registrations", "unexpected"), "unexpected", "told no, yet an effect was applied"),
    (("registrations", "duplicated"), "duplicated", "an effect applied more than once"),
)
# What the chart calls them: each registration once, by the first that holds (`over_time.ENDINGS`).
_ONCE: Mapping[str, tuple[str, str]] = {
    "complete": ("complete", "every effect applied exactly once"),
    "not_taken": ("not taken", "not accepted, nothing done"),
    **{name: (word, meaning) for (kind, name), word, meaning in ENDINGS if kind == "registrations"},
}
_BAD = ("lost", "stranded", "unexpected", "duplicated")
_MEANING_BESIDE_UP_TO = 2  # variants; with more, what an ending means is below its name
_BARS_UP_TO = 3
_SMALLEST_PT = 3.0  # even one in ten thousand stays visible


def title(data: RunData) -> str:
    """All complete, or what was not: lost and stranded first, since those go unnoticed. Counted as the bars are."""
    summary = data.summary
    ended = {name: data.endings(name) for name in data.variants}
    offered = {name: summary.figure(name, "counts", "offered") or 0 for name in data.variants}
    complete = {name: ended[name].get("complete", 0) for name in data.variants}
    if not any(offered.values()):
        return "No registration was offered"
    if complete == offered:
        return f"Every registration was completed exactly once: {told(offered, count, 'none')}"
    parts = []
    for word in ("lost", "stranded", "pending"):
        numbers = {name: ended[name].get(word, 0) for name in data.variants}
        if any(numbers.values()):
            parts.append(f"{word}: {told(numbers, count, 'unknown', alike=1.0)}")
    shares = {name: complete[name] / offered[name] if offered[name] else None for name in data.variants}
    return f"Complete: {told(shares, percent, 'none offered', alike=1.0)}; " + (
        "; ".join(parts) or "nothing lost, nothing stranded"
    )


def draw(data: RunData) -> Figure:
    sheet = Sheet(
        data,
        title(data),
        f"After the drain, all trials together, each registration once; {data.load}. "
        "This holds against process crash, not power loss.",
    )
    endings = {name: data.endings(name) for name in data.variants}
    shown = [key for key in _ONCE if any(found.get(key) for found in endings.values())]
    sheet.body = _say_what_did_not_occur(sheet, data, shown)
    if len(data.variants) <= _BARS_UP_TO:
        _bars(sheet, data, endings, shown)
    else:
        _matrix(sheet, data, endings, shown)
    return sheet.figure


def _say_what_did_not_occur(sheet: Sheet, data: RunData, shown: Sequence[str]) -> Region:
    """A line at the bottom: which endings did not occur, and how often they may still occur."""
    left, bottom, right, top = sheet.body
    absent = [word for key, (word, _) in _ONCE.items() if key not in shown]
    bounds = [data.summary.variants[name].zero_upper95 for name in data.variants]
    bound = upper_bound(max((bound for bound in bounds if bound is not None), default=None))
    text = f"None ended as {listed(absent)}" + (f": each {bound} of them (95 %)." if bound else ".")
    for line in reversed(sheet.wrap(text, TICK_PT, right - left) if absent else []):
        sheet.text(left, bottom, line, size=TICK_PT, colour=palette.QUIET, va="bottom")
        bottom += TICK_PT * LINE
    return left, bottom + 6, right, top


def _bars(sheet: Sheet, data: RunData, endings: Mapping[str, Mapping[str, int]], shown: Sequence[str]) -> None:
    """One row for each ending, one column for each variant."""
    left, bottom, right, top = sheet.body
    words = sheet.widest([_ONCE[key][0] for key in shown], weight="bold")
    beside = len(data.variants) <= _MEANING_BESIDE_UP_TO
    size = TICK_PT if beside else 7.5
    meanings = sheet.widest([_ONCE[key][1] for key in shown], size)
    names = (words + 12 + meanings if beside else max(words, meanings)) + 20
    width = (right - left - names) / max(len(data.variants), 1)
    row = min((top - bottom - 38) / max(len(shown), 1), 64.0)
    for number, name in enumerate(data.variants):
        x = left + names + width * number
        offered = count(sum(endings[name].values()))
        sheet.text(x, top, name, size=HEADING_PT, weight="bold", colour=palette.ink(data.colours[name]), va="top")
        sheet.text(x, top - 15, f"{offered} offered", size=TICK_PT, colour=palette.QUIET, va="top")
    for number, key in enumerate(shown):
        word, meaning = _ONCE[key]
        y = top - 38 - row * (number + 0.5)
        sheet.rule(left, right, y + row / 2)
        sheet.text(left, y if beside else y + 6, word, weight="bold")
        sheet.text(
            left + words + 12 if beside else left, y if beside else y - 6, meaning, size=size, colour=palette.QUIET
        )
        for column, name in enumerate(data.variants):
            _cell(sheet, data, name, endings[name], key, left + names + width * column, y, width - 16)


def _matrix(sheet: Sheet, data: RunData, endings: Mapping[str, Mapping[str, int]], shown: Sequence[str]) -> None:
    """Many variants: one row for each, one column for each ending, with a bar below what is not zero."""
    left, bottom, right, top = sheet.body
    names = sheet.widest(data.variants, weight="bold") + 16
    columns = ("offered", *shown)
    width = min((right - left - names) / len(columns), 130.0)
    row = min((top - bottom - 24) / len(data.variants), 44.0)
    for column, key in enumerate(columns):
        x = left + names + width * (column + 1)
        word = _ONCE[key][0] if key in _ONCE else key
        sheet.text(x, top, word, size=8.5, weight="bold", colour=palette.QUIET, ha="right", va="top")
    for number, name in enumerate(data.variants):
        y = top - 24 - row * (number + 0.5)
        sheet.rule(left, right, y + row / 2)
        sheet.text(left, y, name, weight="bold", colour=palette.ink(data.colours[name]))
        mine = sum(endings[name].values())
        sheet.text(left + names + width, y, count(mine), ha="right", colour=palette.QUIET)
        for column, key in enumerate(shown, start=1):
            value = endings[name].get(key, 0)
            x = left + names + width * (column + 1)
            colour = palette.ALARM if value and key in _BAD else palette.INK if value else palette.QUIET
            sheet.text(x, y, count(value), ha="right", weight="bold" if value else "normal", colour=colour)
            if value:
                length = max(value / mine * (width - 14), _SMALLEST_PT)
                fill = palette.ALARM if key in _BAD else data.colours[name]
                sheet.bar(x - length, y - 9, length, 3.0, fill)


def _cell(
    sheet: Sheet, data: RunData, variant: str, endings: Mapping[str, int], key: str, x: float, y: float, width: float
) -> None:
    number, offered = endings.get(key, 0), sum(endings.values())
    if number == 0:
        bound = upper_bound(data.summary.variants[variant].zero_upper95)
        sheet.text(x, y, f"0  ({bound})" if bound else "0", colour=palette.QUIET)
        return
    text = f"{count(number)}  ({percent(number / offered)})"
    room = width - sheet.widest([f"{count(offered)}  (> 99.9 %)"], LABEL_PT, "bold") - 8
    length = max(number / offered * room, _SMALLEST_PT)
    fill = palette.ALARM if key in _BAD else data.colours[variant]
    sheet.bar(x, y, length, 12.0, fill, hatch="///" if key in _BAD else "")
    sheet.text(x + length + 6, y, text, weight="bold")


CHART = Chart(
    name="where_each_ended",
    heading="Where each registration ended",
    question="After the drain, where did every registration that was offered end?",
    how_to_read=(
        "Each registration counts once, by the worst that happened to it, so that a column adds up to what was "
        "offered; the table of endings counts overlaps too. Red and hatched: what would go unnoticed. A "
        "zero is shown with the largest rate it leaves possible (95 %)."
    ),
    title=title,
    draw=draw,
)
