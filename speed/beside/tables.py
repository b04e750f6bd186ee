"""Figures of interleaved repeats as Markdown: a tool a line with median (smallest … largest), and ours ÷ each peer."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

Figures = Mapping[str, float]
"""Of one run, by name of the figure. What was not told is absent, or NaN on its way in."""


@dataclass
class Collected:
    """All repeats of one mode, in the order in which the tools first came."""

    mode: str
    runs: dict[str, list[Figures]] = field(default_factory=dict)

    @property
    def names(self) -> list[str]:
        """Of every figure that a tool told."""
        return list(dict.fromkeys(name for runs in self.runs.values() for figures in runs for name in figures))

    def add(self, tool: str, figures: Figures) -> None:
        told = {name: value for name, value in figures.items() if not math.isnan(value)}
        self.runs.setdefault(tool, []).append(told)

    def values(self, tool: str, name: str) -> list[float]:
        """One for each repeat, NaN where it is not told."""
        return [figures.get(name, math.nan) for figures in self.runs.get(tool, [])]

    def ratios(self, ours: str, peer: str, name: str) -> list[float]:
        """Ours ÷ theirs, of the same repeat each, those alone that both told."""
        pairs = zip(self.values(ours, name), self.values(peer, name), strict=False)
        return [a / b for a, b in pairs if not math.isnan(a) and not math.isnan(b) and b != 0]


def spread(values: Sequence[float]) -> str:
    """`median (smallest … largest)` with three digits; one value stands alone; `–` for none."""
    told = [value for value in values if not math.isnan(value)]
    if not told:
        return "–"
    middle = _short(statistics.median(told))
    return middle if len(told) == 1 else f"{middle} ({_short(min(told))} … {_short(max(told))})"


def table(collected: Collected, names: Sequence[str]) -> str:
    """A tool a line, a figure a column."""
    lines = [[tool, *(spread(collected.values(tool, name)) for name in names)] for tool in collected.runs]
    return _markdown([[collected.mode, *names], *lines])


def ratio_table(collected: Collected, ours: Sequence[str], names: Sequence[str]) -> str:
    """Ours ÷ each peer, a column for each figure; empty where there is no peer."""
    lines = []
    for mine in ours:
        for peer in collected.runs:
            cells = [spread(collected.ratios(mine, peer, name)) for name in names]
            if peer not in ours and any(cell != "–" for cell in cells):
                lines.append([f"{mine} ÷ {peer}", *cells])
    return _markdown([[collected.mode, *names], *lines]) if lines else ""


def _markdown(lines: Sequence[Sequence[str]]) -> str:
    head, *rest = (f"| {' | '.join(cells)} |" for cells in lines)
    return "\n".join([head, "|---" * len(lines[0]) + "|", *rest])


def _short(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1_000 else f"{value:.3g}"
