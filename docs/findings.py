"""Writes the generated part of docs/findings.md from stored runs: `python docs/findings.py RESULTS…`.

    summary, scenario, run and environment of each results directory → sections → docs/findings.md, between its markers

Every figure and verdict stands in `summary.json`; nothing is judged here.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.analysis.summary_model import Comparison, Summary, VariantSummary
from benchmarks.report.claims import CLAIMS
from benchmarks.scenario import ScenarioError, load_text
from benchmarks.scenario.metric import Metric, rows
from benchmarks.scenario.model import Scenario
from benchmarks.words.comparison import effect_words
from benchmarks.words.numbers import figure, listed, milliseconds, percent
from benchmarks.words.summary import (
    broker_caution,
    disturbance_sentence,
    found_words,
    part_sentences,
    verdict_sentence,
)
from benchmarks.words.table import label_of
from benchmarks.words.worth import cost_sentences, prediction_sentence, worth_sentences

PAGE = Path(__file__).parent / "findings.md"
BEGIN, END = "<!-- findings, written by docs/findings.py -->\n", "<!-- end of findings -->"
USAGE = "usage: python docs/findings.py RESULTS…, each a results directory: results/<scenario>/<UTC stamp>"


class FindingsError(Exception):
    """No page can be made of these runs; the message says which and what to do."""


@dataclass(frozen=True)
class Run:
    """One stored run. `machine` is a sentence; runs of one page share it. `started` is a UTC date."""

    scenario: Scenario
    summary: Summary
    machine: str
    started: str
    command: str

    @classmethod
    def read(cls, directory: Path) -> Run:
        """Raises FindingsError where the directory holds no run that came to its end."""
        try:
            run, environment = (json.loads((directory / f"{name}.json").read_text()) for name in ("run", "environment"))
            summary = Summary.read(directory / "summary.json")
            scenario = load_text((directory / "scenario.yaml").read_text(encoding="utf-8"), "scenario.yaml")
        except (OSError, ValueError, ScenarioError) as error:
            raise FindingsError(f"{directory}: {error}; name the directory of a finished run") from error
        return cls(scenario, summary, _machine(environment), str(run["started"])[:10], str(run["command"]))

    @property
    def window(self) -> str | None:
        """The window that its figures are of: the fault's, where there is one."""
        return "during" if self.summary.has_window("during") else None

    @property
    def quick(self) -> bool:
        return "--quick" in self.command.split()


def page(runs: Sequence[Run]) -> str:
    """The generated part. Raises FindingsError where the runs do not belong on one page."""
    if len(machines := {run.machine for run in runs}) != 1:
        raise FindingsError(f"figures of different machines: {' / '.join(sorted(machines))}; run all of them on one")
    names = [run.scenario.name for run in runs]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise FindingsError(f"several runs of {listed(twice)}; choose one of each before you look at the figures")
    sections = (_head(runs), _overview(runs), _surprises(runs), _direct_wins(runs), _both_times(runs), _each(runs))
    return "\n".join(line for section in sections for line in (*section, ""))


def write(directories: Sequence[Path], target: Path = PAGE) -> None:
    """Put the page of these runs between the markers of `target`. Raises FindingsError."""
    generated = page([Run.read(directory) for directory in directories])
    before, begin, rest = target.read_text(encoding="utf-8").partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise FindingsError(f"{target}: put the lines {BEGIN.strip()} and {END} where the findings belong")
    target.write_text(f"{before}{BEGIN}{generated}{END}{after}", encoding="utf-8")


def _machine(environment: dict[str, object]) -> str:
    broker, packages = environment.get("broker"), environment.get("packages")
    parts = [f"{environment.get('cores')} cores", environment.get("cpu"), environment.get("os")]
    parts += ["a virtual machine" if environment.get("hypervisor") else None, environment.get("python")]
    if isinstance(broker, dict) and "kind" in broker:
        parts.append(f"{broker['kind']} {broker.get('version')}")
    if isinstance(packages, dict) and "sync-vs-events" in packages:
        parts.append(f"bench {packages['sync-vs-events']}")
    return ", ".join(str(part) for part in parts if part)


def _head(runs: Sequence[Run]) -> Iterator[str]:
    days = sorted({run.started for run in runs})
    yield f"Measured {' to '.join(dict.fromkeys((days[0], days[-1])))}, on {runs[0].machine}."
    if quick := [run.scenario.name for run in runs if run.quick]:
        yield f"Quick runs, shorter than the scenario says: {listed(quick)}."
    yield from dict.fromkeys(filter(None, (broker_caution(run.summary) for run in runs)))


def _overview(runs: Sequence[Run]) -> Iterator[str]:
    yield "| scenario | what happens | verdict | |"
    yield "|---|---|---|---|"
    for run in runs:
        verdict = run.summary.comparison and run.summary.comparison.verdict
        notes = ["as predicted"] if _as_predicted(run) else []
        notes += ["disturbed"] if run.summary.disturbed else []
        name = run.scenario.name
        yield f"| [{name}](#{name}) | {run.scenario.title} | {verdict or 'none'} | {', '.join(notes)} |"


