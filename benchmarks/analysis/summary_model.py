"""What `summary.json` says, as values: written by `plain`, read by `Summary.read`, and never searched by hand.

Figures stay an object by metric, as `benchmarks.metrics` has them: a `Metric` finds its own in it. Fields that came
later than others have a default, so that older files can be read.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Any, cast

import numpy as np
from pydantic import BeforeValidator, TypeAdapter

from benchmarks.scenario.hypothesis import EstimateKind
from benchmarks.scenario.metric import Metric
from benchmarks.values.json_object import Json

FORMAT_VERSION = 1
DECIDED = ("confirmed", "refuted")  # the verdicts that answer the question
SURVIVORSHIP_LIMIT = 0.01  # a point of accept_ratio
_DIGITS = 6
_OMITTED: Mapping[str, bool] = {"omitted": True}  # a key that is left out where it is null

Interval = tuple[float, float]


class WithFigures:
    """Something with figures: a variant, or one trial of it."""

    figures: Json
    broker: Json | None

    def of(self, metric: Metric) -> float | None:
        return metric.of(self.figures)

    @property
    def uses_broker(self) -> bool:
        return self.broker is not None


@dataclass(frozen=True)
class TrialSummary(WithFigures):
    """One trial; `trial` is its place in the run, from 1."""

    trial: int
    block: int
    broker: Json | None
    findings: tuple[str, ...]
    figures: Json


@dataclass(frozen=True)
class VariantSummary(WithFigures):
    """One variant over its trials, which are in block order."""

    name: str
    broker: Json | None
    findings: tuple[str, ...]
    figures: Json
    trials: tuple[TrialSummary, ...]

    @classmethod
    def from_dict(cls, name: str, entry: Json) -> VariantSummary:
        """From its part of `summary.json`."""
        trials = entry["trials"]
        assert isinstance(trials, Sequence)
        return cls(name, *_head(entry), tuple(TrialSummary(one["trial"], one["block"], *_head(one)) for one in trials))

    def by_block(self, metric: Metric) -> dict[int, float | None]:
        """The figure of each block's trial."""
        return {trial.block: trial.of(metric) for trial in self.trials}

    @property
    def zero_upper95(self) -> float | None:
        """The largest rate that none among its registrations leaves possible; null where it was not stored."""
        bound = self.figures.get("zero_upper95")
        return bound if isinstance(bound, float) else None

    def why_missing(self, metric: Metric) -> str | None:
        """Why there is no figure, as far as its metric knows."""
        return metric.definition.why_missing({**self.figures, "broker": self.broker, "trials": self.trials})


def _head(entry: Json) -> tuple[Any, tuple[str, ...], Json]:
    """Broker, findings and figures."""
    known = ("trial", "block", "broker", "findings", "trials")
    findings = entry.get("findings") or ()
    assert isinstance(findings, Sequence)
    return entry.get("broker"), tuple(findings), {key: entry[key] for key in entry if key not in known}


@dataclass(frozen=True)
class Comparison:
    """A figure of two sides, or of one: `ratio` A/B, `difference` A-B or `variant`, the other two are null.

    `significant` is after the correction for many (`p_holm`), or, where there is none, by `p` alone; null where nothing
    may be concluded. `docs/statistics.md` has the rest.
    """

    metric: str
    ratio: str | None = field(default=None, metadata=_OMITTED)
    difference: str | None = field(default=None, metadata=_OMITTED)
    variant: str | None = field(default=None, metadata=_OMITTED)
    estimate: float | None = None
    ci95: Interval | None = None
    per_block: tuple[float | None, ...] = ()
    p: float | None = None
    p_holm: float | None = None
    significant: bool | None = None
    mark: str | None = None
    reason: str | None = None
    # The estimate where all of a disturbance worked for one side, and where it worked for the other: null where quiet.
    bracket: Interval | None = None

    @property
    def measured(self) -> Metric:
        return Metric.parse(self.metric)

    @property
    def kind(self) -> EstimateKind:
        return "ratio" if self.ratio else "difference" if self.difference else "variant"

    @property
    def label(self) -> str:
        return self.ratio or self.difference or self.variant or ""

    @property
    def differs(self) -> bool:
        """Whether its sides differ, beyond noise."""
        return self.mark is None and self.significant is True


@dataclass(frozen=True)
class Added:
    """What the measurement adds to the prediction: a difference for shares and single variants, else a ratio.

    `outside_floor`: whether the whole interval lies outside what identical sides show; null without a floor.
    """

    estimate: float
    ci95: Interval | None
    outside_floor: bool | None


