"""What is printed of a run that has ended: the verdict and its worth, the rows that matter, where the report is."""

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
    from benchmarks.words.brief import Brief
    from benchmarks.words.table import TableRow


def print_summary(summary: Summary, directory: Path, console: Console, *, verbose: bool = False) -> None:
    """The run in ten lines or so; `verbose`: every figure of the sides, and every warning, above them."""
    from benchmarks.words.brief import brief
    from benchmarks.words.summary import (
        broker_caution,
        disturbance_sentence,
        part_sentences,
        repeated_sentences,
        verdict_sentence,
    )
    from benchmarks.words.table import side_by_side
    from benchmarks.words.worth import worth_sentences

    console.print()
    if verbose and summary.variants:
        console.print(_sides(side_by_side(summary), list(summary.variants)))
        for warning in (*repeated_sentences(summary), *summary.warnings):
            console.print(Text("note: ", "yellow") + Text(warning))
        console.print()
    if caution := broker_caution(summary):
        console.print(Text(caution, "bold yellow"))
    console.print(Text(verdict_sentence(summary), "bold"))
    for sentence in part_sentences(summary):
        console.print(Text(sentence))
    if disturbance := disturbance_sentence(summary):
        console.print(Text(disturbance, "yellow"))
    for sentence in worth_sentences(summary):
        console.print(Text(sentence))
    if summary.variants:
        found = brief(summary)
        console.print()
        console.print(Text("; ".join(filter(None, (found.window, found.slo))), "dim"))
        console.print(_rows(found, list(summary.variants)))
        console.print()
        console.print(_lines(found))
        console.print(Text(f"report: {directory / 'report.html'}"), soft_wrap=True)


def _rows(found: Brief, variants: Sequence[str]) -> Table:
    """The rows that matter."""
    from benchmarks.words.brief import short_name, with_unit

    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("")
    for name in variants:
        table.add_column(name, justify="right")
    table.add_column(" against ".join(found.pair or ()))
    for row in found.rows:
        table.add_row(short_name(row, found.window), *with_unit(row), row.effect)
    return table


def _lines(found: Brief) -> Table:
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(style="dim")
    table.add_column()
    for word, text in found.lines:
        style = "yellow" if word in ("note", "finding") else "bold red" if word.endswith("failed") else ""
        table.add_row(word, Text(text, style))
    return table


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
