"""How the doctor's findings are shown: a line each with its remedy below, in colours only where there is a terminal."""

from __future__ import annotations

import json
import textwrap

from rich.console import Console
from rich.text import Text

from benchmarks.doctor import Examination, Finding, State

_STYLES = {State.OK: "green", State.NOTE: "yellow", State.MISSING: "bold red"}
_STATE_WIDTH = max(len(state.value) for state in State) + 2
_NARROWEST = 40  # below it words are cut by the terminal rather than folded into a ribbon


def print_examination(examination: Examination, console: Console, *, as_json: bool) -> None:
    """All findings by theme, and in one sentence what they come to."""
    if as_json:
        print(json.dumps(examination.as_dict(), indent=2))
        return
    subject_width = max(len(finding.subject) for section in examination.sections for finding in section.findings) + 2
    for section in examination.sections:
        console.print(Text(section.theme, "bold"))
        for finding in section.findings:
            console.print(_lines(finding, subject_width, console), soft_wrap=True)
    console.print()
    console.print(Text(_sentence(examination), "bold"), soft_wrap=True)


def _lines(finding: Finding, subject_width: int, console: Console) -> Text:
    indent = " " * (2 + _STATE_WIDTH + subject_width)
    paragraphs = [finding.words]
    if finding.remedy:
        paragraphs.append(f"next: {finding.remedy}")
    # Folded for eyes only: a pipe gets each paragraph on one line, for grep.
    width = max(console.width - len(indent), _NARROWEST) if console.is_terminal else None
    folded = [
        line
        for paragraph in paragraphs
        for line in (textwrap.wrap(paragraph, width, break_on_hyphens=False) if width else paragraph.splitlines())
    ]
    text = Text("  ")
    text.append(f"{finding.state.value:<{_STATE_WIDTH}}", _STYLES[finding.state])
    text.append(f"{finding.subject:<{subject_width}}")
    text.append(f"\n{indent}".join(folded), "" if finding.state is State.OK else "bold")
    return text


def _sentence(examination: Examination) -> str:
    missing, notes = examination.count(State.MISSING), examination.count(State.NOTE)
    limits = f"{notes} note{'s' * (notes != 1)} on what this machine cannot show" if notes else "nothing to note"
    if missing:
        return f"No run is possible yet: {missing} thing{'s' * (missing != 1)} missing, {limits}."
    return f"Runs are possible: {limits}."
