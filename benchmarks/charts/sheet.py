"""One slide: the title that says the finding, what is plotted, the panels, and where the figures come from.

    ┌ NOT VALID: reason ───────────────────────────┐   only for a run that is not valid; a disturbed one says so
    │ Title: the finding                           │
    │ subtitle: what is plotted                    │
    │ panel heading                                │
    │ ├─ fault ─┤                                  │   one strip for each row of fault labels
    │ ┌────────────────────────────────┐           │
    │ │            axes                │ labels    │   next to the lines' ends, moved apart where they would overlap
    │ └────────────────────────────────┘           │
    │ scenario · broker · load                     │
    └──────────────────────────────────────────────┘

All distances are points (1/72 inch), so that what is measured with one renderer holds for the SVG and the PNG alike.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.charts import palette

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    from benchmarks.charts.run_data import FaultSpan, RunData

WIDTH_PT, HEIGHT_PT = 921.6, 518.4  # 12.8 × 7.2 inches: 16:9
MARGIN_PT = 26.0
TITLE_PT, SUBTITLE_PT, HEADING_PT, LABEL_PT, TICK_PT, FOOTER_PT = 17.0, 10.5, 10.5, 10.0, 9.5, 8.0
LINE = 1.32  # line height ÷ font size
_STRIP_PT = 16.0  # one row of fault labels
_LABEL_GAP_PT = 8.0  # from the axes to the labels next to them

_SAMPLE_PT = 20.0  # the piece of a line before its label
Dashes = tuple[int, tuple[float, ...]]  # as matplotlib has them
Region = tuple[float, float, float, float]  # left, bottom, right, top in points from the sheet's lower left corner


@dataclass(frozen=True)
class EndLabel:
    """A label at the right edge, at the data's height `y`; with `dashes`, after a piece of the line it names."""

    y: float
    text: str
    colour: str
    bold: bool = False
    dashes: Dashes | None = None