@dataclass(frozen=True)
class HoldsFor:
    """How far the verdict reaches beyond the bound and the SLO that were set.

    `bound`: the strictest that would still give it. `accept_slo_ms`, `complete_slo_ms`: the range of each SLO, the
    other as it is, in which it stays the same; null for metrics without an SLO. An end of null is open.
    """

    bound: float | None = None
    accept_slo_ms: tuple[float | None, float | None] | None = None
    complete_slo_ms: tuple[float | None, float | None] | None = None


@dataclass(frozen=True)
class PartVerdict(Comparison):
    """A part of the hypothesis with its verdict, null where there is none.

    `predicted` is what the parameters alone say, as `estimate` has it; `as_predicted`: it and the whole interval lie on
    the same side of `expect`.
    """

    expect: str = ""
    verdict: str | None = None
    predicted: float | None = None
    adds: Added | None = None
    as_predicted: bool = False
    holds_for: HoldsFor | None = None

    @property
    def decided(self) -> bool:
        return self.verdict in DECIDED


@dataclass(frozen=True)
class HypothesisVerdict:
    """A hypothesis of several parts."""

    all: tuple[PartVerdict, ...]
    verdict: str | None
    reason: str

    @property
    def decided(self) -> bool:
        return self.verdict in DECIDED


@dataclass(frozen=True)
class Threshold:
    """One expectation on one variant. `passed` is null where it could not be decided, and `reason` says why."""

    metric: str
    variant: str
    expression: str
    value: float | None
    passed: bool | None
    reason: str | None = None


@dataclass(frozen=True)
class RepeatedBlock:
    """An attempt at a block that does not count."""

    block: int
    attempt: int
    reasons: tuple[str, ...]
    trials: tuple[str, ...]


@dataclass(frozen=True)
class Disturbance:
    """What disturbed a run, and how much (`docs/disturbed-runs.md`). Shares are of the machine, over the busiest 5 s.

    `schedule_delay_ms` is the largest of a trial, p99 or below 1,000 arrivals p95; `added_ms` the p95 of measured minus
    predicted over the registrations that were disturbed, null without a prediction. `margins`: how far
    outside of its bracket a figure of a variant lay at most where that was tried in virtual time (a share, or ms; null:
    nothing bounds it), by which both its ends were moved out.
    """

    reasons: tuple[str, ...]
    trials: tuple[str, ...]
    foreign_share: float | None
    steal_share: float | None
    schedule_delay_ms: float | None
    added_ms: float | None
    sentence: str
    margins: Mapping[str, Mapping[str, float | None]] = field(default_factory=dict)


@dataclass(frozen=True)
class Cost:
    """What one variant took: per completed registration where it says so. `late`: complete, after the SLO."""

    cpu_ms_per_registration: float | None
    rss_mb_max: float | None
    drain_s: float | None
    effects_missing: int
    late: int


@dataclass(frozen=True)
class Advantage:
    """A figure by which the losing side is clearly better: the interval over blocks excludes no effect."""

    metric: str
    variant: str
    over: str
    estimate: float
    ci95: Interval


@dataclass(frozen=True)
class Worth:
    """What the verdict costs, and what speaks for the side that it speaks against."""

    costs: Mapping[str, Cost]
    losing_side_better: tuple[Advantage, ...]


@dataclass(frozen=True)
class Floor:
    """The interval of a ratio, or a difference, that identical sides stay within, and its deviation over blocks."""

    kind: str
    low: float
    high: float
    sd: float | None = None


@dataclass(frozen=True)
class UsedFloor:
    """The noise floor that comparisons were checked against; without one all is null, and `reason` says why."""

    scenario: str | None = None
    blocks: int | None = None
    rate_per_s: float | None = None
    duration_s: float | None = None
    metrics: Mapping[str, Floor] = field(default_factory=dict)
    reason: str | None = None


@dataclass(frozen=True)
class ResidualSummary:
    """One variant, measured minus predicted: percentiles in milliseconds, and counts of registrations."""

    n: int
    trials: int
    trials_not_compared: int
    accept_ms: Mapping[str, float | None]
    completion_ms: Mapping[str, Any]  # with `by_service`
    work_ms: Mapping[str, Any]  # only `by_service`
    accept_differs: int
    completion_differs: int
    on_edge: int
    not_compared: str | None


def _variants(entries: Mapping[str, Json]) -> dict[str, VariantSummary]:
    try:
        return {name: VariantSummary.from_dict(name, entry) for name, entry in entries.items()}
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"a variant or a trial of it is not whole: {error!r}") from error


