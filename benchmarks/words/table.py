"""The sides next to each other: one table for the terminal and the report, always with both times."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from benchmarks.analysis.noise import NoiseFloor
from benchmarks.analysis.statistics import Estimate, Kind, lookup
from benchmarks.analysis.verdict import SEPARATOR, Side, compare, pairs_of
from benchmarks.scenario.metric import Metric
from benchmarks.words.broker import EMBEDDED
from benchmarks.words.marks import doubt_words, mark_words
from benchmarks.words.numbers import DASH, NBSP, count, figure, percent, plural, upper_bound
from benchmarks.words.reading import Json, Reading
from benchmarks.words.sentence import verdict_sentence

__all__ = ["Cell", "Row", "side_by_side", "verdict_sentence"]

WHOLE, DURING, ENDED, COST = "Whole run", "During the fault", "Where registrations ended", "Backlog and cost"


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
class Row:
    """One metric of every variant; `cells` are by variant. `comparison` is empty where nothing is compared."""

    section: str
    name: str
    unit: str
    cells: Mapping[str, Cell]
    comparison: str = ""

    @property
    def label(self) -> str:
        """The name that needs no section above it."""
        return f"{self.name}, during the fault" if self.section == DURING else self.name

    @property
    def values(self) -> tuple[str, ...]:
        """The cells as text, in the order of the variants."""
        return tuple(cell.words for cell in self.cells.values())


@dataclass(frozen=True)
class _Line:
    """A row before it is filled. `better`: whether `low` or `high` figures are, None where neither is."""

    metric: str
    label: str
    unit: str
    better: str | None = None
    missing: str = ""
    compared: bool = True


_TIMES = tuple(
    _Line(f"{name}.{stat}", f"{label} {stat}", "ms", "low", missing)
    for name, label, missing in (
        ("accept_latency_ms", "accept", "nobody accepted"),
        ("completion_latency_ms", "completion", "nothing complete"),
    )
    for stat in ("p50", "p95", "p99")
)
_SHARES = (
    _Line("slo_ratio", "accepted and complete within the SLO", "%", "high"),
    _Line("accept_ratio", "accepted", "%", "high"),
)
_RATES = (_Line("throughput_per_s", "completed per second", "/s", "high"),)
_COST = (
    _Line("outstanding_max", "outstanding at most", "", compared=False),
    _Line("consumer_lag_max", "consumer lag at most", "records", missing="no broker", compared=False),
    _Line("drain_s", "drain", "s", missing="not timed", compared=False),
    _Line("recovery_s", "recovery after the fault", "s", missing="not observed long enough", compared=False),
    _Line("cpu_ms_per_registration.total", "CPU per completed registration", "ms", "low", "nothing complete"),
    _Line("rss_mb_max", "memory at most, all processes", "MB", "low", "not sampled", compared=False),
)
_ENDINGS = tuple(
    _Line(f"registrations.{name}", label, "", better, compared=False)
    for name, label, better in (
        ("complete", "complete", "high"),
        ("recovered", "recovered", None),
        ("pending", "pending", "low"),
        ("dead_lettered", "dead-lettered", "low"),
        ("stranded", "stranded", "low"),
        ("lost", "lost", "low"),
        ("unexpected", "unexpected", "low"),
        ("duplicated", "duplicated", "low"),
    )
)


_LABELS = {line.metric: line.label for line in (*_TIMES, *_SHARES, *_RATES, *_COST)}


def label_of(metric: Metric) -> str:
    """The name of a metric's row, which needs no section above it."""
    name = _LABELS[str(Metric(metric.name, metric.stat))]
    return name if metric.window is None else f"{name}, {metric.window} the fault"


def side_by_side(summary: Json) -> list[Row]:
    """Every row of the table, in sections: the fault's window if there is one, the whole run, the endings, the cost."""
    reading = Reading(summary)
    sections: list[tuple[str, str | None, Sequence[_Line]]] = [(WHOLE, None, (*_SHARES, *_TIMES, *_RATES))]
    if reading.has_window("during"):
        sections.insert(0, (DURING, "during", (*_SHARES, *_TIMES)))
    sections += [(ENDED, None, _ENDINGS), (COST, None, _COST)]
    return [row for section, window, lines in sections for row in _rows(reading, section, window, lines)]


def sides_of(reading: Reading) -> tuple[Side, ...]:
    return tuple(
        Side(name, bool(reading.section("variants", name, "broker")), reading.section("variants", name))
        for name in reading.variants
    )