def _as_predicted(run: Run) -> bool:
    return bool(run.summary.parts) and all(part.as_predicted for part in run.summary.parts)


def _surprises(runs: Sequence[Run]) -> Iterator[str]:
    yield "## What surprised"
    found = [f"- **{run.scenario.name}**: {words}" for run in runs for words in _unforeseen(run)]
    yield from found or ["Nothing was measured outside what the parameters predict and what identical sides show."]


def _unforeseen(run: Run) -> Iterator[str]:
    """What was measured outside its prediction: beyond the bound, or further off than identical sides differ."""
    for part in run.summary.parts:
        decided = part.decided
        other_side = decided and part.predicted is not None and not part.as_predicted
        if other_side or (part.adds is not None and part.adds.outside_floor):
            yield f"{found_words(part, tuple(run.summary.variants))}. {prediction_sentence(part)}"


def _direct_wins(runs: Sequence[Run]) -> Iterator[str]:
    yield "## Where direct calls win"
    yield "Every figure that is compared in every run and by which a direct side is better beyond noise."
    if disturbed := [run.scenario.name for run in runs if run.summary.disturbed]:
        yield f"Cost and throughput are not compared where the run was disturbed: {listed(disturbed)}."
    yield ""
    found = [f"- **{run.scenario.name}**: {words}" for run in runs for words in _won_directly(run.summary)]
    yield from found or ["In none of these runs."]


def _won_directly(summary: Summary) -> Iterator[str]:
    better = {metric: row.better for row, metric in rows()}
    for one in summary.comparisons if summary.valid else ():
        wanted = better.get(Metric(one.measured.name, one.measured.stat))
        if one.differs and wanted and (sides := _sides(one, summary)):
            first_is_better = ((one.estimate or 0.0) > (1.0 if one.kind == "ratio" else 0.0)) == (wanted == "high")
            if not sides[0 if first_is_better else 1].uses_broker and sides[1 if first_is_better else 0].uses_broker:
                yield f"{label_of(one.measured)}, {one.label}: {effect_words(one)}."


def _sides(one: Comparison, summary: Summary) -> tuple[VariantSummary, VariantSummary] | None:
    pairs = ((a, b) for a in summary.variants.values() for b in summary.variants.values())
    return next(((a, b) for a, b in pairs if one.label in (f"{a.name}/{b.name}", f"{a.name}-{b.name}")), None)


def _both_times(runs: Sequence[Run]) -> Iterator[str]:
    yield "## Both times, and what they cost"
    yield "During the fault where there is one, else over the whole run; CPU and what is missing over the whole run."
    yield ""
    columns = (
        "scenario",
        "variant",
        "accepted",
        "accept p50 / p95",
        "completion p50 / p95",
        "both in time",
        "CPU ms each",
    )
    yield f"| {' | '.join((*columns, 'missing'))} |"
    yield "|---" * (len(columns) + 1) + "|"
    for run in runs:
        yield from (f"| {run.scenario.name} | {' | '.join(_row(run, name))} |" for name in run.summary.variants)


def _row(run: Run, name: str) -> Iterator[str]:
    def of(metric: str, stat: str | None = None, window: str | None = run.window) -> float | None:
        return run.summary.figure(name, metric, stat, window=window)

    yield name
    yield percent(of("accept_ratio"))
    for metric in ("accept_latency_ms", "completion_latency_ms"):
        yield " / ".join(milliseconds(of(metric, stat)) for stat in ("p50", "p95"))
    yield percent(of("slo_ratio"))
    yield figure(of("cpu_ms_per_registration", "total", None))
    ends = {stat: round(of("registrations", stat, None) or 0) for stat in ("lost", "stranded", "pending")}
    yield ", ".join(f"{count:,} {stat}" for stat, count in ends.items() if count) or "none"


def _each(runs: Sequence[Run]) -> Iterator[str]:
    yield "## Each scenario"
    for run in runs:
        summary, claim = run.summary, CLAIMS.get(run.scenario.claim or "")
        yield ""
        yield f"### {run.scenario.name}"
        yield f"{run.scenario.title}." + (f" The claim: *{claim}*" if claim else "")
        yield ""
        sentences = [verdict_sentence(summary), *part_sentences(summary), disturbance_sentence(summary)]
        sentences += worth_sentences(summary)
        sentences += [f"{what}: {words}." for what, words in cost_sentences(summary)]
        yield from (f"- {sentence[:1].upper()}{sentence[1:]}" for sentence in sentences if sentence)


def main(arguments: Sequence[str]) -> int:
    """0 written, 2 usage or runs that cannot stand on one page."""
    if not arguments or arguments[0].startswith("-"):
        print(USAGE, file=sys.stderr)
        return 2
    try:
        write([Path(argument) for argument in arguments])
    except FindingsError as error:
        print(f"findings: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
