"""Changes to a scenario from the command line: the same rules as for the file, applied to the changed whole."""

from __future__ import annotations

from collections.abc import Collection, Container, Mapping, Sequence
from dataclasses import replace
from itertools import accumulate, pairwise

from benchmarks.scenario import quick as quickly
from benchmarks.scenario.document import Document, read_document
from benchmarks.scenario.faults import windows_of
from benchmarks.scenario.loader import build
from benchmarks.scenario.metric import Metric
from benchmarks.scenario.model import Scenario
from benchmarks.scenario.resolve import dump, resolve
from benchmarks.scenario.settings import with_settings
from benchmarks.scenario.variant import VariantSpec, with_broker
from benchmarks.scenario.workload import Stage, Workload
from benchmarks.subject import VARIANTS
from benchmarks.values.problems import Problem, ScenarioError, choice_hint
from benchmarks.values.units import format_s, parse_s

_SOURCE = "the command line"


def override(
    scenario: Scenario,
    *,
    rate: float | None = None,
    duration: str | None = None,
    blocks: int | None = None,
    seed: int | None = None,
    variants: Sequence[str] | None = None,
    broker: str | None = None,
    quick: bool = False,
    sets: Sequence[str] = (),
) -> Scenario:
    """The scenario as the command line changes it, by the same rules as the file. Raises ScenarioError.

    `rate` is the highest of a ramp. `duration` is text with a unit and scales the fault times. `variants` are names of
    the run, or bases that it does not have; faults, thresholds and a hypothesis that speak of others are left out.
    `broker` is the kind that all event variants use instead of theirs. `quick` makes three blocks of about 8 s with a
    warm-up of 1 s, and leaves out what these cannot answer: `Scenario.quick` says what. `sets` are `key=value` for any
    key of the file, such as `faults.0.latency=400ms`, and are applied last.
    """
    chosen = list(dict.fromkeys(variants or scenario.variant_names))
    duration_s = min(scenario.workload.duration_s, quickly.DURATION_S) if quick else scenario.workload.duration_s
    problems = _unknown_variants(scenario, chosen)
    if duration is not None:
        try:
            duration_s = parse_s(duration)
            if duration_s <= 0:
                raise ValueError("the duration must be above 0ms")
        except ValueError as error:
            problems.append(Problem(_SOURCE, None, duration, f"--duration: {error}"))
    if problems:
        raise ScenarioError(problems)

    data = resolve(scenario)
    data["workload"] = _workload(scenario, rate, duration_s, quick=quick)
    left_out = (
        quickly.faults_left_out(scenario, duration_s, [_spec(scenario, name) for name in chosen]) if quick else {}
    )
    data["faults"] = faults = _faults(scenario, duration_s, chosen, left_out)
    windows = windows_of(faults)
    data["variants"] = _variants(scenario, chosen)
    if broker is not None:
        _replace_broker(data, broker)
    data["thresholds"] = _thresholds(scenario, chosen, windows)
    data["blocks"] = blocks if blocks is not None else quickly.BLOCKS if quick else scenario.blocks
    data["seed"] = seed if seed is not None else scenario.seed
    if not _can_ask(scenario, chosen, windows):
        data.pop("hypothesis", None)
    if sets:
        data = with_settings(data, sets, _SOURCE)
    if quick:
        shortened = build(_document(data), check_sample=False)
        data = {**data, **quickly.leave_out(shortened, scenario, left_out.values())}
    return build(_document(data))


def _document(data: Mapping[str, object]) -> Document:
    """For the loader, without line numbers, since there is no file to point into."""
    return replace(read_document(dump(data), _SOURCE), lines={})


def _unknown_variants(scenario: Scenario, chosen: Sequence[str]) -> list[Problem]:
    choices = [*scenario.variant_names, *VARIANTS]
    return [
        Problem(_SOURCE, None, name, f"--variant: unknown variant {name!r}; {choice_hint(name, choices)}")
        for name in chosen
        if name not in choices
    ]


def _workload(scenario: Scenario, rate: float | None, duration_s: float, *, quick: bool) -> dict[str, object]:
    changed = scenario.workload.resolved()
    if scenario.workload.stages is not None:
        factor = duration_s / scenario.workload.duration_s
        if factor != 1:
            changed["stages"] = _scaled_stages(scenario.workload.stages, factor, duration_s)
    else:
        changed["duration"] = format_s(duration_s)
    if quick:
        changed["warmup"] = format_s(min(scenario.workload.warmup_s, quickly.WARMUP_S))
    if rate is not None:
        changed |= _at_rate(scenario.workload, changed, float(rate))
    if scenario.workload.max_in_flight == scenario.workload.default_max_in_flight:
        changed.pop("maxInFlight", None)  # it follows from the rate, which may be another
    return changed


