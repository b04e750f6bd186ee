"""The marks of a comparison in words, the same in the terminal and the report."""

from __future__ import annotations

from benchmarks.analysis.statistics import SIGNIFICANCE

_WORDS = {
    "survivorship": "survivorship: not comparable",
    "unresolved": "unresolved: too quick for this generator",
    "≈": "≈ within the noise floor",
    "?": "? may be noise",
}
# Beside an interval that excludes no effect, where Holm's correction leaves a doubt.
_UNCERTAIN = "uncertain among so many comparisons"


_FORBIDDING = ("survivorship", "unresolved")


def forbids(mark: str | None) -> bool:
    """Whether nothing may be concluded from the figures beside it."""
    return mark in _FORBIDDING


def mark_words(mark: str | None) -> str:
    """A mark as people read it; nothing where there is none."""
    return "" if mark is None else _WORDS[mark]


def doubt_words(p: float | None, p_holm: float | None) -> str:
    """What to say where only the correction for the number of comparisons leaves a doubt; else nothing."""
    return _UNCERTAIN if p is not None and p_holm is not None and p < SIGNIFICANCE <= p_holm else ""
