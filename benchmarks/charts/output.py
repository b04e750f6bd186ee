"""How a chart becomes files: the same bytes for the same run, and SVGs that can share one HTML page."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.charts.chart import Chart

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PNG_DPI = 200  # 2560 × 1440 pixels: sharp on a slide

# Verdana and DejaVu Sans have letters of the same width: where one is missing, words keep their width.
_FONTS = "'DejaVu Sans', Verdana, sans-serif"
_ID = re.compile(r'(\bid="|\bhref="#|url\(#)')


@contextmanager
def settings(name: str) -> Iterator[None]:
    """matplotlib's own defaults, whatever the user's files say, with what makes output readable and repeatable."""
    import matplotlib

    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(
            {
                "font.family": "DejaVu Sans",  # comes with matplotlib: the same on every machine
                "text.parse_math": False,  # a dollar sign is a dollar sign
                "svg.fonttype": "none",  # text stays text: it can be searched, read aloud and translated
                "svg.hashsalt": name,
                "hatch.linewidth": 0.6,
            }
        )
        yield


def save(figure: Figure, chart: Chart, title: str, folder: Path) -> list[Path]:
    """Write `<name>.svg` and `<name>.png`; neither holds a date or the writer's version."""
    svg, png = folder / f"{chart.name}.svg", folder / f"{chart.name}.png"
    figure.savefig(svg, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    svg.write_text(_standing_alone(svg.read_text(encoding="utf-8"), chart, title), encoding="utf-8")
    figure.savefig(png, format="png", dpi=PNG_DPI, metadata={"Software": None})
    return [svg, png]


def _standing_alone(svg: str, chart: Chart, title: str) -> str:
    """Ids and styles of its own, so that several can share one page, and words for those who cannot see it."""
    prefix = chart.name.replace("_", "-")
    svg = svg.replace("'DejaVu Sans'", _FONTS)
    svg = _ID.sub(lambda found: f"{found[0]}{prefix}-", svg)
    svg = svg.replace("*{stroke-", f"#{prefix} *{{stroke-", 1)
    words = f"<title>{html.escape(title)}</title>\n <desc>{html.escape(chart.question)}</desc>\n "
    return svg.replace("<svg ", f'<svg id="{prefix}" role="img" ', 1).replace("<defs>", f"{words}<defs>", 1)
