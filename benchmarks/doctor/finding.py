"""What the doctor found about one subject: how it stands, in words, and what to do about it."""

from __future__ import annotations

import enum
from dataclasses import dataclass


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
