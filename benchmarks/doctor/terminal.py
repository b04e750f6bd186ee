"""Where the output goes: whether it can show every letter, and the panel of a run."""

from __future__ import annotations

import codecs
import shutil
import sys
from dataclasses import dataclass

from benchmarks.doctor.finding import Finding, note, ok

_NARROWEST = 80


@dataclass(frozen=True)
class Facts:
    """encoding: of standard output. file_names: the encoding of paths. columns: None where it is no terminal."""

    encoding: str
    file_names: str
    columns: int | None


def look() -> Facts:
    # The panel of a run goes to standard error.
    columns = shutil.get_terminal_size().columns if sys.stderr.isatty() else None
    return Facts(sys.stdout.encoding or "ascii", sys.getfilesystemencoding(), columns)


def judge(facts: Facts) -> list[Finding]:
    return [_letters(facts), _panel(facts.columns)]


def _letters(facts: Facts) -> Finding:
    words = f"{facts.encoding} for text, {facts.file_names} for file names"
    if all(codecs.lookup(name).name == "utf-8" for name in (facts.encoding, facts.file_names)):
        return ok("letters", words)
    return note(
        "letters", f"{words}: letters outside of it are shown as escapes", "set LC_ALL=C.UTF-8, or PYTHONUTF8=1"
    )


def _panel(columns: int | None) -> Finding:
    if columns is None:
        return ok("terminal", "none: a run tells its progress in plain lines")
    if columns < _NARROWEST:
        return note("terminal", f"{columns} columns: tables will be cut", f"make it {_NARROWEST} columns wide or more")
    return ok("terminal", f"{columns} columns")
