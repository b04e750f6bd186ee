"""Many runs at one glance: a row for each run, a column for each variant, the share within the SLO in each cell.

    summary.json of each run → rows → overview.svg, overview.png, overview.html

The share within the SLO, in the window that a run is about, is the one figure that every scenario has and that no side
can improve by turning people away.
"""

from __future__ import annotations

import html
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.analysis.summary_model import Summary
from benchmarks.charts import palette
from benchmarks.charts.chart import Chart
from benchmarks.words.numbers import DASH, percent, plural

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NAME = "overview"
_QUESTION = "In which scenarios does which variant keep its promise?"
_ROW_PT, _HEAD_PT, _CELL_PT, _VERDICT_PT, _MARGIN_PT = 26.0, 118.0, 66.0, 104.0, 22.0
_TEXT_PT, _SMALL_PT, _TITLE_PT = 10.0, 8.5, 17.0


@dataclass(frozen=True)
class Row:
    """One run; `directory` holds its report."""

    directory: Path
    summary: Summary

    @property
    def window(self) -> str | None:
        return "during" if self.summary.has_window("during") else None

    def share(self, variant: str) -> float | None:
        """The share within the SLO; null where the run did not have the variant."""
        if variant not in self.summary.variants:
            return None
        return self.summary.figure(variant, "slo_ratio", window=self.window)

    @property
    def verdict(self) -> str:
        if not self.summary.valid:
            return "not valid"
        found = self.summary.comparison.verdict if self.summary.comparison else None
        return (found or "no verdict") + (" (disturbed)" if self.summary.disturbed else "")


def runs_in(directory: Path) -> list[Path]:
    """The runs beneath a directory: of each scenario the newest. Raises OSError where it cannot be read."""
    newest: dict[Path, Path] = {}
    for path in sorted(directory.glob("*/*/summary.json")):
        newest[path.parent.parent] = path.parent  # folders are named by their time
    return list(newest.values()) or [path.parent for path in sorted(directory.glob("*/summary.json"))]


def read_rows(runs: Sequence[Path]) -> list[Row]:
    """Raises OSError where a run has no summary, ValueError where it holds none."""
    rows = []
    for run in runs:
        try:
            rows.append(Row(run, Summary.read(run / "summary.json")))
        except ValueError as error:
            raise ValueError(f"{run / 'summary.json'} cannot be read: {error}") from error
    return rows


def variants_of(rows: Sequence[Row]) -> list[str]:
    """The columns: the fixed variants in the order of their colours, then those that scenarios named."""
    known = list(dict.fromkeys(name for row in rows for name in row.summary.variants))
    order = list(palette.VARIANT_COLOURS)
    return sorted(known, key=lambda name: order.index(name) if name in order else len(order))


def write_overview(rows: Sequence[Row], out: Path) -> list[Path]:
    """Draw the heat map and write the page around it into `out`; returns the files. Raises OSError."""
    from benchmarks.charts.output import save, settings

    title = f"Share within the SLO: {plural(len(rows), 'run')}, {plural(len(variants_of(rows)), 'variant')}"
    chart = Chart(NAME, "Overview", _QUESTION, "", lambda _: title, lambda _: draw(rows, title))
    with settings(NAME):
        paths = save(draw(rows, title), chart, title, out)
    page = out / f"{NAME}.html"
    page.write_text(_page(rows, title, out), encoding="utf-8")
    return [*paths, page]


def draw(rows: Sequence[Row], title: str) -> Figure:
    from matplotlib.figure import Figure

    variants = variants_of(rows)
    labels = _labels(rows)
    names = 14 + 6.6 * max(map(len, labels), default=0)
    width = max(2 * _MARGIN_PT + names + _CELL_PT * len(variants) + _VERDICT_PT, 560.0)
    height = _HEAD_PT + _ROW_PT * len(rows) + 2 * _MARGIN_PT
    figure = Figure(figsize=(width / 72, height / 72), dpi=100, facecolor="white")

    def write(x: float, y: float, text: str, **style: object) -> None:
        figure.text(x / width, y / height, text, **{"va": "center", "color": palette.INK, **style})  # type: ignore[arg-type]

    top = height - _MARGIN_PT
    write(_MARGIN_PT, top - 6, title, fontsize=_TITLE_PT, fontweight="bold")
    words = "Accepted and complete in time, of all who arrived; while faults were on where a scenario has some."
    write(_MARGIN_PT, top - 30, words, fontsize=_TEXT_PT, color=palette.QUIET)
    left, first = _MARGIN_PT + names, height - _HEAD_PT
    for column, name in enumerate(variants):
        x = left + _CELL_PT * (column + 0.5)
        style = {"rotation": 25, "ha": "left", "va": "bottom", "fontsize": _SMALL_PT, "fontweight": "bold"}
        colour = palette.ink(palette.VARIANT_COLOURS.get(name, palette.QUIET))
        write(x - 14, first + 4, name, color=colour, **style)
    for number, row in enumerate(rows):
        y = first - _ROW_PT * (number + 0.5)
        write(_MARGIN_PT, y, labels[number], fontsize=_TEXT_PT, fontweight="bold")
        for column, name in enumerate(variants):
            place = (left + _CELL_PT * column, y - _ROW_PT / 2)
            _cell(figure, (width, height), place, row.share(name), present=name in row.summary.variants)
        alarm = palette.ALARM if not row.summary.valid else palette.INK
        write(left + _CELL_PT * len(variants) + 10, y, row.verdict, fontsize=_SMALL_PT, color=alarm)
    return figure


def _labels(rows: Sequence[Row]) -> list[str]:
    """The scenario of each run; of several runs of one, with the folder's name too."""
    names = [row.summary.scenario for row in rows]
    pairs = zip(names, rows, strict=True)
    return [name if names.count(name) == 1 else f"{name} {row.directory.name}" for name, row in pairs]


def _cell(
    figure: Figure, size: tuple[float, float], place: tuple[float, float], share: float | None, *, present: bool
) -> None:
    """A square as dark as its share is low, with the share in figures; an empty one where there is no such variant."""
    from matplotlib.patches import Rectangle

    if not present:
        return
    (width, height), (x, y) = size, place
    fill = palette.FAINT if share is None else palette.share_fill(share)
    corner = ((x + 1) / width, (y + 1) / height)
    box = Rectangle(corner, (_CELL_PT - 2) / width, (_ROW_PT - 2) / height, transform=figure.transFigure)
    box.set(facecolor=fill, edgecolor="none")
    figure.add_artist(box)
    at = ((x + _CELL_PT / 2) / width, (y + _ROW_PT / 2) / height)
    text = DASH if share is None else percent(share)
    figure.text(*at, text, ha="center", va="center", fontsize=_SMALL_PT + 0.5, color=palette.on(fill))


def _page(rows: Sequence[Row], title: str, out: Path) -> str:
    """A small page without scripts: the picture, and a link to each report."""
    links = "\n".join(
        f'<li><a href="{html.escape(Path(os.path.relpath(row.directory / "report.html", out)).as_posix())}">'
        f"{html.escape(row.summary.scenario)}</a>: {html.escape(row.verdict)}</li>"
        for row in rows
    )
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src 'self'">
<title>{html.escape(title)}</title>
<style>body{{font:16px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:70rem;padding:0 1rem}}
img{{max-width:100%}}</style></head>
<body><h1>{html.escape(_QUESTION)}</h1>
<p><img src="{NAME}.svg" alt="{html.escape(title)}"></p>
<ul>
{links}
</ul></body></html>
"""
