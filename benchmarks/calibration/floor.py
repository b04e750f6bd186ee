"""The pure part of an A/A run: its scenario, and from its summary how far apart two identical sides come out.

scenario → one variant of each side, twice under two names, everything else as it was
summary  → pairs × blocks → log of each ratio, or each difference → interval → its end furthest from no effect
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Literal, cast

import numpy as np

from benchmarks.analysis.summary_model import Summary, VariantSummary
from benchmarks.analysis.verdict import compare
from benchmarks.metrics import METRICS
from benchmarks.scenario import Scenario, load_text
from benchmarks.scenario.metric import WINDOWS, Metric
from benchmarks.scenario.resolve import dump, resolve
from benchmarks.values.json_object import Json

_AGAIN = "-again"


def twice(scenario: Scenario) -> tuple[Scenario, list[tuple[str, str]]]:
    """The scenario with the first variant of each side and its twin, and the pairs of their names.

    Hypothesis and thresholds are left out: the answer is known.
    """
    data = resolve(scenario)
    listed = dict(zip(scenario.variant_names, cast(Sequence[object], data["variants"]), strict=True))
    firsts = {variant.uses_broker: variant.name for variant in reversed(scenario.variants)}
    kept = [variant for variant in scenario.variants if variant.name in firsts.values()]
    pairs = [(variant.name, variant.name + _AGAIN) for variant in kept]
    data["variants"] = [entry for name, again in pairs for entry in (listed[name], _named(listed[name], name, again))]
    names = dict(pairs)
    data["faults"] = [
        {**fault, "variants": [twin for name in met if name in names for twin in (name, names[name])]}
        if (met := fault.get("variants")) is not None
        else fault
        for fault in cast(Sequence[dict[str, list[str]]], data.get("faults", ()))
        if fault.get("variants") is None or set(fault["variants"]) & set(names)
    ]
    data["thresholds"] = {}
    data.pop("hypothesis", None)
    return load_text(dump(data), f"the A/A run of {scenario.name}"), pairs


def _named(entry: object, name: str, again: str) -> dict[str, object]:
    """The same variant under another name; a bare name stands for its base."""
    given = entry if isinstance(entry, dict) else {"base": name}
    return {"base": name, **given, "name": again}


def floor_of(summary: Summary, pairs: Sequence[tuple[str, str]]) -> Json:
    """By metric: `kind`, `low`, `high`, `sd` (docs/calibration.md). One that is missing in a block has no floor."""
    floors: dict[str, Json] = {}
    for metric in _metrics():
        kind = metric.definition.comparison
        spreads = [_spread(kind, metric, [summary.variants[name] for name in pair]) for pair in pairs]
        known = [spread for spread in spreads if spread is not None]
        if len(known) == len(pairs):
            reach, sd = (max(values) for values in zip(*known, strict=True))
            low, high = (
                (math.exp(-reach), math.exp(reach)) if kind == "ratio" else (0.0 - reach, reach)
            )  # no negative zero
            floors[str(metric)] = {"kind": kind, "low": low, "high": high, "sd": sd}
    return floors


def _metrics() -> Iterator[Metric]:
    """What scatters from trial to trial, in every window that it has. A maximum scatters too much to say anything."""
    for definition in METRICS:
        windows = ("", *(f"{{window:{window}}}" for window in WINDOWS)) if "window" in definition.tags else ("",)
        for stat in (*(f".{stat}" for stat in definition.stats if stat != "max"),) or ("",):
            if definition.scatters:
                yield from (Metric.parse(f"{definition.name}{stat}{window}") for window in windows)


def _spread(
    kind: Literal["ratio", "difference"], metric: Metric, sides: Sequence[VariantSummary]
) -> tuple[float, float] | None:
    """How far from no effect the interval of two identical sides reaches, and the standard deviation over blocks.

    On logarithms for ratios. None where there is no interval.
    """
    found = compare(kind, metric, sides, None).found
    if found.interval is None:
        return None
    blocks = [value for value in found.per_block if value is not None]
    ends, scaled = (np.log(of) if kind == "ratio" else np.array(of) for of in (found.interval, blocks))
    return float(np.abs(ends).max()), float(np.std(scaled, ddof=1))