class Sheet:
    """A figure with its title, subtitle, banner and footer set; `body` is what is left for the panels."""

    def __init__(self, data: RunData, title: str, subtitle: str) -> None:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        self.figure: Figure = Figure(figsize=(WIDTH_PT / 72, HEIGHT_PT / 72), dpi=100, facecolor="white")
        self._canvas: FigureCanvasAgg = FigureCanvasAgg(self.figure)
        top = HEIGHT_PT - MARGIN_PT * 0.8
        disturbed = data.summary.disturbed
        if not data.valid:
            top = self._banner(f"NOT VALID: {data.invalid_reason}", palette.ALARM, "white", "bold")
        elif disturbed is not None:
            top = self._banner(disturbed.sentence, palette.CAUTION, palette.INK, "normal")
        width = WIDTH_PT - 2 * MARGIN_PT
        for text, size, weight, colour in (
            (title, TITLE_PT, "bold", palette.INK),
            (subtitle, SUBTITLE_PT, "normal", palette.QUIET),
        ):
            for line in self.wrap(text, size, width, weight, even=text is title):
                self.text(MARGIN_PT, top, line, size=size, weight=weight, colour=colour, va="top")
                top -= size * LINE
            top -= 3
        self.text(MARGIN_PT, 11, data.source, size=FOOTER_PT, colour=palette.QUIET, va="bottom")
        self.body: Region = (MARGIN_PT, 11 + FOOTER_PT + 10, WIDTH_PT - MARGIN_PT, top - 7)

    # -- text ---------------------------------------------------------------------------------------------------------

    def text(
        self,
        x: float,
        y: float,
        text: str,
        *,
        size: float = LABEL_PT,
        weight: str = "normal",
        colour: str = palette.INK,
        ha: str = "left",
        va: str = "center",
    ) -> None:
        """Write `text` at a point of the sheet."""
        self.figure.text(
            x / WIDTH_PT, y / HEIGHT_PT, text, fontsize=size, fontweight=weight, color=colour, ha=ha, va=va
        )

    def width(self, text: str, size: float = LABEL_PT, weight: str = "normal") -> float:
        """How wide `text` is."""
        from matplotlib.font_manager import FontProperties

        renderer = self._canvas.get_renderer()  # type: ignore[no-untyped-call]
        drawn, _, _ = renderer.get_text_width_height_descent(
            text, FontProperties(size=size, weight=weight), ismath=False
        )
        return float(drawn) * 72 / self.figure.dpi

    def widest(self, texts: Sequence[str], size: float = LABEL_PT, weight: str = "normal") -> float:
        """The width of the widest of `texts`, 0 where there are none."""
        return max((self.width(text, size, weight) for text in texts), default=0.0)

    def wrap(self, text: str, size: float, width: float, weight: str = "normal", *, even: bool = False) -> list[str]:
        """`text` in as few lines no wider than `width` as can be; `even` lines are of about the same length."""
        whole = self.width(text, size, weight)
        if whole <= width:
            return [text]
        best: list[str] = []
        for characters in range(math.ceil(len(text) * width / whole * 1.15), 10, -1):
            lines = textwrap.wrap(text, characters)
            if best and len(lines) > len(best):
                break
            if self.widest(lines, size, weight) <= width:
                best = lines
                if not even:
                    break
        return best or [text]

    # -- panels -------------------------------------------------------------------------------------------------------

    def panel(
        self,
        region: Region,
        heading: str,
        *,
        x: tuple[float, float],
        end_labels: Sequence[str] = (),
        left: float = 44.0,
        bottom: float = 32.0,
        windows: Sequence[FaultSpan] = (),
        name_windows: bool = True,
    ) -> Axes:
        """Axes inside `region`, with room for its heading, ticks, the fault strip and the labels at the right."""
        x0, y0, x1, y1 = region
        if heading:
            self.text(x0, y1, heading, size=HEADING_PT, weight="bold", va="top")
            y1 -= HEADING_PT * LINE + 4
        right = x1 - (self.widest(end_labels, weight="bold") + _LABEL_GAP_PT if end_labels else 6.0)
        rows = self._window_rows(windows, x, (x0 + left, right)) if name_windows else []
        top = y1 - _STRIP_PT * (max((row for _, _, row in rows), default=-1) + 1)
        axes = self.axes((x0 + left, y0 + bottom, right, top))
        axes.set_xlim(*x)
        for window in windows:
            if window.begin_s == window.end_s:  # an instant
                axes.axvline(window.begin_s, color=window.shade.ink, linewidth=1.2, zorder=0)
            axes.axvspan(window.begin_s, window.end_s, facecolor=window.shade.fill, edgecolor="none", zorder=0)
        for window, centre, row in rows:
            y = top + _STRIP_PT * row + 1.5
            scale = (right - x0 - left) / (x[1] - x[0])
            begin, end = (x0 + left + (edge - x[0]) * scale for edge in (window.begin_s, window.end_s))
            self._line((begin, end), (y, y), window.shade.ink)
            for edge in (begin, end):
                self._line((edge, edge), (y - 1.5, y + 3), window.shade.ink)
            self.text(centre, y + 7.5, window.label, size=TICK_PT, weight="bold", colour=window.shade.ink, ha="center")
        return axes

    def axes(self, region: Region) -> Axes:
        """Plain axes that fill `region`."""
        x0, y0, x1, y1 = region
        axes = self.figure.add_axes(
            (x0 / WIDTH_PT, y0 / HEIGHT_PT, (x1 - x0) / WIDTH_PT, max(y1 - y0, 1) / HEIGHT_PT), facecolor="none"
        )
        axes.spines[["top", "right", "left"]].set_visible(False)
        axes.spines["bottom"].set_color(palette.QUIET)
        axes.tick_params(labelsize=TICK_PT, colors=palette.QUIET, length=3, width=0.8)
        axes.tick_params(axis="y", length=0)
        axes.grid(axis="y", color=palette.FAINT, linewidth=0.7)
        axes.set_axisbelow(True)
        return axes

    def point(self, x: float, y: float) -> tuple[float, float]:
        """Points of the sheet from fractions of the figure, as matplotlib gives them."""
        return x * WIDTH_PT, y * HEIGHT_PT

    def label_ends(self, axes: Axes, labels: Sequence[EndLabel]) -> None:
        """Write `labels` at the right edge of `axes`, moved apart, each with a line to where it belongs."""
        box = axes.get_position()
        low, high, edge = box.y0 * HEIGHT_PT, box.y1 * HEIGHT_PT, box.x1 * WIDTH_PT
        wanted = [min(max(self.height_of(axes, label.y), low), high) for label in labels]
        for label, want, y in zip(labels, wanted, spread(wanted, LABEL_PT * 1.25, low, high), strict=True):
            if abs(want - y) > 2:
                self._line((edge, edge + _LABEL_GAP_PT - 2), (want, y), label.colour)
            x = edge + _LABEL_GAP_PT
            if label.dashes is not None:
                self._line((x, x + _SAMPLE_PT), (y, y), label.colour, label.dashes, 2.0)
                x += _SAMPLE_PT + 5
            weight = "bold" if label.bold else "normal"
            self.text(x, y, label.text, weight=weight, colour=palette.ink(label.colour))

    # -- parts --------------------------------------------------------------------------------------------------------

    def _banner(self, words: str, fill: str, colour: str, weight: str) -> float:
        """The strip of a run that is not valid, or disturbed; returns where the title starts."""
        lines = self.wrap(words, HEADING_PT, WIDTH_PT - 2 * MARGIN_PT, weight)[:3]
        height = len(lines) * HEADING_PT * LINE + 12
        strip = self.figure.add_axes((0, 1 - height / HEIGHT_PT, 1, height / HEIGHT_PT), facecolor=fill)
        strip.set(xticks=[], yticks=[])
        strip.spines[:].set_visible(False)
        for number, line in enumerate(lines):
            y = HEIGHT_PT - 7 - number * HEADING_PT * LINE
            self.text(MARGIN_PT, y, line, size=HEADING_PT, weight=weight, colour=colour, va="top")
        return HEIGHT_PT - height - 12

    def _window_rows(
        self, windows: Sequence[FaultSpan], x: tuple[float, float], span: tuple[float, float]
    ) -> list[tuple[FaultSpan, float, int]]:
        """Each window with the centre of its label and the row it fits in without touching another (0 the lowest)."""
        placed: list[tuple[FaultSpan, float, int]] = []
        taken: list[tuple[float, float, int]] = []
        for window in sorted(windows, key=lambda window: window.begin_s):
            scale = (span[1] - span[0]) / (x[1] - x[0])
            begin, end = (span[0] + (at - x[0]) * scale for at in (window.begin_s, window.end_s))
            half = self.width(window.label, TICK_PT, "bold") / 2 + 4
            centre = min(max((begin + end) / 2, span[0] + half), max(WIDTH_PT - MARGIN_PT - half, span[0] + half))
            reach = (min(begin, centre - half), max(end, centre + half))
            row = 0
            while any(reach[0] < right and left < reach[1] for left, right, other in taken if other == row):
                row += 1
            taken.append((*reach, row))
            placed.append((window, centre, row))
        return placed

    def swatch(self, x: float, y: float, style: palette.Style, size: float = 9.0) -> None:
        """A square in an outcome's fill and hatch; `y` is its middle."""
        from matplotlib.patches import Rectangle

        corner = (x / WIDTH_PT, (y - size / 2) / HEIGHT_PT)
        box = Rectangle(corner, size / WIDTH_PT, size / HEIGHT_PT, transform=self.figure.transFigure)
        box.set(facecolor=style.fill, hatch=style.hatch, edgecolor=palette.INK, linewidth=0.4)
        self.figure.add_artist(box)

    def bar(self, x: float, y: float, length: float, height: float, fill: str, hatch: str = "") -> None:
        """A horizontal bar from `x`; `y` is its middle."""
        from matplotlib.patches import Rectangle

        corner = (x / WIDTH_PT, (y - height / 2) / HEIGHT_PT)
        box = Rectangle(corner, length / WIDTH_PT, height / HEIGHT_PT, transform=self.figure.transFigure)
        box.set(facecolor=fill, hatch=hatch, edgecolor="white", linewidth=0)
        self.figure.add_artist(box)

    def rule(self, left: float, right: float, y: float) -> None:
        """A thin line across."""
        self._line((left, right), (y, y), palette.FAINT)

    def height_of(self, axes: Axes, y: float) -> float:
        """Where the data's `y` is on the sheet."""
        _, pixel = axes.transData.transform((axes.get_xlim()[0], y))
        return float(pixel) * 72 / self.figure.dpi

    def _line(
        self,
        x: tuple[float, float],
        y: tuple[float, float],
        colour: str,
        dashes: Dashes = (0, ()),
        width: float = 0.9,
    ) -> None:
        from matplotlib.lines import Line2D

        places = [at / WIDTH_PT for at in x], [at / HEIGHT_PT for at in y]
        self.figure.add_artist(Line2D(*places, color=colour, linewidth=width, linestyle=dashes))


def spread(wanted: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Heights near those `wanted`, at least `gap` apart and inside `low` … `high` where there is room for all.

    Labels that would touch are pooled and centred on the mean of what they wanted (pool adjacent violators).
    """
    order = sorted(range(len(wanted)), key=lambda at: wanted[at])
    if gap * max(len(wanted) - 1, 0) > high - low:
        gap = (high - low) / (len(wanted) - 1)
    pools: list[tuple[float, int]] = []  # the first height of the pool, how many are in it
    for at in order:
        pools.append((min(max(wanted[at], low), high), 1))
        while len(pools) > 1 and pools[-2][0] + gap * pools[-2][1] > pools[-1][0]:
            (first, many), (second, more) = pools[-2], pools.pop()
            centre = (many * (first + gap * (many - 1) / 2) + more * (second + gap * (more - 1) / 2)) / (many + more)
            size = many + more
            start = centre - gap * (size - 1) / 2
            pools[-1] = (min(max(start, low), high - gap * (size - 1)), size)
    heights = [first + gap * number for first, size in pools for number in range(size)]
    placed = [0.0] * len(wanted)
    for at, height in zip(order, heights, strict=True):
        placed[at] = height
    return placed
