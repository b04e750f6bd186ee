"""What is known of each arrival, and of its effects, as arrays: what every latency and every ending is made of.

    effects (one row per attempt) → place of the arrival, column of the service → counts, first, last

The one join that everything else of a trial is made of. Arrivals are found by number, not by their ids: text compared
millions of times would be most of the time that a large run takes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.values.times import NEVER, NS_PER_MS

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Applied:
    """Times are scenario ns.

    `counts` and `first_ns` have shape (arrivals, services): how often a service applied a registration, and when first
    (NEVER where it never did). `any_first_ns` and `any_last_ns`, shape (arrivals,), are those of any effect, whatever
    its service: NEVER and -NEVER where there is none.
    """

    counts: NDArray[np.int64]
    first_ns: NDArray[np.int64]
    any_first_ns: NDArray[np.int64]
    any_last_ns: NDArray[np.int64]

    @classmethod
    def of(cls, history: pd.DataFrame, effects: pd.DataFrame, services: Sequence[str]) -> Applied:
        """From one trial's frames or several's; effects of arrivals that `history` does not have are left out."""
        place = _places(history, effects)
        applied = effects["applied_ns"]
        known = applied.notna().to_numpy() & (place >= 0)
        place, at_ns = place[known], applied[known].to_numpy(dtype=np.int64)
        column = _columns(effects["service"], services)[known]
        size = len(history)
        any_first = np.full(size, NEVER, dtype=np.int64)
        any_last = np.full(size, -NEVER, dtype=np.int64)
        np.minimum.at(any_first, place, at_ns)
        np.maximum.at(any_last, place, at_ns)
        expected = column >= 0
        cell = place[expected] * len(services) + column[expected]
        counts = np.bincount(cell, minlength=size * len(services)).astype(np.int64, copy=False)
        first = np.full(size * len(services), NEVER, dtype=np.int64)
        np.minimum.at(first, cell, at_ns[expected])
        shape = size, len(services)
        return cls(counts.reshape(shape), first.reshape(shape), any_first, any_last)


@dataclass(frozen=True, eq=False)
class Arrivals:
    """What is known of arrivals, one entry each, in scenario ns; NaN where a time does not exist.

    `found` is what `Applied.of` these found, where it is known already.
    """

    history: pd.DataFrame
    effects: pd.DataFrame | None = None
    services: Sequence[str] = ()
    found: Applied | None = None

    @cached_property
    def intended_ns(self) -> Floats:
        return floats(self.history["intended_ns"])

    @cached_property
    def sent_ns(self) -> Floats:
        return floats(self.history["sent_ns"])

    @cached_property
    def answered_ns(self) -> Floats:
        # An answer has a status; a connection that was refused or cut has none.
        return np.where(self.history["status"].notna(), floats(self.history["answered_ns"]), np.nan)

    @cached_property
    def acked(self) -> NDArray[np.bool_]:
        return (self.history["outcome"] == "acked").to_numpy(dtype=bool, na_value=False)

    @cached_property
    def applied_ns(self) -> Floats:
        """When each effect was first applied, shape (arrivals, services)."""
        found = self.found
        if found is None:
            assert self.effects is not None, "only what needs no effects is asked of arrivals without them"
            found = Applied.of(self.history, self.effects, self.services)
        return np.where(found.first_ns == NEVER, np.nan, found.first_ns)

    def done_ms(self) -> Floats:
        """From the intended time to each service's first effect, shape (arrivals, services)."""
        done: Floats = (self.applied_ns - self.intended_ns[:, None]) / NS_PER_MS
        return done

    def only(self, these: NDArray[np.bool_], values: Floats) -> Floats:
        """`values` of these arrivals, NaN of the others."""
        return np.where(these, values, np.nan)


def floats(times: pd.Series) -> Floats:
    """NaN where there is none."""
    return times.to_numpy(dtype=np.float64, na_value=np.nan)


def _places(history: pd.DataFrame, effects: pd.DataFrame) -> NDArray[np.int64]:
    """The row of `history` that each effect belongs to, -1 where there is none."""
    arrivals, wanted = _keys(history), _keys(effects)
    if not len(arrivals):
        return np.full(len(wanted), -1, dtype=np.int64)
    order = np.argsort(arrivals, kind="stable")
    ordered = arrivals[order]
    at = np.minimum(np.searchsorted(ordered, wanted), len(ordered) - 1)
    return np.where(ordered[at] == wanted, order[at], -1)


def _keys(frame: pd.DataFrame) -> NDArray[np.int64]:
    """Trial and index as one number: there are fewer than 2^40 arrivals in a trial."""
    trial, index = (frame[name].to_numpy(dtype=np.int64) for name in ("trial", "index"))
    keys: NDArray[np.int64] = (trial << 40) + index
    return keys


def _columns(names: pd.Series, services: Sequence[str]) -> NDArray[np.int64]:
    """The place in `services` of each name, -1 of another."""
    codes, known = pd.factorize(names)
    return np.append(pd.Index(list(services)).get_indexer(pd.Index(known)), -1)[codes].astype(np.int64)
