"""Where every registration ended after the drain, and every effect of it: counts, and shares of what was offered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from benchmarks.metrics.aggregation import share_of_sums, summed
from benchmarks.metrics.definition import Definition, MetricRow

if TYPE_CHECKING:
    from benchmarks.metrics.series import WindowSeries

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


def _share_of_offered(category: str, words: str, *rows: MetricRow) -> Definition[tuple[int, int]]:
    def measure(window: WindowSeries) -> tuple[int, int]:
        return window.trial.endings.registrations[category], window.offered

    return Definition(
        name=f"{category}_ratio",
        nature="share",
        unit="%",
        words=words,
        meaning=f"`registrations.{category}` ÷ offered",
        measure=measure,
        combine=share_of_sums,
        bracketed=True,
        rows=rows,
    )


# The counts have rows of their own, so only the share that a reader looks for first has one too.
COMPLETE_RATIO = _share_of_offered(
    "complete", "the share with every effect exactly once", MetricRow("every effect exactly once", better="high")
)
LOST_RATIO = _share_of_offered("lost", "the share lost")
STRANDED_RATIO = _share_of_offered("stranded", "the share stranded")
DUPLICATED_RATIO = _share_of_offered("duplicated", "the share duplicated")
