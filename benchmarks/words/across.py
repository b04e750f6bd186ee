"""What changed between two runs, in words: the cells of its table, and the one sentence below it."""

from __future__ import annotations

from benchmarks.analysis.across import Across, Change
from benchmarks.analysis.verdict import reason_of
from benchmarks.words.marks import doubt_words, mark_words
from benchmarks.words.numbers import DASH, NBSP, figure, p_words, percent, plural, signed
from benchmarks.words.sentence import metric_words
from benchmarks.words.table import label_of

SITTINGS = "Two runs are two sittings: what changed on the machine between them is in these figures too"


def stated_words(found: Across) -> list[str]:
    """What stands above the table: how blocks were set against each other, and what else differs."""
    how = "paired by block, since the seed is the same" if found.paired else "unpaired, since the seeds differ"
    return [f"blocks are {how}", *(f"differs: {difference}" for difference in found.stated)]


def change_cells(change: Change) -> tuple[str, ...]:
    """Label, old, new, estimate, interval, corrected p, note."""
    compared = change.compared
    estimate, interval = compared.found.value, compared.found.interval
    points = compared.kind == "difference"
    scale, write = (100.0, signed) if points else (1.0, figure)
    show = percent if points else figure
    return (
        label_of(compared.metric),
        show(change.old),
        show(change.new),
        DASH if estimate is None else write(estimate * scale) + (f"{NBSP}points" if points else ""),
        DASH if interval is None else " to ".join(write(edge * scale) for edge in interval),
        p_words(change.p_holm),
        _note(change),
    )


def across_sentence(found: Across) -> str:
    """What differs beyond noise, or that nothing does, or that nobody can say."""
    if all(change.compared.found.interval is None for change in found.changes):
        return "No interval, so nothing can be said: three blocks of each run are the least."
    beyond = [change for change in found.changes if change.beyond_noise]
    if not beyond:
        return f"Nothing differs beyond noise. {SITTINGS}."
    return f"Beyond noise: {'; '.join(_told(change) for change in beyond)}. {SITTINGS}."


def _told(change: Change) -> str:
    compared = change.compared
    value = compared.found.value or 0.0
    words = metric_words(compared.metric)
    if compared.kind == "difference":
        return f"{change.variant}, {words} {signed(value * 100)}{NBSP}points"
    return f"{change.variant}, {words} {figure(value)} times the old"


def _note(change: Change) -> str:
    compared = change.compared
    if compared.mark is not None:
        return mark_words(compared.mark)
    if doubt := doubt_words(compared.found.p, change.p_holm):
        return doubt
    if change.beyond_noise:
        return "differs"
    if compared.found.interval is None and compared.found.per_block:
        return f"{plural(len(compared.found.per_block), 'block')}: no interval"
    return "the same" if compared.found.p == 1 else reason_of(compared) or ""
