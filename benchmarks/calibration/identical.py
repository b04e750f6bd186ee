"""The scenario of an A/A run: one variant of each side, twice under two names, everything else as it was."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from benchmarks.scenario import Scenario, load_text
from benchmarks.scenario.resolve import dump, resolve

_AGAIN = "-again"


def twice(scenario: Scenario) -> tuple[Scenario, list[tuple[str, str]]]:
    """The scenario with the first variant of each side and its twin, and the pairs of their names.

    Hypothesis and thresholds are left out: what is known to be the same need not be asked.
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
