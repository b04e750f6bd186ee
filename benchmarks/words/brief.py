"""A run in ten lines, for the terminal and the top of the report: the rows that matter, a line for all that occurred.

The verdict and what it is worth stand above (`words.summary`, `words.worth`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from benchmarks.analysis.summary_model import Summary
from benchmarks.metrics.endings import REGISTRATION_CATEGORIES
from benchmarks.scenario.metric import Metric
from benchmarks.words.numbers import DASH, NBSP, count, listed, plural, upper_bound
from benchmarks.words.summary import (
    disturbed_figures_sentence,
    loop_sentence,
    repeats_sentence,
    threshold_lines,
    threshold_state,
)
from benchmarks.words.table import DURING, TableRow, main_pair, side_by_side
from benchmarks.words.worth import cost_sentences, slo_words

# Both times, always, and beside the reply how many got one.
_FOUR = ("slo_ratio", "accept_ratio", "accept_latency_ms.p50", "completion_latency_ms.p50")
_TEN = (
    *("slo_ratio", "accept_ratio", "accept_latency_ms.p50", "accept_latency_ms.p95"),
    *("completion_latency_ms.p50", "completion_latency_ms.p95", "throughput_per_s"),
    *("cpu_ms_per_registration.total", "rss_mb_max", "drain_s"),
)


@dataclass(frozen=True)
class Brief:
    """`rows` have a cell for each variant; `pair` is what their `effect` is of, the first against the second."""

    window: str
    slo: str
    pair: tuple[str, str] | None
    rows: tuple[TableRow, ...]
    lines: tuple[tuple[str, str], ...]  # a word, and what there is to say under it


def brief(summary: Summary) -> Brief:
    """The four rows, and the lines beneath them."""
    window = _window(summary)
    place = "during the fault" if window == "during" else "whole run"
    return Brief(place, slo_words(summary), main_pair(summary), rows_of(summary, _FOUR), tuple(_lines(summary)))


def ten_rows(summary: Summary) -> tuple[TableRow, ...]:
    """The rows of the report's first table, those of the hypothesis first."""
    return rows_of(summary, _TEN)


def rows_of(summary: Summary, names: Sequence[str]) -> tuple[TableRow, ...]:
    """The rows of the hypothesis, then those named, each once and only where somebody has a figure.

    In the window that the run is about where they are measured in it, else over the whole run.
    """
    window = _window(summary)
    found = {row.metric: row for row in side_by_side(summary)}
    usual = [metric.inside(window) if window else metric for metric in map(Metric.parse, names)]
    # Cost and endings are of the whole run only.
    wanted = [*(part.measured for part in summary.parts), *usual, *map(Metric.parse, names)]
    chosen: dict[tuple[str, str | None], TableRow] = {}
    for metric in wanted:
        row = found.get(metric)
        if row is not None and not all(cell.text.startswith(DASH) for cell in row.cells.values()):
            chosen.setdefault((metric.name, metric.stat), row)
    return tuple(chosen.values())


def with_unit(row: TableRow) -> tuple[str, ...]:
    """The cells, each with its unit; where there is no figure, why."""
    return tuple(
        cell.words if cell.text.startswith(DASH) else f"{cell.text}{NBSP}{row.unit}".rstrip(NBSP)
        for cell in row.cells.values()
    )


def short_name(row: TableRow, place: str) -> str:
    """A row's name beneath a heading that says its window; one of another window says so itself."""
    name = row.name.replace("accepted and complete within the SLO", "within the SLO")
    return f"{name}, whole run" if row.section != DURING and place != "whole run" else name


def endings_words(summary: Summary, variant: str) -> str:
    """How a variant's registrations ended, only what occurred: `1,440 complete, 3 stranded; none lost (< 0.21 %)`."""
    numbers = {name: summary.figure(variant, "registrations", name) for name in REGISTRATION_CATEGORIES}
    words = [f"{count(number)}{NBSP}{name.replace('_', '-')}" for name, number in numbers.items() if number]
    bound = upper_bound(summary.variants[variant].zero_upper95)
    none = f"none lost ({bound})" if numbers["lost"] == 0 and bound else ""
    return "; ".join(filter(None, (", ".join(words), none)))


def findings(summary: Summary) -> dict[str, list[str]]:
    """Each finding once, with the variants that it is of."""
    found: dict[str, list[str]] = {}
    for name, variant in summary.variants.items():
        for finding in variant.findings:
            found.setdefault(finding, []).append(name)
    return found


def _window(summary: Summary) -> str | None:
    """The window that the run is about: the hypothesis' where it names one that has rows, else the fault's."""
    asked = {part.measured.window for part in summary.parts}
    return "during" if summary.has_window("during") and (not asked or "during" in asked) else None


def _lines(summary: Summary) -> Iterator[tuple[str, str]]:
    for name in summary.variants:
        yield f"{name} ended", endings_words(summary, name)
    if costs := cost_sentences(summary):
        yield "cost", "; ".join(f"{what} {text}" for what, text in costs)
    states = Counter(map(threshold_state, summary.thresholds))
    for state, words in threshold_lines(summary).items():
        yield plural_word(states[state], "threshold") + f" {state}", "; ".join(words)
    for finding, names in findings(summary).items():
        yield "finding", f"{listed(names)}: {finding}"
    notes = (disturbed_figures_sentence(summary), loop_sentence(summary), repeats_sentence(summary))
    yield from (("note", note) for note in notes if note)
    if summary.warnings:
        yield "note", f"{plural(len(summary.warnings), 'warning')} in the report"


def plural_word(number: int, noun: str) -> str:
    """`threshold`, `2 thresholds`."""
    return noun if number == 1 else plural(number, noun)
