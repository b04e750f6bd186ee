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

from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup

from benchmarks.analysis.summary_model import Summary
from benchmarks.charts import CHARTS
from benchmarks.charts.run_data import RunData
from benchmarks.report import pages
from benchmarks.report.cases import SHOWN, cases
from benchmarks.report.claims import CLAIMS
from benchmarks.report.first_charts import first_charts
from benchmarks.words.brief import brief, findings, short_name, ten_rows, with_unit
from benchmarks.words.calibration import calibration_lines
from benchmarks.words.numbers import DASH, listed, sentence
from benchmarks.words.summary import (
    broker_caution,
    disturbance_sentence,
    disturbed_figures_sentence,
    loop_sentence,
    metric_words,
    part_sentences,
    reasons_against,
    repeated_sentences,
    verdict_sentence,
)
from benchmarks.words.table import ENDED, TableRow, side_by_side
from benchmarks.words.worth import cost_sentences, worth_sentences

_TEMPLATE = "report.html.jinja"
_OUTSIDE_SVG = re.compile(r"^.*?(?=<svg )", re.DOTALL)
_COMMENT = re.compile(r"<!--.*?-->\s*", re.DOTALL)


@dataclass(frozen=True)
class Figure:
    """One chart with the text around it. `svg` is drawn by this package."""

    name: str
    heading: str
    title: str
    how_to_read: str
    svg: Markup


def write_report(results: Path) -> Path:
    """Write `report.html` of the run in `results`, whose charts are drawn already; returns its path.

    The same results give the same bytes. Raises OSError where a file is missing.
    """
    data = RunData.read(results)
    workload = data.scenario.workload
    run, ran_in = (_optional_json(results / name) for name in ("run.json", "environment.json"))
    summary = data.summary
    rows = side_by_side(summary)
    first = first_charts(summary, [chart.name for chart in CHARTS])
    text = _template().render(
        scenario=data.scenario,
        source=data.source,
        load=data.load,
        valid=summary.valid,
        reasons=reasons_against(summary),
        claim=CLAIMS.get(data.scenario.claim or "", ""),
        hypothesis=[
            f"{metric_words(part.metric)}, {part.label} {part.expect}"
            for part in (data.scenario.hypothesis.parts if data.scenario.hypothesis else ())
        ],
        fault_labels=[window.label for window in data.windows],
        warnings=[*repeated_sentences(summary), *summary.warnings],
        **_what_matters(summary),
        variants=data.variants,
        colours=data.colours,
        window="during the fault" if data.main_window else "over the whole run",
        sections=_sections(rows),
        predicted=pages.predicted(data),
        unsettled=pages.unsettled(data),
        residuals=pages.residuals(data),
        figures=[_figure(results, data, name) for name in first],
        more_figures=[_figure(results, data, chart.name) for chart in CHARTS if chart.name not in first],
        endings=pages.endings(data),
        cases=cases(data),
        cases_shown=SHOWN,
        services=pages.services(data),
        comparisons=pages.comparisons(summary),
        comparison_reasons=pages.reasons(summary),
        noise_floor=pages.noise_floor(summary),
        thresholds=pages.thresholds(summary),
        faults=pages.faults(results),
        trials=pages.trials(summary),
        scenario_yaml=(results / "scenario.yaml").read_text(encoding="utf-8"),
        calibration=calibration_lines(
            ran_in.get("calibration"), data.scenario.name, workload.highest_rate(0.0, workload.duration_s)
        ),
        environment=list(_flat({name: value for name, value in ran_in.items() if name != "calibration"})),
        **{name: str(run.get(name, "")) for name in ("started", "command", "version")},
        directory=results.name,
    )
    path = results / "report.html"
    path.write_text(text, encoding="utf-8")
    return path


def _what_matters(summary: Summary) -> dict[str, object]:
    """What comes first, by the template's names."""
    found = brief(summary)
    return {
        "verdict": _verdict(summary),
        "caution": broker_caution(summary),
        # Its head, "Confirmed" or the like, is in bold.
        "sentence": verdict_sentence(summary).partition(": "),
        "parts": part_sentences(summary),
        "disturbed": disturbance_sentence(summary),
        "disturbed_figures": sentence(disturbed_figures_sentence(summary)),
        "worth": worth_sentences(summary),
        "brief": found,
        "ten": [(row, short_name(row, found.window), with_unit(row)) for row in ten_rows(summary)],
        "findings": [f"{listed(names)}: {finding}" for finding, names in findings(summary).items()],
        "loop": loop_sentence(summary),
        "costs": cost_sentences(summary),
    }


def _template() -> Template:
    environment = Environment(
        loader=PackageLoader("benchmarks.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(_TEMPLATE)


def _optional_json(path: Path) -> Mapping[str, object]:
    """What a run that was cut short may not have."""
    if not path.is_file():
        return {}
    loaded = json.loads(path.read_text(encoding="utf-8"))
    assert isinstance(loaded, dict)
    return loaded


def _verdict(summary: Summary) -> str:
    if not summary.valid:
        return "not valid"
    return (summary.comparison.verdict if summary.comparison else None) or "no verdict"


def _sections(rows: Sequence[TableRow]) -> list[tuple[str, list[TableRow]]]:
    """The rows under their sections; the endings have a table of their own."""
    names = dict.fromkeys(row.section for row in rows if row.section != ENDED)
    return [(name, [row for row in rows if row.section == name]) for name in names]


def _figure(results: Path, data: RunData, name: str) -> Figure:
    chart = next(chart for chart in CHARTS if chart.name == name)
    svg = (results / "charts" / f"{name}.svg").read_text(encoding="utf-8")
    inline = _COMMENT.sub("", _OUTSIDE_SVG.sub("", svg, count=1))
    return Figure(name, chart.heading, chart.title(data), chart.how_to_read, Markup(inline))  # noqa: S704  # own drawing


def _flat(value: object, name: str = "") -> Iterator[tuple[str, str]]:
    """Nested settings as rows of dotted names."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _flat(item, f"{name}.{key}" if name else str(key))
    elif isinstance(value, list):
        yield name, ", ".join(str(item) for item in value)
    else:
        yield name, DASH if value is None else str(value)
