"""What is printed of a run that has ended: the sides next to each other, the verdict, and where the report is."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

from benchmarks.words.numbers import DASH

if TYPE_CHECKING:
    from benchmarks.analysis.summary_model import Summary
    from benchmarks.words.table import TableRow


def print_summary(summary: Summary, directory: Path, console: Console) -> None:
    """The sides next to each other, the verdict in one sentence, and where the report is."""
    from benchmarks.words.summary import broker_caution, repeated_sentences, verdict_sentence
    from benchmarks.words.table import side_by_side

    variants = list(summary.variants)
    if variants:
        console.print()
        if caution := broker_caution(summary):
            console.print(Text(caution, "bold yellow"))
            console.print()
        console.print(_sides(side_by_side(summary), variants))
        console.print()
    for sentence in repeated_sentences(summary):
        console.print(Text("note: ", "yellow") + Text(sentence))
    console.print(Text(verdict_sentence(summary), "bold"))
    if variants:
        console.print(Text(f"report: {directory / 'report.html'}"), soft_wrap=True)


def _sides(rows: Sequence[TableRow], variants: Sequence[str]) -> Table:
    """The table of the sides, a heading above each section, without the rows that say nothing of any side."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("")
    for name in variants:
        table.add_column(name, justify="right")
    table.add_column("difference", style="dim")
    section = ""
    for row in rows:
        if all(cell.text.startswith(DASH) for cell in row.cells.values()):
            continue
        if row.section != section:
            section = row.section
            table.add_row()
            table.add_row(Text(section, "bold"))
        name = f"  {row.name} ({row.unit})" if row.unit else f"  {row.name}"
        table.add_row(name, *row.values, row.comparison)
    return table