def _rows(reading: Reading, section: str, window: str | None, lines: Sequence[_Line]) -> Iterator[Row]:
    sides = sides_of(reading)
    for line in lines:
        metric = Metric.parse(f"{line.metric}{{window:{window}}}" if window else line.metric)
        values = {side.name: side.of(metric) for side in sides}
        if line.metric == "recovery_s" and not reading.has_window("before"):
            continue  # without a fault there is nothing to recover from
        cells = {side.name: _cell(side, line, metric, values[side.name]) for side in sides}
        pairs = pairs_of(sides) if line.compared else []
        found = [_compared(reading, line, metric, first, second) for first, second in pairs]
        clear = reading.valid and all(comparison.clear for comparison in found)
        if (found or section == ENDED) and clear and (best := _best(line, values, cells)):
            cells[best] = Cell(cells[best].text, cells[best].note, best=True)
        # More than two pairs would not fit beside the figures: the report lists them all.
        text = "; ".join(comparison.text for comparison in found) if len(found) <= 2 else ""
        yield Row(section, line.label, line.unit, cells, text)


def _cell(side: Side, line: _Line, metric: Metric, value: float | None) -> Cell:
    if value is None:
        return Cell(DASH, _why_missing(side, line, metric))
    if line.unit == "%":
        return Cell(percent(value).removesuffix(f"{NBSP}%"))
    if line.metric.startswith("registrations."):
        offered = side.of(Metric("counts", "offered"))
        return Cell(count(value), "" if value or not offered else upper_bound(int(offered)))
    if line.metric in ("outstanding_max", "consumer_lag_max"):
        return Cell(count(value))
    return Cell(figure(value))


def _why_missing(side: Side, line: _Line, metric: Metric) -> str:
    """A percentile is missing because nothing was measured, or too little for it."""
    if metric.stat is not None and metric.name.endswith("_latency_ms"):
        some = lookup(side.figures, Metric(metric.name, "max", metric.tags))
        return "n too small" if some is not None else line.missing
    if metric.name == "consumer_lag_max" and side.uses_broker:
        kind = Reading(side.figures).text("broker", "kind")
        return "the embedded broker has no groups" if kind == EMBEDDED else "not sampled"
    if metric.name == "cpu_ms_per_registration" and side.uses_broker and side.of(Metric("registrations", "complete")):
        return "the broker is not ours to measure"
    if metric.name == "recovery_s" and side.figures.get("recovered") is False:
        recovered = side.of(Metric("recovered_trials"))
        trials = len(side.by_block(metric))
        return f"not recovered in {trials - int(recovered or 0)} of {plural(trials, 'trial')}"
    return line.missing or "not measured"


def _best(line: _Line, values: Mapping[str, float | None], cells: Mapping[str, Cell]) -> str | None:
    """The variant with the best figure; None where a figure is missing or the two best read alike."""
    known = [(value, name) for name, value in values.items() if value is not None]
    if line.better is None or len(known) < max(2, len(values)):
        return None
    ordered = [name for _, name in sorted(known, reverse=line.better == "high")]
    return None if any(cells[a].text == cells[b].text for a, b in [*pairwise(ordered)][:1]) else ordered[0]


@dataclass(frozen=True)
class _Comparison:
    text: str
    clear: bool  # its sides differ, beyond noise and after the correction for the number of comparisons


def _compared(reading: Reading, line: _Line, metric: Metric, first: Side, second: Side) -> _Comparison:
    """What stands beside two figures: their ratio, or the difference of two shares, with its interval over blocks.

    Those that are among the summary's comparisons share their correction; the others stand for themselves.
    """
    kind: Kind = "difference" if line.unit == "%" else "ratio"
    found = compare(kind, metric, (first, second), NoiseFloor.stored(reading.section("noise_floor")))
    if found.limit is not None:
        return _Comparison(mark_words(found.mark), clear=False)
    label = f"{first.name}{SEPARATOR[kind]}{second.name}"
    listed = (entry for entry in reading.records("comparisons") if entry.get("metric") == str(metric))
    entry = next((entry for entry in listed if entry.get(kind) == label), {})
    significant = entry.get("significant", found.significant_alone)
    text = comparison_text(kind, first.name, second.name, found.found)
    doubt = doubt_words(found.found.p, Reading(entry).number("p_holm"))
    notes = [note for note in (mark_words(found.mark), doubt) if note]
    return _Comparison(", ".join([text, *notes]), clear=found.mark is None and significant is True)


def comparison_text(kind: Kind, first: str, second: str, found: Estimate) -> str:
    """`events ÷ sync 0.0047 (0.0046 to 0.0048)`; shares in points: `events − sync +97.1 points (96 to 98.2)`."""
    if found.value is None:
        return DASH
    scale, unit, sign = (100.0, f"{NBSP}points", "−") if kind == "difference" else (1.0, "", "÷")
    plus = "+" if kind == "difference" and found.value > 0 else ""
    text = f"{first} {sign} {second} {plus}{figure(found.value * scale)}{unit}"
    if found.interval is None:
        return f"{text} (no interval)"
    low, high = (figure(edge * scale) for edge in found.interval)
    return f"{text} ({low} to {high})"
