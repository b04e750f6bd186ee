"""Where every registration ended after the drain, and every effect of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from benchmarks.metrics.aggregation import summed
from benchmarks.metrics.definition import Definition, MetricRow

REGISTRATION_CATEGORIES = (
    *("complete", "pending", "dead_lettered", "lost"),
    *("stranded", "recovered", "unexpected", "duplicated"),
)
EFFECT_CATEGORIES = (
    *("expected", "applied", "pending", "dead_lettered"),
    *("lost", "stranded", "unexpected", "duplicated"),
)
_GOOD = ("complete", "recovered")
_SHOWN = (*_GOOD, "pending", "dead_lettered", "stranded", "lost", "unexpected", "duplicated")


def _effects(parts: Sequence[tuple[Mapping[str, int], Mapping[str, Mapping[str, int]]]]) -> dict[str, object]:
    services = parts[0][1]
    by_service = {service: summed([of[service] for _, of in parts]) for service in services}
    return {**summed([of_all for of_all, _ in parts]), "by_service": by_service}


REGISTRATIONS = Definition(
    name="registrations",
    nature="count",
    unit="",
    words="{stat} registrations",
    meaning="how many registrations [ended where](#where-each-registration-ended); categories may overlap",
    measure=lambda window: window.trial.endings.registrations,
    combine=summed,
    stats=REGISTRATION_CATEGORIES,
    rows=tuple(
        MetricRow(
            name.replace("_", "-"),
            name,
            section="ended",
            better={"complete": "high", "recovered": None}.get(name, "low"),
            compared=False,
        )
        for name in _SHOWN
    ),
)
EFFECTS = Definition(
    name="effects",
    nature="count",
    unit="",
    words="{stat} effects",
    meaning="the same of (registration, service) pairs, also by service",
    measure=lambda window: (window.trial.endings.effects, window.trial.endings.effects_by_service),
    combine=_effects,
    stats=EFFECT_CATEGORIES,
    tags=("service",),
)
