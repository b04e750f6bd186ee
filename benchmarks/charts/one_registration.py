"""What happened to one person: a typical registration of each side, from the click to the last effect."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.charts import axis, palette
from benchmarks.charts.chart import Chart
from benchmarks.charts.sheet import LABEL_PT, TICK_PT, Region, Sheet
from benchmarks.charts.wording import window_name
from benchmarks.words.numbers import milliseconds

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from benchmarks.charts.run_data import RunData

_PANELS_UP_TO = 3
_LABEL_ROOM = 1.22  # right of the last end, for its label


@dataclass(frozen=True)
class _Span:
    """One row: name, from when to when, and the moment from which it is work rather than waiting; in milliseconds."""

    name: str
    begin_ms: float
    work_ms: float
    end_ms: float
    verb: str
    marks_ms: tuple[float, ...] = ()


def title(data: RunData) -> str:
    ends = {}
    for name in _shown(data):
        spans = _spans(data, name)
        if spans:
            ends[name] = (spans[0].end_ms, max(span.end_ms for span in spans[1:]) if spans[1:] else spans[0].end_ms)
    if not ends:
        return f"Nothing was completed {window_name(data)}"
    parts = [
        f"with {name} the answer after {milliseconds(answer)}, all done after {milliseconds(done)}"
        for name, (answer, done) in ends.items()
    ]
    return f"A typical registration {window_name(data)}: {'; '.join(parts)}"


def draw(data: RunData) -> Figure:
    sheet = Sheet(
        data,
        title(data),
        f"For each side, the one with the median completion {window_name(data)}, from when it was due. Light: waiting; "
        "solid: at work; ticks: stored, replied (API), settled (services).",
    )
    shown = {name: _spans(data, name) for name in _shown(data)}
    last_ms = max((span.end_ms for spans in shown.values() for span in spans), default=1.0)
    left, bottom, right, top = sheet.body
    names = sheet.widest([span.name for spans in shown.values() for span in spans]) + 12
    height = (top - bottom - 30) / max(len(shown), 1)
    for number, (name, spans) in enumerate(shown.items()):
        y1 = top - height * number
        last = number + 1 == len(shown)
        region = (left + names, y1 - height + 14, right, y1)
        _draw_panel(sheet, data, name, spans, region, last_ms, left, last=last)
    return sheet.figure


def _shown(data: RunData) -> list[str]:
    """The variants: all of a few, else the sides that are compared first."""
    if len(data.variants) <= _PANELS_UP_TO:
        return list(data.variants)
    labels = {part.label for part in data.summary.parts}
    pairs = itertools.permutations(data.variants, 2)
    compared = [name for pair in pairs if {"/".join(pair), "-".join(pair)} & labels for name in pair]
    families = [next((name for name in data.variants if name.startswith(word)), "") for word in ("sync", "events")]
    found = dict.fromkeys(filter(None, compared or families))
    return (list(found) or list(data.variants))[:_PANELS_UP_TO]


def _spans(data: RunData, variant: str) -> list[_Span]:
    """The person, the API, and each service in the order of its effects; empty where nothing was done."""
    found = data.a_typical_one(variant)
    if found is None:
        return []
    trial, index = found
    history = data.rows_of("history", [trial], [index]).iloc[0]
    due_ns = float(history["intended_ns"])
    sent, received, stored, replied, answered = (
        (float(history[f"{name}_ns"]) - due_ns) / 1e6 for name in ("sent", "received", "stored", "replied", "answered")
    )
    spans = []
    if not math.isnan(answered):
        spans.append(_Span("person", 0.0, sent, answered, "answered"))
    if not math.isnan(replied):
        spans.append(_Span("api", received, received, replied, "replied", (stored,)))
    effects = data.rows_of("effects", [trial], [index]).dropna(subset=["applied_ns"]).sort_values("applied_ns")
    first = effects.drop_duplicates("service")
    times_ms = (first[["received_ns", "started_ns", "applied_ns", "settled_ns"]].astype(float) - due_ns) / 1e6
    for service, (begin, started, applied, settled) in zip(first["service"], times_ms.to_numpy(), strict=True):
        marks = () if math.isnan(settled) else (settled,)
        spans.append(_Span(str(service), begin, started, applied, "applied", marks))
    return spans


def _draw_panel(
    sheet: Sheet,
    data: RunData,
    name: str,
    spans: list[_Span],
    region: Region,
    last_ms: float,
    left: float,
    *,
    last: bool,
) -> None:
    x0, y0, x1, y1 = region
    colour = data.colours[name]
    sheet.text(left, y1, name, weight="bold", size=LABEL_PT, colour=palette.ink(colour), va="top")
    axes = sheet.axes((x0, y0, x1, y1 - 18))
    axes.set_ylim(len(spans) - 0.4 if spans else 1, -0.6)
    axes.set_yticks([])
    axis.latency(axes, [last_ms], axis="x")
    axes.set_xlim(0, last_ms * _LABEL_ROOM)
    axes.grid(axis="x", color=palette.FAINT, linewidth=0.7)
    if last:
        axes.set_xlabel("since the arrival was due", fontsize=TICK_PT, color=palette.QUIET, labelpad=3)
    else:
        axes.set_xticklabels([])
    if not spans:
        axes.text(0.5, 0.5, "Nothing was completed", transform=axes.transAxes, ha="center", color=palette.QUIET)
    for row, span in enumerate(spans):
        _draw_span(axes, span, row, colour)
        y = sheet.height_of(axes, row)
        sheet.text(left, y, span.name)
        at = x0 + max(span.end_ms, *span.marks_ms, 0.0) / (last_ms * _LABEL_ROOM) * (x1 - x0) + 6
        sheet.text(at, y, f"{span.verb} {milliseconds(span.end_ms)}", size=TICK_PT, colour=palette.ink(colour))


def _draw_span(axes: Axes, span: _Span, row: int, colour: str) -> None:
    waiting = span.work_ms if span.name != "person" else span.end_ms
    axes.barh(row, waiting - span.begin_ms, left=span.begin_ms, height=0.5, color=colour, alpha=0.3)
    if span.name != "person":
        axes.barh(row, span.end_ms - span.work_ms, left=span.work_ms, height=0.5, color=colour)
    for mark in span.marks_ms:
        axes.plot([mark, mark], [row - 0.36, row + 0.36], color=palette.INK, linewidth=1.2)


CHART = Chart(
    name="one_registration",
    heading="One registration, step by step",
    question="What happened to one person, from the click to the last effect?",
    how_to_read=(
        "For each side, the registration with the median completion, so neither the luckiest nor the worst. The person "
        "waits as long as the first bar. Where a service’s bar ends before the person’s, its work was part of the "
        "wait; where it ends after, the reply promised it. Light parts are queues: what was received and not yet "
        "begun. One registration proves nothing: it shows what the distributions are made of."
    ),
    title=title,
    draw=draw,
)
