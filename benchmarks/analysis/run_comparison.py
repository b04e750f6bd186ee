"""Two runs against each other: whether they can be compared, and what changed from the old one to the new one.

    two results directories → StoredRun each → reasons against → per variant of both: new ÷ old → Holm's correction

What is refused and what is only stated is a table in `docs/statistics.md`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

from benchmarks.analysis.calibration import NoiseFloor, floor_for
from benchmarks.analysis.statistics import holm
from benchmarks.analysis.summary_model import Comparison, Summary, VariantSummary, plain
from benchmarks.analysis.verdict import SEPARATOR, compare_by, compared_metrics
from benchmarks.scenario import Scenario, ScenarioError, load_text
from benchmarks.scenario.resolve import resolve
from benchmarks.values.json_object import Json, object_or_empty
from benchmarks.words.numbers import clause

FORMAT_VERSION = 1
OLD, NEW = "old", "new"

# Keys of a scenario that figures depend on; the others say how often it ran and what was asked of it.
_SAME_KEYS = ("workload", "services", "api", "faults", "slo", "drain", "drainMayExpire")
# Keys of an environment without which figures cannot be compared: absolute ones do not carry over.
_SAME_MACHINE = ("machine", "cpu", "cores", "cores_usable")
# What an environment says about the moment, or what is compared by other means.
_OF_THE_MOMENT = ("load_average", "calibration")


class NoRunError(Exception):
    """A directory that is not a run."""


class DamagedRunError(Exception):
    """A run whose files cannot be read."""


@dataclass(frozen=True)
class StoredRun:
    """What a results directory says about its run: all that a comparison needs, and no frames."""

    directory: Path
    scenario: Scenario
    summary: Summary
    environment: Json
    version: str | None

    @classmethod
    def read(cls, directory: Path) -> StoredRun:
        """Raises NoRunError where there is no run, or none that ended; DamagedRunError where files cannot be read."""
        for name in ("scenario.yaml", "summary.json"):
            if not (directory / name).is_file():
                raise NoRunError(f"{directory} is not a run: it has no {name}")
        try:
            text = (directory / "scenario.yaml").read_text(encoding="utf-8")
            return cls(
                directory=directory,
                scenario=load_text(text, "scenario.yaml"),
                summary=Summary.read(directory / "summary.json"),
                environment=_read(directory / "environment.json", optional=True),
                version=cast("str | None", _read(directory / "run.json", optional=True).get("version")),
            )
        except (OSError, ValueError, ScenarioError) as error:
            raise DamagedRunError(f"the run in {directory} cannot be read: {error}") from error

    def side(self, variant: str, name: str) -> VariantSummary:
        """A variant's figures, under the name of the run."""
        return replace(self.summary.variants[variant], name=name)

    @property
    def variants(self) -> dict[str, dict[str, object]]:
        """The measured variants: all that makes each of them."""
        return {
            spec.name: {
                "base": spec.base,
                "options": dict(spec.options),
                "broker": None if spec.broker is None else (spec.broker.kind, spec.broker.partitions),
            }
            for spec in self.scenario.variants
            if spec.name in self.summary.variants
        }


@dataclass(frozen=True)
class Difference:
    """Something that is not the same in both runs, in words."""

    name: str
    old: object
    new: object

    def __str__(self) -> str:
        return f"{self.name}: {_short(self.old)} → {_short(self.new)}"


@dataclass(frozen=True)
class MetricChange:
    """One figure of one variant: new against old."""

    variant: str
    old: float | None
    new: float | None
    found: Comparison

    def as_dict(self) -> dict[str, object]:
        entry = plain(self.found)
        assert isinstance(entry, dict)
        return {**entry, "variant": self.variant, OLD: self.old, NEW: self.new, "beyond_noise": self.found.differs}


@dataclass(frozen=True)
class RunComparison:
    """Two runs, compared. `invalid` and `refused` say why not, and then there are no `changes`."""

    old: StoredRun
    new: StoredRun
    invalid: tuple[str, ...]
    refused: tuple[str, ...]
    stated: tuple[str, ...]
    paired: bool
    changes: tuple[MetricChange, ...]

    def as_dict(self) -> Json:
        return {
            "format_version": FORMAT_VERSION,
            "comparable": not (self.invalid or self.refused),
            "invalid": list(self.invalid),
            "refused": list(self.refused),
            "stated": list(self.stated),
            "paired": self.paired,
            "comparisons": [change.as_dict() for change in self.changes],
        }


