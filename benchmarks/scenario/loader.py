"""Scenario files: found by name, read, validated; everything that is wrong with one is reported at once."""

from __future__ import annotations

import os
from pathlib import Path

from pydantic import ValidationError

from benchmarks.scenario.document import LARGEST_BYTES, Document, Tree, read_document
from benchmarks.scenario.errors import problems_of
from benchmarks.scenario.faults import windows_of
from benchmarks.scenario.metric import Metric
from benchmarks.scenario.model import Scenario, merged_services
from benchmarks.scenario.sample import too_few
from benchmarks.scenario.variant import DEFAULT_VARIANTS, SOME_HAVE
from benchmarks.values.checked import API, Known, near_miss
from benchmarks.values.problems import Flaw, Location, Problem, ScenarioError, UnknownScenarioError, choice_hint
from benchmarks.values.units import parse_s

_SUFFIXES = (".yaml", ".yml")
BUNDLED = Path(__file__).resolve().parents[2] / "scenarios"


def find(name_or_path: str, working_directory: Path | None = None) -> Path:
    """The file of a scenario. A name with a separator or `.yaml` is a path, and returned as it is if it exists.

    Raises UnknownScenarioError that names the nearest scenario.
    """
    here = working_directory or Path()
    if _is_path(name_or_path):
        path = here / name_or_path
        if not path.exists():
            raise UnknownScenarioError(f"there is no file {name_or_path!r}; 'bench list' shows the scenarios by name")
        return path
    known = dict(list_scenarios(here))
    if name_or_path not in known:
        if not known:
            raise UnknownScenarioError(f"unknown scenario {name_or_path!r}, and there are none in ./scenarios/")
        raise UnknownScenarioError(f"unknown scenario {name_or_path!r}; {choice_hint(name_or_path, known)}")
    return known[name_or_path]


def list_scenarios(working_directory: Path | None = None) -> list[tuple[str, Path]]:
    """Name and file of every scenario, by name. One in `./scenarios/` hides the bundled one of the same name."""
    found: dict[str, Path] = {}
    for directory in (BUNDLED, (working_directory or Path()) / "scenarios"):
        if directory.is_dir():
            found |= {path.stem: path for path in sorted(directory.iterdir()) if path.suffix == _SUFFIXES[0]}
    return sorted(found.items())


def load(path: Path) -> Scenario:
    """The scenario in the file `path`, whose name it must have.

    Raises ScenarioError with every problem found, also where the file cannot be read.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(LARGEST_BYTES + 1)
    except OSError as error:
        reason = (error.strerror or "it cannot be read").lower()
        raise ScenarioError([Problem(str(path), None, "", f"cannot read the scenario: {reason}")]) from None
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise ScenarioError([Problem(str(path), line, "", "this is not UTF-8 text; is it a scenario?")]) from None
    return build(read_document(text, str(path)), stem=path.stem)


def load_text(text: str, source: str) -> Scenario:
    """The scenario in `text`; `source` is what problems call it. Its name is free. Raises ScenarioError."""
    return build(read_document(text, source))


def build(document: Document, *, stem: str | None = None, check_sample: bool = True) -> Scenario:
    """The scenario that `document` describes. Raises ScenarioError with every problem found."""
    try:
        scenario = Scenario.model_validate(document.data, context=_known(document.data, stem))
    except ValidationError as error:
        raise ScenarioError(problems_of(error, document)) from None
    if check_sample and (flaws := sample_flaws(scenario, listed=("hypothesis", "all") in document.lines)):
        raise ScenarioError(document.problem(flaw.location, flaw.message) for flaw in flaws)
    return scenario


def sample_flaws(scenario: Scenario, *, listed: bool = False) -> list[Flaw]:
    """What hypothesis and thresholds ask of more arrivals than there are. Those of a closed load are not known before.

    `listed`: the file has its hypothesis under `all`, even if that is one.
    """
    parts = () if scenario.hypothesis is None else scenario.hypothesis.parts
    single = len(parts) == 1 and not listed
    asked: list[tuple[Location, Metric]] = [
        (("hypothesis", "metric") if single else ("hypothesis", "all", index, "metric"), part.metric)
        for index, part in enumerate(parts)
    ]
    asked += [(("thresholds", name), Metric.parse(name)) for name in scenario.thresholds]
    return [
        Flaw(location, _needs_more(metric, have))
        for location, metric in asked
        if (have := too_few(scenario, metric)) is not None
    ]


def _needs_more(metric: Metric, have: int) -> str:
    need = metric.smallest_sample
    where = f"the window {metric.window!r}" if metric.window else "a trial"
    return (
        f"'{metric}' needs {need:,} arrival{'s' * (need > 1)}, and {where} has {have:,}; raise the rate or the duration"
    )


def _known(data: dict[str, Tree], stem: str | None) -> Known:
    """What can be read of the raw data, with the defaults where a part cannot be read."""
    variants, api = data.get("variants"), data.get("api", {})
    given = data.get("services", {})
    services = merged_services(given if isinstance(given, dict) else {})
    assert isinstance(services, dict)
    names: list[str] = []
    for variant in variants if isinstance(variants, list) else DEFAULT_VARIANTS:
        name = variant.get("name") if isinstance(variant, dict) else variant
        if isinstance(name, str):
            names.append(name)
    of_services = {name: _instances(service) for name, service in services.items() if near_miss(name) is None}
    return Known(
        services=of_services,
        processes={**of_services, API: _instances(api), **dict.fromkeys(sorted(SOME_HAVE))},
        variants=tuple(names),
        duration_s=_duration_s(data.get("workload", {})),
        windows=windows_of(data.get("faults")),
        stem=stem,
    )


def _duration_s(workload: Tree) -> float | None:
    """How long the load lasts; a ramp as long as its stages together."""
    if not isinstance(workload, dict):
        return None
    try:
        stages = workload.get("stages")
        if workload.get("executor") == "ramping-arrival-rate" and isinstance(stages, list):
            durations = [stage.get("duration") if isinstance(stage, dict) else None for stage in stages]
            return round(sum(parse_s(duration) for duration in durations), 9)
        return parse_s(workload.get("duration", "20s"))
    except ValueError:
        return None


def _instances(service: object) -> int:
    count = service.get("instances", 1) if isinstance(service, dict) else 1
    return count if isinstance(count, int) and count >= 1 else 1


def _is_path(text: str) -> bool:
    separators = {"/", os.sep, os.altsep or "/"}
    return text.endswith(_SUFFIXES) or any(separator in text for separator in separators)