@dataclass(frozen=True)
class Summary:
    """One run."""

    format_version: int
    scenario: str
    claim: str | None
    seed: int
    valid: bool
    invalid_reasons: tuple[str, ...]
    variants: Annotated[Mapping[str, VariantSummary], BeforeValidator(_variants)]
    comparison: PartVerdict | HypothesisVerdict | None
    comparisons: tuple[Comparison, ...]
    thresholds: tuple[Threshold, ...]
    repeated_blocks: tuple[RepeatedBlock, ...] = ()
    warnings: tuple[str, ...] = ()
    noise_floor: UsedFloor = field(default_factory=UsedFloor)
    predicted: Mapping[str, Json] | None = None
    residuals: Mapping[str, ResidualSummary] | None = None
    # What is shown next to the figures of the table and is not among `comparisons`: each on its own, uncorrected.
    comparisons_alone: tuple[Comparison, ...] = ()
    disturbed: Disturbance | None = None
    worth: Worth | None = None
    quick: bool = False  # three short blocks, for a first look
    slo_ms: Mapping[str, float] | None = None  # `accept` and `complete`, as the scenario has them

    @classmethod
    def read(cls, path: Path) -> Summary:
        """Raises OSError where there is no such file, ValueError where it is not a summary."""
        return cls.from_dict(json.loads(path.read_text(encoding="utf-8")))

    @classmethod
    def from_dict(cls, document: object) -> Summary:
        """Raises ValueError."""
        return _reader().validate_python(document)

    def as_dict(self) -> dict[str, Any]:
        """The object of `summary.json`."""
        document = plain(self)
        assert isinstance(document, dict)
        return document

    @property
    def parts(self) -> tuple[PartVerdict, ...]:
        """The parts of the hypothesis."""
        if isinstance(self.comparison, HypothesisVerdict):
            return self.comparison.all
        return () if self.comparison is None else (self.comparison,)

    def figure(
        self, variant: str, name: str, stat: str | None = None, *, window: str | None = None, service: str | None = None
    ) -> float | None:
        """A variant's figure, over the whole run or in one window; null where it has none."""
        return self.variants[variant].of(_metric(name, stat, window, service))

    def predicted_figure(self, variant: str, metric: Metric) -> float | None:
        return metric.of((self.predicted or {}).get(variant, {}))

    def not_predicted(self, variant: str) -> str | None:
        """Why the parameters alone do not settle a variant, if so."""
        reason = (self.predicted or {}).get(variant, {}).get("not_predicted")
        return None if reason is None else str(reason)

    def prediction_notes(self, variant: str) -> tuple[str, ...]:
        """What the parameters leave open of a variant that is predicted."""
        return tuple(cast(Sequence[str], (self.predicted or {}).get(variant, {}).get("notes", ())))

    def compared(self, metric: Metric, first: str, second: str) -> Comparison | None:
        """What was found of two sides, if they were compared by it."""
        labels = (f"{first}/{second}", f"{first}-{second}")
        every = (one for one in (*self.comparisons, *self.comparisons_alone) if one.label in labels)
        return next((one for one in every if one.metric == str(metric)), None)

    def has_window(self, window: str) -> bool:
        windows = [variant.figures.get("windows") for variant in self.variants.values()]
        return any(isinstance(one, Mapping) and one.get(window) for one in windows)

    def survivorship(self, window: str | None = None) -> bool:
        """Whether the variants' shares accepted differ by more than a point, so that latencies do not compare."""
        shares = (self.figure(name, "accept_ratio", window=window) for name in self.variants)
        known = [share for share in shares if share is not None]
        return bool(known) and max(known) - min(known) > SURVIVORSHIP_LIMIT

    @property
    def blocks(self) -> int:
        """How many trials the variant with the most of them has."""
        return max((len(variant.trials) for variant in self.variants.values()), default=0)


def _metric(name: str, stat: str | None, window: str | None, service: str | None) -> Metric:
    tags = (("window", window), ("service", service))
    return Metric(name, stat, tuple((tag, value) for tag, value in tags if value is not None))


@cache
def _reader() -> TypeAdapter[Summary]:
    return TypeAdapter(Summary)


def plain(value: object) -> object:
    """`value` for JSON: floats with six significant digits, null where one is not finite, plain Python values."""
    if isinstance(value, VariantSummary | TrialSummary):
        trials = {"trials": value.trials} if isinstance(value, VariantSummary) else {}
        place = {} if isinstance(value, VariantSummary) else {"trial": value.trial, "block": value.block}
        return plain({**place, "broker": value.broker, "findings": value.findings, **value.figures, **trials})
    if is_dataclass(value):
        pairs = [(one, getattr(value, one.name)) for one in fields(value)]
        return {one.name: plain(item) for one, item in pairs if not (item is None and one.metadata.get("omitted"))}
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, np.integer):
        return int(value)
    if isinstance(value, float | np.floating):
        return float(f"{value:.{_DIGITS}g}") if math.isfinite(value) else None
    return value