def comparison_of_runs(old: StoredRun, new: StoredRun) -> RunComparison:
    """Compare two runs; pure. Blocks are paired where the seed is the same, so that arrivals and luck are."""
    runs = ((OLD, old), (NEW, new))
    invalid = [
        f"the {name} run is not valid: {reason}"
        for name, run in runs
        for reason in (() if run.summary.valid else run.summary.invalid_reasons or ("unknown",))[:1]
    ]
    invalid += [
        f"the {name} run was disturbed: {clause(run.summary.disturbed.sentence)}"
        for name, run in runs
        if run.summary.valid and run.summary.disturbed is not None
    ]
    refused = _refused(old, new)
    shared = [name for name, spec in old.variants.items() if new.variants.get(name) == spec]
    if not shared:
        refused.append("the runs have no variant in common that is the same in both")
    paired = old.scenario.seed == new.scenario.seed
    changes = [] if invalid or refused else _changes(old, new, shared, paired=paired)
    return RunComparison(
        old, new, tuple(invalid), tuple(refused), tuple(_stated(old, new, shared)), paired, tuple(changes)
    )


def _refused(old: StoredRun, new: StoredRun) -> list[str]:
    if old.directory.resolve() == new.directory.resolve():
        return [f"{old.directory} and {new.directory} are the same run"]
    scenarios = [resolve(run.scenario) for run in (old, new)]
    differences = [
        difference for key in _SAME_KEYS for difference in _differences(key, *(each.get(key) for each in scenarios))
    ]
    reasons = [f"the scenarios differ in {difference}" for difference in differences]
    for key in _SAME_MACHINE:
        here, there = (run.environment.get(key) for run in (old, new))
        if here is None or there is None:
            reasons.append(f"the machine's {key} is not recorded in both runs")
        elif here != there:
            reasons.append(f"the machines differ in {Difference(key, here, there)}")
    kinds = [object_or_empty(run.environment.get("broker")).get("kind") for run in (old, new)]
    if None not in kinds and kinds[0] != kinds[1]:
        reasons.append(f"the brokers differ in {Difference('kind', *kinds)}")
    return reasons


def _stated(old: StoredRun, new: StoredRun, shared: Sequence[str]) -> list[str]:
    """What differs without ruling out a comparison, since it may be what the runs are to show."""
    told = [str(difference) for difference in _differences("bench", old.version, new.version)]
    environments = [
        {key: value for key, value in run.environment.items() if key not in (*_OF_THE_MOMENT, *_SAME_MACHINE)}
        for run in (old, new)
    ]
    told += [str(difference) for difference in _differences("", *environments)]
    for key in ("name", "blocks", "seed"):
        told += [
            str(difference) for difference in _differences(key, getattr(old.scenario, key), getattr(new.scenario, key))
        ]
    names = dict.fromkeys([*old.variants, *new.variants])
    told += [f"{name} is left out: {_why_out(name, old, new)}" for name in names if name not in shared]
    return told


def _why_out(name: str, old: StoredRun, new: StoredRun) -> str:
    for run, which in ((old, OLD), (new, NEW)):
        if name not in run.variants:
            return f"the {which} run has none"
    return "its options differ"


def _changes(old: StoredRun, new: StoredRun, shared: Sequence[str], *, paired: bool) -> list[MetricChange]:
    floor = _floor(old, new)
    metrics = compared_metrics(with_faults=old.scenario.during_ns is not None)
    sides_of = {variant: (new.side(variant, NEW), old.side(variant, OLD)) for variant in shared}
    found = [
        (variant, sides, compare_by(metric, *sides, floor, paired=paired))
        for variant, sides in sides_of.items()
        for metric in metrics
    ]
    corrected = holm([compared.found.p for _, _, compared in found])
    return [
        MetricChange(
            variant,
            sides[1].of(compared.metric),
            sides[0].of(compared.metric),
            Comparison(**compared.fields(f"{NEW}{SEPARATOR[compared.kind]}{OLD}", p_holm)),
        )
        for (variant, sides, compared), p_holm in zip(found, corrected, strict=True)
    ]


def _floor(old: StoredRun, new: StoredRun) -> NoiseFloor | None:
    """The floor of either run, of two the newer: a machine is the same, and its calibration only gets better."""
    for run in (new, old):
        workload = run.scenario.workload
        floor, _ = floor_for(run.environment, run.scenario.name, workload.rate_per_s, workload.duration_s)
        if floor is not None:
            return floor
    return None


def _differences(name: str, old: object, new: object) -> Iterator[Difference]:
    """The leaves in which two nested values differ, with dotted names."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in dict.fromkeys([*old, *new]):
            yield from _differences(f"{name}.{key}" if name else str(key), old.get(key), new.get(key))
    elif old != new:
        yield Difference(name, old, new)


def _short(value: object) -> str:
    return "none" if value is None else str(value)


def _read(path: Path, *, optional: bool = False) -> Json:
    if optional and not path.is_file():
        return {}
    found = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(found, dict):
        raise ValueError(f"{path.name} is not a JSON object")  # noqa: TRY004  # damaged, like one that is not JSON
    return found