def _at_rate(workload: Workload, changed: Mapping[str, object], rate: float) -> dict[str, object]:
    """The keys that give the load another rate: of a ramp its highest, and the others in proportion."""
    stages = changed.get("stages")
    if workload.stages is None or not isinstance(stages, list):
        return {"rate": rate}
    factor = rate / max(workload.start_rate or 0.0, *(stage.target for stage in workload.stages))
    scaled = [{**stage, "target": stage["target"] * factor} for stage in stages]
    return {"startRate": (workload.start_rate or 0.0) * factor, "stages": scaled}


def _scaled_stages(stages: Sequence[Stage], factor: float, duration_s: float) -> list[dict[str, object]]:
    """To the microsecond, and their ends rather than their lengths, so that together they last as long as the run."""
    ends_s = [round(end_s * factor, 6) for end_s in accumulate(stage.duration_s for stage in stages)]
    ends_s[-1] = duration_s
    lengths_s = [round(end_s - begin_s, 9) for begin_s, end_s in pairwise([0.0, *ends_s])]
    return [
        {"duration": format_s(max(1e-6, length_s) if stage.duration_s else 0.0), "target": stage.target}
        for stage, length_s in zip(stages, lengths_s, strict=True)
    ]


def _faults(
    scenario: Scenario, duration_s: float, chosen: Sequence[str], left_out: Container[str]
) -> list[dict[str, object]]:
    """The faults that still meet a variant and are not left out by name, their times scaled as the run is."""
    factor = duration_s / scenario.workload.duration_s
    scaled: list[dict[str, object]] = []
    for fault in scenario.faults:
        if fault.name in left_out or not any(fault.concerns(_spec(scenario, name)) for name in chosen):
            continue
        data = fault.resolved()
        if fault.variants is not None:
            data["variants"] = [name for name in chosen if name in fault.variants]
        if factor != 1:
            # To the microsecond, and the end on its own, so that a fault that ended with the run still does.
            begin_s, end_s = round(fault.at_s * factor, 6), min(round(fault.end_s * factor, 6), duration_s)
            data["at"] = format_s(begin_s)
            if fault.lasts:
                data["duration"] = format_s(max(1e-6, round(end_s - begin_s, 9)))
        scaled.append(data)
    return scaled


def _spec(scenario: Scenario, name: str) -> VariantSpec:
    """The variant of that name; a base that the file does not run comes as it is."""
    if name in scenario.variant_names:
        return scenario.variant(name)
    return with_broker(VariantSpec.model_validate(name), scenario.broker)


def _variants(scenario: Scenario, chosen: Sequence[str]) -> list[object]:
    """In the order of the command line; a base that the file does not run comes as it is."""
    listed = resolve(scenario)["variants"]
    assert isinstance(listed, list)
    of_the_file = dict(zip(scenario.variant_names, listed, strict=True))
    return [of_the_file.get(name, name) for name in chosen]


def _replace_broker(data: dict[str, object], kind: str) -> None:
    """Every broker becomes one of this kind; only how topics are cut is kept of one of another."""
    shared, variants = data["broker"], data["variants"]
    assert isinstance(shared, dict)
    assert isinstance(variants, list)
    if shared["kind"] != kind:
        data["broker"] = {"kind": kind, "partitions": shared["partitions"]}
    for variant in variants:
        own = variant.get("broker") if isinstance(variant, dict) else None
        if own and own.get("kind", shared["kind"]) != kind:
            variant["broker"] = {"partitions": own.get("partitions", shared["partitions"])}
        elif own:
            own["kind"] = kind


def _thresholds(scenario: Scenario, chosen: Sequence[str], windows: Collection[str]) -> dict[str, list[str]]:
    kept: dict[str, list[str]] = {}
    for name, expressions in scenario.thresholds.items():
        metric = Metric.parse(name)
        if metric.variant in (None, *chosen) and metric.is_there(windows):
            kept[name] = list(expressions)
    return kept


def _can_ask(scenario: Scenario, chosen: Sequence[str], windows: Collection[str]) -> bool:
    """Whether the variants and the window that the hypothesis is about are still there."""
    return scenario.hypothesis is not None and all(
        set(part.sides) <= set(chosen) and part.metric.is_there(windows) for part in scenario.hypothesis.parts
    )
