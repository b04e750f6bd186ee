"""The tables of the report: plain cells of text, each a pure function of what was stored."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from benchmarks.analysis.summary_model import Comparison, Summary
from benchmarks.charts.run_data import RunData
from benchmarks.charts.where_each_ended import ENDINGS
from benchmarks.scenario.metric import Metric, rows
from benchmarks.words.numbers import (
    DASH,
    NBSP,
    count,
    figure,
    listed,
    milliseconds,
    nominal_ms,
    p_words,
    percent,
    plural,
    signed,
    upper_bound,
)
from benchmarks.words.summary import metric_words, threshold_state
from benchmarks.words.table import doubt_words, label_of, mark_words, value_words

# Registrations without a difference of times: they are counted.
_APART = {
    "accept_differs": "accepted in one only",
    "completion_differs": "complete in one only",
    "on_edge": "on a fault’s edge",
}


@dataclass(frozen=True)
class Page:
    """A table of plain cells under its heading. `numeric` says which columns are figures."""

    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numeric: tuple[bool, ...]


def predicted(data: RunData) -> Page | None:
    """What the parameters alone predict next to what was measured, in the window that the run is about."""
    summary, window = data.summary, data.main_window
    known = [name for name in summary.predicted or {} if name in summary.variants and not summary.not_predicted(name)]
    lines = []
    for row, metric in rows():
        shown = metric.inside(window) if window else metric
        write = percent if metric.definition.nature == "share" else milliseconds
        figures = [(summary.predicted_figure(name, shown), summary.variants[name].of(shown)) for name in known]
        if row.section == "whole" and any(expected is not None for expected, _ in figures):
            lines.append((row.label, *(write(figure) for pair in figures for figure in pair)))
    if not lines:
        return None
    headings = ("", *(f"{name}, {what}" for name in known for what in ("predicted", "measured")))
    return Page(headings, tuple(lines), (False, *[True] * (len(headings) - 1)))


def unsettled(data: RunData) -> tuple[str, ...]:
    """For each variant that the parameters alone do not settle, why; what they leave open about the others, once."""
    summary = data.summary
    reasons = {name: summary.not_predicted(name) for name in data.variants}
    notes = (note for name in data.variants for note in summary.prediction_notes(name))
    return (
        *(f"{name}: not predicted: {reason}" for name, reason in reasons.items() if reason is not None),
        *(note[0].upper() + note[1:] for note in dict.fromkeys(notes)),
    )


def residuals(data: RunData) -> Page | None:
    """Measured minus predicted, registration by registration, over the whole run; None where nothing was compared."""
    every = data.summary.residuals or {}
    known = {name: every[name] for name in data.variants if name in every and every[name].n}
    if not known:
        return None
    rows = []
    for name, found in known.items():
        times = (
            milliseconds(of[stat]) for of in (found.accept_ms, found.completion_ms) for stat in ("p50", "p95", "p99")
        )
        works = ", ".join(milliseconds(found.work_ms["by_service"][service]["p50"]) for service in data.services)
        rows.append((name, *times, works, *(count(getattr(found, part)) for part in ("n", *_APART))))
    headings = (
        *("variant", "answer p50", "p95", "p99", "all done p50", "p95", "p99"),
        f"the work of {listed(data.services)}, p50 each",
        *("compared", *_APART.values()),
    )
    return Page(headings, tuple(rows), (False, *[True] * (len(headings) - 1)))


def endings(data: RunData) -> Page:
    """How registrations ended: what occurred, and in any case how many were lost."""
    rows = []
    for path, word, meaning in ENDINGS:
        cells, occurred = [], False
        for name in data.variants:
            number = data.summary.figure(name, *path)
            bound = upper_bound(data.summary.variants[name].zero_upper95) if number == 0 else ""
            cells.append(count(number) + (f" ({bound})" if bound else ""))
            occurred |= bool(number)
        if occurred or word == "lost":
            rows.append((word, meaning, *cells))
    headings = ("", "what it means", *data.variants)
    return Page(headings, tuple(rows), (False, False, *[True] * len(data.variants)))


def services(data: RunData) -> Page:
    """Effects of each service: (registration, service) pairs, and when they were done."""
    names = ("expected", "applied", "pending", "dead_lettered", "stranded", "lost", "duplicated")
    rows = []
    for variant in data.variants:
        for service in data.services:
            cells = [count(data.summary.figure(variant, "effects", name, service=service)) for name in names]
            times = [
                milliseconds(data.summary.figure(variant, "completion_latency_ms", stat, service=service))
                for stat in ("p50", "p95")
            ]
            rows.append((variant, service, *cells, *times))
    headings = ("variant", "service", *(name.replace("_", "-") for name in names), "done p50", "done p95")
    return Page(headings, tuple(rows), (False, False, *[True] * (len(headings) - 2)))


def comparisons(summary: Summary) -> Page | None:
    """Each comparison with its interval, its corrected p, and its cautions."""
    rows = []
    for found in summary.comparisons:
        notes = (mark_words(found.mark), doubt_words(found.p, found.p_holm))
        rows.append(
            (
                label_of(found.measured),
                found.label,
                *_estimates(found),
                p_words(found.p_holm),
                ", ".join(filter(None, ("differs" if found.differs else "", *notes))),
            )
        )
    if not rows:
        return None
    headings = ("", "compared", "estimate", "95 % interval", "p", "")
    return Page(headings, tuple(rows), (False, False, True, True, True, False))


def reasons(summary: Summary) -> tuple[str, ...]:
    """What to know about comparisons besides their figures, each reason once, with those that it is about."""
    about: dict[str, list[str]] = {}
    for found in summary.comparisons:
        if found.reason:
            about.setdefault(found.reason, []).append(label_of(found.measured))
    return tuple(f"{'; '.join(dict.fromkeys(labels))}: {reason}" for reason, labels in about.items())


def _estimates(found: Comparison) -> tuple[str, str]:
    """The estimate and its interval; differences of shares in points."""
    points = found.kind == "difference"
    scale, write = (100.0, signed) if points else (1.0, figure)
    unit = f"{NBSP}points" if points else ""
    return (
        DASH if found.estimate is None else write(found.estimate * scale) + unit,
        DASH if found.ci95 is None else " to ".join(write(edge * scale) for edge in found.ci95),
    )


def noise_floor(summary: Summary) -> str:
    """Under which floor the comparisons are, or why under none."""
    floor = summary.noise_floor
    if not floor.metrics:
        return f"No noise floor was used: {floor.reason or 'none is stored with this run'}."
    over = f" over {plural(floor.blocks, 'block')}" if floor.blocks else ""
    return f"≈ marks an interval within what identical sides (A/A) showed on this machine{over}."


def thresholds(summary: Summary) -> list[tuple[str, str, str, str, str]]:
    """Metric, variant, expectation, value, and the result."""
    return [
        (
            metric_words(Metric.parse(one.metric)),
            one.variant,
            one.expression,
            figure(one.value),
            ": ".join(filter(None, (threshold_state(one), one.reason))),
        )
        for one in summary.thresholds
    ]


def faults(results: Path) -> Page | None:
    """Each fault of each trial: as planned, and as it was."""
    path = results / "faults.parquet"
    frame = pd.read_parquet(path) if path.is_file() else pd.DataFrame()
    if frame.empty:
        return None
    rows = []
    for row in frame.astype(object).where(frame.notna(), None).to_dict("records"):
        times = [
            None if row[name] is None else float(row[name]) / 1e9 for name in ("planned_begin_ns", "planned_end_ns")
        ]
        real = [DASH if row[name] is None else f"{float(row[name]) / 1e9:.3f} s" for name in ("begin_ns", "end_ns")]
        if not row["applicable"]:
            real = ["not applicable", "not applicable"]
        # A fault without a duration has one time.
        planned = " to ".join(DASH if time is None else nominal_ms(time * 1e3) for time in dict.fromkeys(times))
        identity = (str(row["trial"]), str(row["block"]), str(row["variant"]), str(row["name"]))
        # Only what ended a process has a time until it was ready again.
        ready = DASH if row["ready_s"] is None else f"{float(row['ready_s']):.3f} s"
        rows.append((*identity, str(row["target"]), str(row["type"]), planned, *real, ready))
    headings = (
        "trial",
        "block",
        "variant",
        "fault",
        "target",
        "type",
        "planned",
        "began",
        "ended",
        "ready again after",
    )
    return Page(headings, tuple(rows), (True, True, False, False, False, False, True, True, True, True))


_OF_A_TRIAL = (
    *("counts.offered", "accept_ratio", "slo_ratio"),
    *(f"{time}_latency_ms.{stat}" for time in ("accept", "completion") for stat in ("p50", "p95", "p99")),
    *("schedule_delay_ms.p99", "outstanding_max", "drain_s", "recovery_s", "cpu_ms_per_registration"),
)


def trials(summary: Summary) -> Page:
    shown = [Metric.parse(name) for name in _OF_A_TRIAL]
    rows = [
        (str(trial.trial), str(trial.block), name, *(value_words(metric, trial.of(metric)) for metric in shown))
        for name, variant in summary.variants.items()
        for trial in variant.trials
    ]
    rows.sort(key=lambda row: int(row[0]))
    headings = (
        *("trial", "block", "variant", "offered", "accepted", "in SLO"),
        *("accept p50 ms", "p95", "p99", "completion p50 ms", "p95", "p99"),
        *("schedule delay p99 ms", "outstanding", "drain s", "recovery s", "CPU ms each"),
    )
    return Page(headings, tuple(rows), (True, True, False, *[True] * (len(headings) - 3)))
