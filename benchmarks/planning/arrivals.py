"""The schedule of arrivals: fixed before a trial, the same for every variant of a block."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from benchmarks.scenario.workload import Workload

SCHEDULE_FIELDS = [("index", "<i8"), ("intended_ns", "<i8")]


def schedule(workload: Workload, block_seed: int) -> NDArray[np.void]:
    """The arrivals of one trial, structured (index, intended_ns), sorted by time; shape (warm-up + counted,).

    Counted arrivals, index 0 and up, lie in [0, duration) and are exactly as many as the rate gives over it; those
    of the warm-up count down to -1 in [-warmup, 0). Each arrival is a share of all that come, turned into the instant
    by which that share of them has come: evenly spaced shares, or for a Poisson process sorted uniform draws (Ross,
    Introduction to Probability Models, theorem 5.2, and for a rate that changes, section 5.4.1).

    Raises ValueError for a closed load, whose arrivals wait for replies.
    """
    counted, before = workload.arrival_count, workload.warmup_count
    if counted is None or before is None:
        raise ValueError("the arrivals of a closed load wait for replies, so there is no schedule of them")
    warmup_ns = round(workload.warmup_s * 1e9)
    if workload.arrivals == "uniform":
        counted_ns = np.rint(_instants_ns(workload, np.arange(counted) / counted)).astype(np.int64)
        # The warm-up is the same comb, continued to the left.
        before_ns = np.rint(np.arange(-before, 0) * (warmup_ns / max(before, 1))).astype(np.int64)
    else:
        # The counted ones are drawn first, so that another warm-up leaves them as they are.
        generator = np.random.Generator(np.random.PCG64(block_seed))
        counted_ns = np.floor(_instants_ns(workload, np.sort(generator.random(counted)))).astype(np.int64)
        before_ns = np.sort(np.floor(generator.random(before) * warmup_ns).astype(np.int64)) - warmup_ns
    arrivals = np.empty(before + counted, dtype=np.dtype(SCHEDULE_FIELDS))
    arrivals["index"] = np.arange(-before, counted)
    arrivals["intended_ns"] = np.concatenate([before_ns, counted_ns])
    return arrivals


def _instants_ns(workload: Workload, shares: NDArray[np.float64]) -> NDArray[np.float64]:
    """The scenario ns by which each share (from 0, below 1, sorted) of the expected arrivals has come."""
    stretches = workload.stretches
    expected = [part.arrivals(part.begin_s, part.end_s) for part in stretches]
    bounds = np.array([sum(expected[:place]) for place in range(len(expected))] + [sum(expected)]) / sum(expected)
    place = np.minimum(np.searchsorted(bounds, shares, side="right") - 1, len(stretches) - 1)
    within = (shares - bounds[place]) / (bounds[place + 1] - bounds[place])
    columns = np.array(
        [(round(p.begin_s * 1e9), round((p.end_s - p.begin_s) * 1e9), p.from_per_s, p.to_per_s) for p in stretches]
    )
    begin_ns, length_ns, first, last = columns[place].T
    # The root of  first x + (last - first) x²/2 = within (first + last)/2, written so that nothing cancels out.
    root = first + np.sqrt(np.maximum(first**2 + within * (last**2 - first**2), 0.0))
    ramped = np.divide(within * (first + last), root, out=np.zeros_like(within), where=root > 0)
    progress = np.where(first == last, within, ramped)
    instants: NDArray[np.float64] = begin_ns + np.minimum(progress, np.nextafter(1.0, 0.0)) * length_ns
    return instants
