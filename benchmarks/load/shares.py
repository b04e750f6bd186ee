"""Dealing out: what each of several load workers sends, and the way back from their rows to those of one process.

schedule → deal → one schedule a worker → … → one file of rows a worker → merge → the rows of the schedule
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray


def deal(schedule: NDArray[np.void], workers: int) -> list[NDArray[np.void]]:
    """Arrival k of `schedule` (shape (n,), in order of intended time) goes to worker k mod `workers`.

    So each worker has the same mixture of the whole span, and its own arrivals in order of intended time.
    """
    return [schedule[worker::workers] for worker in range(workers)]


def merge(parts: Sequence[NDArray[np.void]]) -> NDArray[np.void]:
    """The inverse of `deal`, for whatever has the fields `index` and `intended_ns`: in order of intended time.

    Where two share an instant, a schedule numbers them in its order.
    """
    rows = np.concatenate(list(parts))
    return rows[np.lexsort((rows["index"], rows["intended_ns"]))]


def path_of(path: Path, worker: int) -> Path:
    """Where load worker `worker` of several keeps its part of what one process would write to `path`."""
    return path.with_stem(f"{path.stem}-{worker}")


def parts_of(path: Path) -> list[Path]:
    """The files that hold what one process writes to `path`: this one, or the parts that several wrote beside it."""
    parts = [] if path.exists() else sorted(path.parent.glob(f"{path.stem}-[0-9]*{path.suffix}"))
    return parts or [path]


def split(total: int, workers: int) -> list[int]:
    """`total` in whole parts that add up to it and differ by one at most, the larger ones first."""
    each, left = divmod(total, workers)
    return [each + (worker < left) for worker in range(workers)]
