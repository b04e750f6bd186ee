"""The order effect: whether the trial that runs first in a block differs from those that follow it.

    log(figure) = variant + block + (first?) + rest     least squares over all trials → exp of the third, t interval

With two variants this is the period effect of the two-period cross-over (Jones & Kenward, "Design and Analysis of
Cross-Over Trials"). What it cannot see stands in `docs/statistics.md`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.analysis.statistics import SIGNIFICANCE, holm, t_interval_of, t_test
from benchmarks.analysis.summary_model import Interval, OrderEffect, VariantSummary
from benchmarks.scenario.metric import Metric, rows

# With one degree of freedom the interval spans everything.
_FEWEST_FREEDOM = 2
_ROUNDING = 1e-12


@dataclass(frozen=True)
class _Effect:
    """What was found of one metric; `reason` says why nothing was."""

    metric: str
    ratio: float | None = None
    ci95: Interval | None = None
    p: float | None = None
    reason: str | None = None

    def told(self, p_holm: float | None) -> OrderEffect:
        significant = None if p_holm is None else p_holm < SIGNIFICANCE
        return OrderEffect(self.metric, self.ratio, self.ci95, self.p, p_holm, significant, self._sentence(p_holm))

    def _sentence(self, p_holm: float | None) -> str:
        if self.ratio is None or self.ci95 is None or p_holm is None:
            return f"{self.metric}: no order effect can be told: {self.reason}"
        low, high = self.ci95
        found = f"{self.metric} of a block's first trial was {self.ratio:.3g} times that of later ones"
        says = "an order effect" if p_holm < SIGNIFICANCE else "no order effect seen"
        return f"{found} (95 % interval {low:.3g} to {high:.3g}): {says}"


def order_effect_of(variants: Sequence[VariantSummary]) -> tuple[tuple[OrderEffect, ...], list[str]]:
    """`order_effect` of the summary, corrected over its metrics (Holm), and a warning for each that is significant."""
    if len(variants) < 2:
        return (), []
    found = [_effect(metric, variants) for row, metric in rows() if row.watched]
    corrected = holm([effect.p for effect in found])
    entries = tuple(effect.told(p_holm) for effect, p_holm in zip(found, corrected, strict=True))
    warnings = [
        f"{entry.sentence}. It cancels from comparisons over a multiple of {len(variants)} blocks; "
        "a longer warmup makes it smaller"
        for entry in entries
        if entry.significant
    ]
    return entries, warnings


def _effect(metric: Metric, sides: Sequence[VariantSummary]) -> _Effect:
    trials = [
        (place, trial.block, trial.trial, trial.of(metric)) for place, side in enumerate(sides) for trial in side.trials
    ]
    first_of = {block: min(number for _, at, number, _ in trials if at == block) for _, block, _, _ in trials}
    known = [trial for trial in trials if trial[3] is not None and trial[3] > 0]
    if len(known) < len(trials):
        return _none(metric, "a trial has no figure")
    blocks = {block: place for place, block in enumerate(first_of)}
    design = np.zeros((len(known), len(sides) + len(blocks) + 1))
    for row, (variant, block, number, _) in enumerate(known):
        design[row, variant] = design[row, len(sides) + blocks[block]] = 1.0
        design[row, -1] = float(number == first_of[block])
    logs = np.array([math.log(value) for _, _, _, value in known if value is not None])
    rank = int(np.linalg.matrix_rank(design))
    freedom = len(known) - rank
    if rank == np.linalg.matrix_rank(design[:, :-1]):
        return _none(metric, "one variant ran first in every block")
    if freedom < _FEWEST_FREEDOM:
        return _none(metric, f"too few blocks ({len(blocks)})")
    inverse = np.linalg.pinv(design)
    fitted = inverse @ logs
    rest = logs - design @ fitted
    spread = float(np.sqrt(rest @ rest / freedom))
    # Equal figures leave roundings only, which are no spread and no effect.
    error = spread * float(np.linalg.norm(inverse[-1])) if spread > _ROUNDING else 0.0
    effect = float(fitted[-1]) if abs(fitted[-1]) > _ROUNDING else 0.0
    low, high = t_interval_of(effect, error, freedom)
    p = t_test(effect, error, freedom)
    return _Effect(str(metric), math.exp(effect), (math.exp(low), math.exp(high)), p)


def _none(metric: Metric, reason: str) -> _Effect:
    return _Effect(str(metric), reason=reason)
