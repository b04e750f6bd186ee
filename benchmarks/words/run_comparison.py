"""What changed between two runs, in words: the cells of its table, and the one sentence below it."""

from __future__ import annotations

from benchmarks.analysis.run_comparison import MetricChange, RunComparison
from benchmarks.words.numbers import DASH, NBSP, figure, p_words, percent, plural, signed
from benchmarks.words.summary import metric_words
from benchmarks.words.table import doubt_words, label_of, mark_words

SITTINGS = "Two runs are two sittings: what changed on the machine between them is in these figures too"


def stated_words(found: RunComparison) -> list[str]:
    """What stands above the table: how blocks were set against each other, and what else differs."""
    how = "paired by block, since the seed is the same" if found.paired else "unpaired, since the seeds differ"
    return [f"blocks are {how}", *(f"differs: {difference}" for difference in found.stated)]


def change_cells(change: MetricChange) -> tuple[str, ...]:
    """Label, old, new, estimate, interval, corrected p, note."""
    found = change.found
    points = found.kind == "difference"
    scale, write = (100.0, signed) if points else (1.0, figure)
    show = percent if points else figure
    return (
        label_of(found.measured),
        show(change.old),
        show(change.new),
        DASH if found.estimate is None else write(found.estimate * scale) + (f"{NBSP}points" if points else ""),
        DASH if found.ci95 is None else " to ".join(write(edge * scale) for edge in found.ci95),
        p_words(found.p_holm),
        _note(change),
    )


def run_comparison_sentence(found: RunComparison) -> str:
    """What differs beyond noise, or that nothing does, or that nobody can say."""
    if all(change.found.ci95 is None for change in found.changes):
        return "No interval, so nothing can be said: three blocks of each run are the least."
    beyond = [change for change in found.changes if change.found.differs]
    if not beyond:
        return f"Nothing differs beyond noise. {SITTINGS}."
    return f"Beyond noise: {'; '.join(_differs(change) for change in beyond)}. {SITTINGS}."


def _differs(change: MetricChange) -> str:
    words, value = metric_words(change.found.measured), change.found.estimate or 0.0
    if change.found.kind == "difference":
        return f"{change.variant}, {words} {signed(value * 100)}{NBSP}points"
    return f"{change.variant}, {words} {figure(value)} times the old"


def _note(change: MetricChange) -> str:
    found = change.found
    if found.mark is not None:
        return mark_words(found.mark)
    if doubt := doubt_words(found.p, found.p_holm):
        return doubt
    if found.differs:
        return "differs"
    if found.ci95 is None and found.per_block:
        return f"{plural(len(found.per_block), 'block')}: no interval"
    return "the same" if found.p == 1 else found.reason or ""
