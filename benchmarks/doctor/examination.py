"""The examination: every theme is looked at, then judged.

    look() → facts → judge(facts) → findings

Looking reads and, at most, binds a loopback socket; judging is pure. What cannot be examined is a finding too.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

Facts = TypeVar("Facts")


class State(enum.StrEnum):
    """OK: as it should be. NOTE: runs are possible, and this limits what they show. MISSING: no run without it."""

    OK = "ok"
    NOTE = "note"
    MISSING = "missing"


@dataclass(frozen=True)
class Finding:
    """One line of the examination. `remedy` is empty only where there is nothing to do."""

    subject: str
    state: State
    words: str
    remedy: str = ""


def ok(subject: str, words: str) -> Finding:
    return Finding(subject, State.OK, words)


def note(subject: str, words: str, remedy: str) -> Finding:
    return Finding(subject, State.NOTE, words, remedy)


def missing(subject: str, words: str, remedy: str) -> Finding:
    return Finding(subject, State.MISSING, words, remedy)


@dataclass(frozen=True)
class Theme(Generic[Facts]):
    """What belongs together: how it is examined, and how it is judged."""

    name: str
    look: Callable[[], Facts]
    judge: Callable[[Facts], list[Finding]]


@dataclass(frozen=True)
class Section:
    """The findings of one theme."""

    theme: str
    findings: tuple[Finding, ...]


@dataclass(frozen=True)
class Examination:
    """All sections, in the order of the table of themes."""

    sections: tuple[Section, ...]

    @property
    def possible(self) -> bool:
        """Whether runs are possible here."""
        return self.count(State.MISSING) == 0

    def count(self, state: State) -> int:
        return sum(finding.state == state for section in self.sections for finding in section.findings)

    def as_dict(self) -> dict[str, object]:
        """For `bench doctor --json`."""
        return {
            "format_version": 1,
            "possible": self.possible,
            "themes": [
                {
                    "theme": section.theme,
                    "findings": [
                        {
                            "subject": finding.subject,
                            "state": finding.state.value,
                            "words": finding.words,
                            "remedy": finding.remedy,
                        }
                        for finding in section.findings
                    ],
                }
                for section in self.sections
            ],
        }


def examine(themes: Sequence[Theme[Any]]) -> Examination:
    """Look at every theme and judge it. One that fails does not stop the others."""
    return Examination(tuple(Section(theme.name, tuple(_findings(theme))) for theme in themes))


def _findings(theme: Theme[Any]) -> list[Finding]:
    try:
        return theme.judge(theme.look())
    except ImportError as error:
        return [
            missing(
                theme.name, f"the package {error.name} cannot be imported: {error}", "install bench again, with pip"
            )
        ]
    except Exception as error:  # noqa: BLE001 - on a strange machine the doctor is most needed
        return [note(theme.name, f"could not be examined: {type(error).__name__}: {error}", "check it by hand")]
