"""The sides next to each other: one table for the terminal and the report, always with both times."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise

from benchmarks.analysis.summary_model import Comparison, Summary, VariantSummary
from benchmarks.analysis.verdict import pairs_of
from benchmarks.metrics import definition
from benchmarks.metrics.definition import STATS, Section
from benchmarks.scenario.metric import Metric, rows
from benchmarks.values.confidence import SIGNIFICANCE
from benchmarks.words.comparison import effect_words
from benchmarks.words.numbers import DASH, NBSP, count, figure, percent, upper_bound
from benchmarks.words.summary import metric_words, sides_of

WHOLE, DURING, ENDED, COST = "Whole run", "During the fault", "Where registrations ended", "Backlog and cost"
_HEADINGS: Mapping[Section, str] = {"whole": WHOLE, "ended": ENDED, "cost": COST}
# The marks of a comparison, the same in the terminal and the report.
_MARK_WORDS = {
    "survivorship": "survivorship: not comparable",
    "unresolved": "unresolved: too quick for this generator",
    "disturbed": "disturbed: no conclusion",
    "≈": "≈ within the noise floor",
    "?": "? may be noise",
}
# Beside an interval that excludes no effect, where Holm's correction leaves a doubt.
_UNCERTAIN = "uncertain among so many comparisons"
_FORBIDDING = ("survivorship", "unresolved", "disturbed")


@dataclass(frozen=True)
class Cell:
    """A figure as text. `note` says why there is none, or what bounds a zero; `best` marks the best of its row."""

    text: str
    note: str = ""
    best: bool = False

    @property
    def words(self) -> str:
        return f"{self.text} ({self.note})" if self.note else self.text


@dataclass(frozen=True)
class TableRow:
    """One metric of every variant; `cells` are by variant. `comparison` is empty where nothing is compared."""

    section: str
    name: str
    unit: str
    cells: Mapping[str, Cell]
    comparison: str = ""
    metric: Metric | None = None
    # The comparison of `main_pair` alone, without their names.
    effect: str = ""

    @property
    def label(self) -> str:
        """The name that needs no section above it."""
        return f"{self.name}, during the fault" if self.section == DURING else self.name

    @property
    def values(self) -> tuple[str, ...]:
        """The cells as text, in the order of the variants."""
        return tuple(cell.words for cell in self.cells.values())


_LABELS = {metric: row.label for row, metric in rows()}


def label_of(metric: Metric) -> str:
    """The name of a metric's row, which needs no section above it; of one without a row, its words."""
    name = _LABELS.get(Metric(metric.name, metric.stat))
    if name is None:
        return metric_words(metric)
    return name if metric.window is None else f"{name}, {metric.window} the fault"


def side_by_side(summary: Summary) -> list[TableRow]:
    """Every row of the table, in sections: the fault's window if there is one, the whole run, the endings, the cost."""
    during = list(_rows(summary, "whole", "during")) if summary.has_window("during") else []
    return during + [row for section in _HEADINGS for row in _rows(summary, section, None)]


def forbids(mark: str | None) -> bool:
    """Whether nothing may be concluded from the figures beside it."""
    return mark in _FORBIDDING


def mark_words(mark: str | None) -> str:
    """A mark as people read it; nothing where there is none."""
    return "" if mark is None else _MARK_WORDS[mark]


def doubt_words(p: float | None, p_holm: float | None) -> str:
    """What to say where only the correction for the number of comparisons leaves a doubt; else nothing."""
    return _UNCERTAIN if p is not None and p_holm is not None and p < SIGNIFICANCE <= p_holm else ""


def _rows(summary: Summary, section: Section, window: str | None) -> Iterator[TableRow]:
    for row, metric in rows():
        of = metric.definition
        if row.section != section or (window and not row.in_fault):
            continue
        if of.needs_fault and not summary.has_window("before"):
            continue
        shown = metric.inside(window) if window else metric
        values = {name: variant.of(shown) for name, variant in summary.variants.items()}
        cells = {name: _cell(variant, row, shown, values[name]) for name, variant in summary.variants.items()}
        pairs = pairs_of(list(summary.variants.values())) if row.compared else []
        found = [(a.name, b.name, summary.compared(shown, a.name, b.name)) for a, b in pairs]
        known = [(a, b, one) for a, b, one in found if one is not None]
        clear = summary.valid and all(one.differs for *_, one in known)
        if (known or section == "ended") and clear and (best := _best(row, values, cells)):
            cells[best] = Cell(cells[best].text, cells[best].note, best=True)
        # More than two pairs would not fit beside the figures: the report lists them all.
        text = "; ".join(f"{a} against {b}: {_compared(one)}" for a, b, one in known) if len(known) <= 2 else ""
        effect = next((_compared(one) for a, b, one in known if (a, b) == main_pair(summary)), "")
        yield TableRow(DURING if window else _HEADINGS[section], row.label, of.unit, cells, text, shown, effect)


def _cell(variant: VariantSummary, row: definition.MetricRow, metric: Metric, value: float | None) -> Cell:
    if value is None:
        return Cell(DASH, _why_missing(variant, row, metric))
    bound = upper_bound(variant.zero_upper95) if row.section == "ended" and not value else ""
    return Cell(value_words(metric, value).removesuffix(f"{NBSP}%"), bound)


def value_words(metric: Metric, value: float | None) -> str:
    """A figure as people write it, without its unit but for shares."""
    return {"share": percent, "count": count}.get(metric.definition.nature, figure)(value)


def _why_missing(variant: VariantSummary, row: definition.MetricRow, metric: Metric) -> str:
    """A percentile is missing because nothing was measured, or too little for it."""
    if metric.stat in STATS and variant.of(Metric(metric.name, "max", metric.tags)) is not None:
        return "n too small"
    return variant.why_missing(metric) or row.missing


def _best(row: definition.MetricRow, values: Mapping[str, float | None], cells: Mapping[str, Cell]) -> str | None:
    """The variant with the best figure; None where a figure is missing or the two best read alike."""
    known = [(value, name) for name, value in values.items() if value is not None]
    if row.better is None or len(known) < max(2, len(values)):
        return None
    ordered = [name for _, name in sorted(known, reverse=row.better == "high")]
    return None if any(cells[a].text == cells[b].text for a, b in [*pairwise(ordered)][:1]) else ordered[0]


def main_pair(summary: Summary) -> tuple[str, str] | None:
    """The two sides that the run is about: those of its hypothesis, else the first that are compared."""
    names = tuple(summary.variants)
    asked = (sides for part in summary.parts if len(sides := sides_of(part.label, names)) == 2)
    usual = ((one.name, other.name) for one, other in pairs_of(list(summary.variants.values())))
    return next((pair for pair in (*asked, *usual) if pair[1]), None)


def _compared(found: Comparison) -> str:
    """What stands beside two figures: how they differ, with the interval over blocks, and what to beware of."""
    if forbids(found.mark):
        return mark_words(found.mark)
    notes = (mark_words(found.mark), doubt_words(found.p, found.p_holm))
    return ", ".join([effect_words(found), *filter(None, notes)])
