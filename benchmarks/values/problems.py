"""What is wrong with a scenario, as sentences: file, line, offending text and the nearest valid choice."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass

Location = tuple[str | int, ...]


@dataclass(frozen=True)
class Problem:
    """One fault of one file. `line` counts from 1 and is None where no line is to blame (a command line option)."""

    file: str
    line: int | None
    text: str
    message: str

    def __str__(self) -> str:
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        return f"{place}: {self.message}"


class ScenarioError(Exception):
    """A scenario that is not valid; `problems` holds all that was found, in the order of the file."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class UnknownScenarioError(Exception):
    """A name of neither a scenario nor a file."""


@dataclass(frozen=True)
class Flaw:
    """A problem before its place in the file is known: the path of keys below the value being read, and a sentence."""

    location: Location
    message: str


class ValueProblems(ValueError):  # noqa: N818 - it carries several errors
    """What a parser of one value raises to report more than one problem, each at its own place below that value."""

    def __init__(self, flaws: Iterable[Flaw]) -> None:
        self.flaws = tuple(flaws)
        super().__init__("; ".join(flaw.message for flaw in self.flaws))


def nearest(word: str, choices: Iterable[str], cutoff: float = 0.6) -> str | None:
    """The choice most like `word`, or None where none is similar enough."""
    matches = difflib.get_close_matches(word, list(choices), n=1, cutoff=cutoff)
    return matches[0] if matches else None


def edits(one: str, other: str) -> int:
    """How many letters are put in, left out or changed to turn one word into the other (Levenshtein)."""
    row = list(range(len(other) + 1))
    for number, letter in enumerate(one, 1):
        before, row[0] = row[0], number
        for place, theirs in enumerate(other, 1):
            before, row[place] = row[place], min(before + (letter != theirs), row[place] + 1, row[place - 1] + 1)
    return row[-1]


def choice_hint(word: str, choices: Iterable[str]) -> str:
    """What to write instead: the nearest choice, else all of them."""
    listed = list(dict.fromkeys(choices))
    if len(listed) == 1:
        return f"it must be {listed[0]!r}"
    if (close := nearest(word, listed)) is not None:
        return f"did you mean {close!r}?"
    return "it must be one of " + ", ".join(repr(choice) for choice in listed)


def dotted(location: Location) -> str:
    """`("faults", 0, "target")` → `faults[0].target`."""
    text = ""
    for part in location:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += f".{part}" if text else part
    return text
