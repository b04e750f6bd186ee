"""Effects beside their arrivals: how often and when each service did its work for each registration.

    effects (one row per attempt) → place of the arrival, column of the service → counts, first, last

The one join that everything else of a trial is made of. Arrivals are found by number, not by their ids: text compared
millions of times would be most of the time that a large run takes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

NEVER = np.iinfo(np.int64).max


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
