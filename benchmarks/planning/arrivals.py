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

    Counted arrivals are exactly rate × duration, index 0 and up, in [0, duration); those of the warm-up count down to
    -1 in [-warmup, 0). A Poisson process conditioned on the number of its arrivals is that many sorted uniform draws
    (Ross, Introduction to Probability Models, theorem 5.2).
    """
    counted, before = workload.arrival_count, workload.warmup_count
    duration_ns, warmup_ns = round(workload.duration_s * 1e9), round(workload.warmup_s * 1e9)
    if workload.arrivals == "uniform":
        step_ns = duration_ns / counted
        counted_ns = np.floor(np.arange(counted) * step_ns).astype(np.int64)
        # The warm-up is the same comb, continued to the left.
        before_ns = np.maximum(np.floor(np.arange(-before, 0) * step_ns).astype(np.int64), -warmup_ns)
    else:
        # The counted ones are drawn first, so that another warm-up leaves them as they are.
        generator = np.random.Generator(np.random.PCG64(block_seed))
        counted_ns = _sorted_uniform(generator, counted, duration_ns)
        before_ns = _sorted_uniform(generator, before, warmup_ns) - warmup_ns
    arrivals = np.empty(before + counted, dtype=np.dtype(SCHEDULE_FIELDS))
    arrivals["index"] = np.arange(-before, counted)
    arrivals["intended_ns"] = np.concatenate([before_ns, counted_ns])
    return arrivals


def _sorted_uniform(generator: np.random.Generator, count: int, length_ns: int) -> NDArray[np.int64]:
    return np.sort(np.floor(generator.random(count) * length_ns).astype(np.int64))
