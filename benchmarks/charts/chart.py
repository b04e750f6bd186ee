"""What a chart is: the question it answers, how to read it, and the function that draws it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from benchmarks.charts.run_data import RunData


@dataclass(frozen=True)
class Chart:
    """One chart. `name` is the name of its files; `title` says the finding of a run, `draw` shows it."""

    name: str
    heading: str
    question: str
    how_to_read: str
    title: Callable[[RunData], str]
    draw: Callable[[RunData], Figure]
