"""Reconciliation: after the drain, where did every offered registration end? (categories of `docs/measurement.md`)

A pure function of one trial's frames. Categories may overlap: a registration can be `lost` for one service and
`duplicated` for another. A registration counts in a category when one of its services does, but for `complete` and
`recovered`, which need all of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas.api.extensions import ExtensionArray

from benchmarks.metrics.arrivals import Applied, Arrivals
from benchmarks.metrics.endings import EFFECT_CATEGORIES, REGISTRATION_CATEGORIES
from benchmarks.metrics.latencies import ACCEPT_LATENCY
from benchmarks.metrics.series import Endings
from benchmarks.trial_result import TrialFacts
from benchmarks.values.times import NEVER


@dataclass(frozen=True)
class Reconciliation(Endings):
    """The endings, and where each came from: `frame` is `registrations.parquet`, one row for each registration.

    Columns of `frame`: trial, variant, block, index, registration_id, intended_ns, outcome, accept_latency_ms (NaN
    without an accept), one bool per registration category, `missing` (the services without an effect, separated by
    commas), `missing_pending` (those of them whose message was still in a log), `applied:<service>` (how often),
    first_applied_ns and last_applied_ns (of any effect).
    """

    frame: pd.DataFrame

    @property
    def endings(self) -> Endings:
        """The counts alone, which take little memory."""
        return Endings(self.registrations, self.effects, self.effects_by_service)


def reconcile(
    history: pd.DataFrame, effects: pd.DataFrame, facts: TrialFacts, found: Applied | None = None
) -> Reconciliation:
    """Judge every row of `history`, the offered registrations of one trial or of one window of it.

    `found` is what `Applied.of` these found, where it is known already.
    """
    services = facts.services
    found = found or Applied.of(history, effects, services)
    applied = found.counts
    arrivals = Arrivals(history)
    acked = arrivals.acked
    missing = applied == 0
    pairs = _pairs(history, facts, applied, acked)
    complete = (applied == 1).all(axis=1)
    # An array by its type, where `any` may be a single value.
    categories = {name: np.logical_or.reduce(pairs[name], axis=1) for name in REGISTRATION_CATEGORIES if name in pairs}
    categories |= {"complete": complete, "recovered": complete & ~acked}
    never = found.any_first_ns == NEVER
    assert ACCEPT_LATENCY.each is not None
    frame = history[["trial", "variant", "block", "index", "registration_id", "intended_ns", "outcome"]].assign(
        accept_latency_ms=ACCEPT_LATENCY.each(arrivals),
        **{name: categories[name] for name in REGISTRATION_CATEGORIES},
        missing=_names(missing, services),
        missing_pending=_names(pairs["pending"], services),
        **{f"applied:{service}": applied[:, column] for column, service in enumerate(services)},
        first_applied_ns=pd.arrays.IntegerArray(np.where(never, 0, found.any_first_ns), never),
        last_applied_ns=pd.arrays.IntegerArray(np.where(never, 0, found.any_last_ns), never),
    )
    return Reconciliation(
        registrations={name: int(categories[name].sum()) for name in REGISTRATION_CATEGORIES},
        effects={name: int(pairs[name].sum()) for name in EFFECT_CATEGORIES},
        effects_by_service={
            service: {name: int(pairs[name][:, column].sum()) for name in EFFECT_CATEGORIES}
            for column, service in enumerate(services)
        },
        frame=frame.reset_index(drop=True),
    )


def _pairs(
    history: pd.DataFrame, facts: TrialFacts, applied: NDArray[np.int64], acked: NDArray[np.bool_]
) -> dict[str, NDArray[np.bool_]]:
    """Which (registration, service) pairs are in each category, from how often each was applied."""
    missing = applied == 0
    ids = history["registration_id"]

    def missing_in(registrations: Mapping[str, list[str]]) -> NDArray[np.bool_]:
        there = np.column_stack([ids.isin(registrations.get(service, [])).to_numpy() for service in facts.services])
        hit: NDArray[np.bool_] = missing & there
        return hit

    pending = missing_in(facts.pending)
    # What a kill brought back may be in both places, and waits.
    dead_lettered = missing_in(facts.dead_lettered) & ~pending
    unaccounted = missing & ~pending & ~dead_lettered

    told_no = history["outcome"].isin(["refused", "failed"]).to_numpy(dtype=bool)
    stored = history["stored_ns"].notna().to_numpy()
    return {
        "expected": np.ones_like(missing),
        "applied": ~missing,
        "pending": pending,
        "dead_lettered": dead_lettered,
        "lost": unaccounted & acked[:, None],
        "stranded": unaccounted & (stored & ~acked)[:, None],
        "unexpected": ~missing & told_no[:, None],
        "duplicated": applied > 1,
    }


def _names(marked: NDArray[np.bool_], services: tuple[str, ...]) -> ExtensionArray:
    """The services marked in each row, separated by commas. Rows share few patterns: name each pattern once."""
    pattern_of = np.zeros(len(marked), dtype=np.int64)
    for column in marked.T:  # renumbered for each service, so that any number of them fits
        pattern_of = pd.factorize(2 * pattern_of + column)[0].astype(np.int64)
    _, example = np.unique(pattern_of, return_index=True)
    names = [",".join(service for service, on in zip(services, marked[row], strict=True) if on) for row in example]
    return pd.array(names, dtype="str").take(pattern_of)
