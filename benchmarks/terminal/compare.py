"""`bench compare`: what it prints of two runs, and how it exits."""

from __future__ import annotations

import json
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from benchmarks.analysis.run_comparison import (
    DamagedRunError,
    MetricChange,
    NoRunError,
    RunComparison,
    StoredRun,
    comparison_of_runs,
)
from benchmarks.analysis.summary_model import plain
from benchmarks.exit_code import ExitCode
from benchmarks.terminal.console import complain
from benchmarks.words.run_comparison import change_cells, run_comparison_sentence, stated_words

_HEADINGS = ("old", "new", "new ÷ old", "95 % interval", "p, Holm", "")


def compare_runs(old: Path, new: Path, console: Console, complaints: Console, *, as_json: bool) -> ExitCode:
    """Print what changed from one run to another. Returns the exit code: see docs/statistics.md."""
    try:
        found = comparison_of_runs(StoredRun.read(old), StoredRun.read(new))
    except NoRunError as error:
        return _refused(complaints, str(error), "give two directories of runs, such as results/latest", ExitCode.USAGE)
    except DamagedRunError as error:
        return _refused(complaints, str(error), "`bench report` with that directory may mend it", ExitCode.ENVIRONMENT)
    if as_json:
        print(json.dumps(plain(found.as_dict()), indent=1, ensure_ascii=False))
    for reason in found.refused:
        complain(complaints, f"not comparable: {reason}", "")
    for reason in found.invalid:
        complain(complaints, reason, "")
    if found.refused:
        return _refused(complaints, "nothing was compared", "run both alike, on one machine", ExitCode.USAGE)
    if found.invalid:
        return _refused(complaints, "nothing was compared", "run again what is not valid", ExitCode.NOT_VALID)
    if not as_json:
        _print(found, console)
    return ExitCode.OK


def _print(found: RunComparison, console: Console) -> None:
    for words in stated_words(found):
        console.print(Text(words, "dim"), soft_wrap=True)
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("", no_wrap=True)
    for heading in _HEADINGS:
        table.add_column(heading, justify="left" if not heading else "right")
    variant = ""
    for change in found.changes:
        if change.variant != variant:
            variant = change.variant
            table.add_row()
            table.add_row(Text(variant, "bold"))
        _row(table, change)
    console.print(table)
    console.print()
    console.print(Text(run_comparison_sentence(found), "bold"))


def _row(table: Table, change: MetricChange) -> None:
    label, *cells = change_cells(change)
    table.add_row(f"  {label}", *cells, style="" if change.found.differs else "dim")


def _refused(console: Console, message: str, next_step: str, code: ExitCode) -> ExitCode:
    complain(console, message, next_step)
    return code
