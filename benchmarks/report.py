"""The report: one HTML file that opens without network access and says what was measured, verdict first.

    results/ → pages of plain values (this file) → templates/report.html.jinja → results/report.html

Everything that comes from a scenario or a result passes through the template's escaping. Only the charts are put in as
they are: they were drawn by this package, and matplotlib escaped what is written in them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from benchmarks.charts import CHARTS
from benchmarks.charts.material import Material
from benchmarks.charts.where_each_ended import ENDINGS
from benchmarks.claims import CLAIMS
from benchmarks.numbers import DASH, count, figure, milliseconds, percent, seconds, upper_bound
from benchmarks.reading import Reading
from benchmarks.sentence import found_words, metric_words, verdict_sentence
from benchmarks.scenario.metric import Metric
from benchmarks.table import ENDED, Row, side_by_side

_TEMPLATE = "report.html.jinja"
_OUTSIDE_SVG = re.compile(r"^.*?(?=<svg )", re.DOTALL)
_COMMENT = re.compile(r"<!--.*?-->\s*", re.DOTALL)

# What the parameters alone can predict.
_PREDICTED = (
    ("slo_ratio", "accepted and complete within the SLO"),
    ("accept_ratio", "accepted"),
    ("accept_latency_ms.p50", "accept p50"),
    ("accept_latency_ms.p95", "accept p95"),
    ("completion_latency_ms.p50", "completion p50"),
    ("completion_latency_ms.p95", "completion p95"),
)


@dataclass(frozen=True)
class Figure:
    """One chart with what stands around it. `svg` is drawn by this package."""

    name: str
    heading: str
    title: str
    how_to_read: str
    svg: Markup


@dataclass(frozen=True)
class Glance:
    """One variant at the top of the report: both times, and how many had both in time."""

    variant: str
    base: str
    colour: str
    accept: str
    complete: str
    in_slo: str
    findings: tuple[str, ...]


@dataclass(frozen=True)
class Page:
    """A table of plain cells under its heading. `numeric` says which columns are figures."""

    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numeric: tuple[bool, ...]


def write_report(results: Path) -> Path:
    """Write `report.html` of the run in `results`, whose charts are drawn already; returns its path.

    The same results give the same bytes. Raises OSError where a file is missing.
    """
    material = Material.read(results)
    run = _optional_json(results / "run.json")
    environment = Environment(
        loader=PackageLoader("benchmarks", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    reading = material.summary
    rows = side_by_side(reading.document)
    text = environment.get_template(_TEMPLATE).render(
        scenario=material.scenario,
        source=material.source,
        load=material.load,
        valid=reading.valid,
        reasons=reading.invalid_reasons,
        verdict=_verdict(reading),
        sentence=verdict_sentence(reading.document),
        claim=CLAIMS.get(material.scenario.claim or "", ""),
        hypothesis=[
            f"{metric_words(part.metric)}, {part.label} {part.expect}"
            for part in (material.scenario.hypothesis.parts if material.scenario.hypothesis else ())
        ],
        fault_labels=[window.label for window in material.windows],
        warnings=[str(warning) for warning in reading.items("warnings")],
        variants=material.variants,
        colours=material.colours,
        glances=[_glance(material, name) for name in material.variants],
        window="during the fault" if material.main_window else "over the whole run",
        sections=_sections(rows),
        predicted=_predicted(material),
        figures=[_figure(results, material, chart.name) for chart in CHARTS],
        endings=_endings(material),
        services=_services(material),
        comparisons=_comparisons(reading),
        thresholds=_thresholds(reading),
        faults=_faults(results),
        trials=_trials(reading),
        scenario_yaml=(results / "scenario.yaml").read_text(encoding="utf-8"),
        environment=list(_flat(_optional_json(results / "environment.json"))),
        started=str(run.get("started", "")),
        command=str(run.get("command", "")),
        version=str(run.get("version", "")),
        directory=results.name,
    )
    path = results / "report.html"
    path.write_text(text, encoding="utf-8")
    return path


def _optional_json(path: Path) -> Mapping[str, object]:
    """What a run that was cut short may not have."""
    if not path.is_file():
        return {}
    loaded = json.loads(path.read_text(encoding="utf-8"))
    assert isinstance(loaded, dict)
    return loaded


def _verdict(reading: Reading) -> str:
    if not reading.valid:
        return "not valid"
    return reading.text("comparison", "verdict") or "no verdict"


def _glance(material: Material, variant: str) -> Glance:
    summary, window = material.summary, material.main_window
    bases = {spec.name: spec.base for spec in material.scenario.variants}
    return Glance(
        variant=variant,
        base=bases.get(variant, variant),
        colour=material.colours[variant],
        accept=milliseconds(summary.figure(variant, "accept_latency_ms", "p50", window=window)),
        complete=milliseconds(summary.figure(variant, "completion_latency_ms", "p50", window=window)),
        in_slo=percent(summary.figure(variant, "slo_ratio", window=window)),
        findings=tuple(str(finding) for finding in summary.items("variants", variant, "findings")),
    )


def _sections(rows: Sequence[Row]) -> list[tuple[str, list[Row]]]:
    """The rows under their sections; the endings have a table of their own."""
    names = dict.fromkeys(row.section for row in rows if row.section != ENDED)
    return [(name, [row for row in rows if row.section == name]) for name in names]


def _figure(results: Path, material: Material, name: str) -> Figure:
    chart = next(chart for chart in CHARTS if chart.name == name)
    svg = (results / "charts" / f"{name}.svg").read_text(encoding="utf-8")
    inline = _COMMENT.sub("", _OUTSIDE_SVG.sub("", svg, count=1))
    return Figure(name, chart.heading, chart.title(material), chart.how_to_read, Markup(inline))  # noqa: S704  # own drawing


def _predicted(material: Material) -> Page | None:
    """What the parameters alone predict beside what was measured, in the window that the run is about."""
    reading, window = material.summary, material.main_window
    known = [name for name in material.variants if reading.section("predicted", name)]
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


def _endings(material: Material) -> Page:
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


def _services(material: Material) -> Page:
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


def _comparisons(reading: Reading) -> list[tuple[str, str]]:
    """Each comparison in words, and what to beware of."""
    notes = {"survivorship": "not comparable: survivorship", "?": "may be noise", "≈": "inside the noise floor"}
    found = []
    for entry in reading.records("comparisons"):
        mark, reason = entry.get("mark"), entry.get("reason")
        note = notes.get(str(mark), "") if mark else ""
        found.append((found_words(entry, reading.variants), "; ".join(filter(None, (note, str(reason or ""))))))
    return found


def _thresholds(reading: Reading) -> list[tuple[str, str, str, str, bool]]:
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


def _faults(results: Path) -> Page | None:
    """Each fault of each trial: as planned, and as the services logged it."""
    path = results / "faults.parquet"
    frame = pd.read_parquet(path) if path.is_file() else pd.DataFrame()
    if frame.empty:
        return None
    rows = []
    for row in frame.astype(object).where(frame.notna(), None).to_dict("records"):
        times = [None if row[name] is None else float(row[name]) / 1e9 for name in ("planned_begin_ns", "planned_end_ns")]
        real = [
            DASH if row[name] is None else f"{float(row[name]) / 1e9:.3f} s" for name in ("begin_ns", "end_ns")
        ]
        if not row["applicable"]:
            real = ["not applicable", "not applicable"]
        planned = " to ".join(seconds(time) for time in times)
        identity = (str(row["trial"]), str(row["block"]), str(row["variant"]), str(row["name"]))
        rows.append((*identity, str(row["target"]), str(row["type"]), planned, *real))
    headings = ("trial", "block", "variant", "fault", "target", "type", "planned", "began", "ended")
    return Page(headings, tuple(rows), (True, True, False, False, False, False, True, True, True))


def _trials(reading: Reading) -> Page:
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
                    figure(trial.number("cpu_ms_per_registration", "total")),
                )
            )
    rows.sort(key=lambda row: int(row[0].replace(",", "")))
    headings = (
        *("trial", "block", "variant", "offered", "accepted", "in SLO"),
        *("accept p50 ms", "p95", "p99", "completion p50 ms", "p95", "p99"),
        *("schedule delay p99 ms", "outstanding", "drain s", "CPU ms each"),
    )
    return Page(headings, tuple(rows), (True, True, False, *[True] * (len(headings) - 3)))


def _flat(value: object, name: str = "") -> Iterator[tuple[str, str]]:
    """Nested settings as rows of dotted names."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _flat(item, f"{name}.{key}" if name else str(key))
    elif isinstance(value, list):
        yield name, ", ".join(str(item) for item in value)
    else:
        yield name, DASH if value is None else str(value)
