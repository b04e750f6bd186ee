"""The tables of the report: plain cells of text, each a pure function of what was stored."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from benchmarks.charts.material import Material
from benchmarks.charts.where_each_ended import ENDINGS
from benchmarks.scenario.metric import Metric
from benchmarks.words.lists import listed
from benchmarks.words.marks import doubt_words, mark_words
from benchmarks.words.numbers import (
    DASH,
    NBSP,
    count,
    figure,
    milliseconds,
    nominal_ms,
    p_words,
    percent,
    plural,
    signed,
    upper_bound,
)
from benchmarks.words.reading import Reading
from benchmarks.words.sentence import metric_words
from benchmarks.words.table import label_of

# What the parameters alone can predict.
_PREDICTED = (
    ("slo_ratio", "accepted and complete within the SLO"),
    ("accept_ratio", "accepted"),
    ("accept_latency_ms.p50", "accept p50"),
    ("accept_latency_ms.p95", "accept p95"),
    ("completion_latency_ms.p50", "completion p50"),
    ("completion_latency_ms.p95", "completion p95"),
)

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


def predicted(material: Material) -> Page | None:
    """What the parameters alone predict beside what was measured, in the window that the run is about."""
    reading, window = material.summary, material.main_window
    known = [
        name
        for name in material.variants
        if reading.section("predicted", name) and reading.text("predicted", name, "not_predicted") is None
    ]
    if not known:
        return None
    headings = ("", *(f"{name}, {what}" for name in known for what in ("predicted", "measured")))
    inside = ("windows", window) if window else ()
    rows = []
    for metric, label in _PREDICTED:
        path = (*inside, *metric.split("."))
        write = percent if metric.endswith("_ratio") else milliseconds
        cells = [write(reading.number(part, name, *path)) for name in known for part in ("predicted", "variants")]
        rows.append((label, *cells))
    return Page(headings, tuple(rows), (False, *[True] * (len(headings) - 1)))


def not_predicted(material: Material) -> tuple[str, ...]:
    """For each variant that the parameters alone do not settle, why."""
    reasons = {name: material.summary.text("predicted", name, "not_predicted") for name in material.variants}
    return tuple(f"{name}: not predicted: {reason}" for name, reason in reasons.items() if reason is not None)


def residuals(material: Material) -> Page | None:
    """Measured minus predicted, registration by registration, over the whole run; None where nothing was compared."""
    reading = material.summary
    known = [name for name in material.variants if reading.number("residuals", name, "n")]
    if not known:
        return None
    rows = []
    for name in known:

        def figures(*path: str, name: str = name) -> tuple[str, ...]:
            return tuple(milliseconds(reading.number("residuals", name, *path, stat)) for stat in ("p50", "p95", "p99"))

        works = [figures("work_ms", "by_service", service)[0] for service in material.services]
        counts = [count(reading.number("residuals", name, part)) for part in ("n", *_APART)]
        rows.append((name, *figures("accept_ms"), *figures("completion_ms"), ", ".join(works), *counts))
    headings = (
        *("variant", "answer p50", "p95", "p99", "all done p50", "p95", "p99"),
        f"the work of {listed(material.services)}, p50 each",
        *("compared", *_APART.values()),
    )
    return Page(headings, tuple(rows), (False, *[True] * (len(headings) - 1)))


def endings(material: Material) -> Page:
    rows = []
    for path, word, meaning in ENDINGS:
        cells = []
        for name in material.variants:
            number = material.summary.figure(name, *path)
            offered = int(material.summary.figure(name, "counts", "offered") or 0)
            bound = f" ({upper_bound(offered)})" if number == 0 and offered else ""
            cells.append(count(number) + bound)
        rows.append((word, meaning, *cells))
    headings = ("", "what it means", *material.variants)
    return Page(headings, tuple(rows), (False, False, *[True] * len(material.variants)))


def services(material: Material) -> Page:
    """Effects of each service: (registration, service) pairs, and when they were done."""
    names = ("expected", "applied", "pending", "dead_lettered", "stranded", "lost", "duplicated")
    rows = []
    for variant in material.variants:
        for service in material.services:
            cells = [count(material.summary.figure(variant, "effects", "by_service", service, name)) for name in names]
            times = [
                milliseconds(material.summary.figure(variant, "completion_latency_ms", "by_service", service, stat))
                for stat in ("p50", "p95")
            ]
            rows.append((variant, service, *cells, *times))
    headings = ("variant", "service", *(name.replace("_", "-") for name in names), "done p50", "done p95")
    return Page(headings, tuple(rows), (False, False, *[True] * (len(headings) - 2)))


def comparisons(reading: Reading) -> Page | None:
    """Each comparison with its interval, its corrected p, and what to beware of."""
    rows = []
    entries = reading.records("comparisons")
    bootstrapped = any(entry.get("ci95_bootstrap") for entry in entries)
    for entry in entries:
        one = Reading(entry)
        kind, label = next((kind, one.text(kind)) for kind in ("ratio", "difference") if one.text(kind) is not None)
        points = kind == "difference"
        notes = (mark_words(one.text("mark")), doubt_words(one.number("p"), one.number("p_holm")))
        differs = "differs" if entry.get("significant") is True and one.text("mark") is None else ""
        rows.append(
            (
                label_of(Metric.parse(str(entry["metric"]))),
                label or "",
                *_estimates(one, points=points, bootstrapped=bootstrapped),
                p_words(one.number("p_holm")),
                ", ".join(filter(None, (differs, *notes))),
            )
        )
    if not rows:
        return None
    intervals = ("95 % interval", *(("bootstrap",) if bootstrapped else ()))
    headings = ("", "compared", "estimate", *intervals, "p", "")
    return Page(headings, tuple(rows), (False, False, *[True] * (len(intervals) + 2), False))


def reasons(reading: Reading) -> tuple[str, ...]:
    """What to know about comparisons beside their figures, each reason once, with those that it is about."""
    about: dict[str, list[str]] = {}
    for entry in reading.records("comparisons"):
        if reason := entry.get("reason"):
            about.setdefault(str(reason), []).append(label_of(Metric.parse(str(entry["metric"]))))
    return tuple(f"{'; '.join(dict.fromkeys(labels))}: {reason}" for reason, labels in about.items())


def _estimates(entry: Reading, *, points: bool, bootstrapped: bool) -> tuple[str, ...]:
    """The estimate and its intervals; differences of shares in points."""
    scale, write = (100.0, signed) if points else (1.0, figure)
    value = entry.number("estimate")
    cells = [DASH if value is None else write(value * scale) + (f"{NBSP}points" if points else "")]
    for name in ("ci95", "ci95_bootstrap")[: 1 + bootstrapped]:
        edges = [float(str(edge)) * scale for edge in entry.items(name)]
        cells.append(" to ".join(write(edge) for edge in edges) or DASH)
    return tuple(cells)


def order_effect(reading: Reading) -> tuple[str, ...]:
    """What was found of the order of trials, metric by metric."""
    entries = [(str(entry["metric"]), str(entry["sentence"])) for entry in reading.records("order_effect")]
    return tuple(label_of(Metric.parse(metric)) + sentence.removeprefix(metric) for metric, sentence in entries)


def noise_floor(reading: Reading) -> str:
    """Under which floor the comparisons stand, or why under none."""
    floor = Reading(reading.section("noise_floor"))
    if not floor.section("metrics"):
        return f"No noise floor was used: {floor.text('reason') or 'none is stored with this run'}."
    blocks = floor.number("blocks")
    over = f" over {plural(int(blocks), 'block')}" if blocks else ""
    return f"≈ stands where the interval lies within what identical sides (A/A) showed on this machine{over}."


def thresholds(reading: Reading) -> list[tuple[str, str, str, str, bool]]:
    """Metric, variant, expectation, value, whether it passed."""
    return [
        (
            metric_words(Metric.parse(str(entry["metric"]))),
            str(entry.get("variant", "")),
            str(entry["expression"]),
            figure(Reading(entry).number("value")),
            entry.get("passed") is True,
        )
        for entry in reading.records("thresholds")
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


def trials(reading: Reading) -> Page:
    rows = []
    for variant in reading.variants:
        for entry in reading.records("variants", variant, "trials"):
            trial = Reading(entry)
            rows.append(
                (
                    count(trial.number("trial")),
                    count(trial.number("block")),
                    variant,
                    count(trial.number("counts", "offered")),
                    percent(trial.number("accept_ratio")),
                    percent(trial.number("slo_ratio")),
                    *(figure(trial.number("accept_latency_ms", stat)) for stat in ("p50", "p95", "p99")),
                    *(figure(trial.number("completion_latency_ms", stat)) for stat in ("p50", "p95", "p99")),
                    figure(trial.number("schedule_delay_ms", "p99")),
                    count(trial.number("outstanding_max")),
                    figure(trial.number("drain_s")),
                    figure(trial.number("recovery_s")),
                    figure(trial.number("cpu_ms_per_registration", "total")),
                )
            )
    rows.sort(key=lambda row: int(row[0].replace(",", "")))
    headings = (
        *("trial", "block", "variant", "offered", "accepted", "in SLO"),
        *("accept p50 ms", "p95", "p99", "completion p50 ms", "p95", "p99"),
        *("schedule delay p99 ms", "outstanding", "drain s", "recovery s", "CPU ms each"),
    )
    return Page(headings, tuple(rows), (True, True, False, *[True] * (len(headings) - 3)))
