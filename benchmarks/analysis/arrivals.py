"""What is known of each arrival, as arrays: what every latency is made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.analysis.applied import NEVER, Applied

NS_PER_MS = 1e6

Floats = NDArray[np.float64]


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
