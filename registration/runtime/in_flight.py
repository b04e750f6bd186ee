"""How many registrations the API has in hand, sampled now and again: a second witness beside its trace.

    file   = sample*
    sample = t_ns i64 | in flight u32 | 4 spare

The trace says of each registration when it was received and replied to; this file says of instants how many there
were. Neither is made from the other, so what one of them lost shows against the other (Little 1961: the mean number
in a system is the rate of arrivals times their mean time in it).

The waits between samples vary, so that arrivals at an even pace are not met at the same point of their work each time.
"""

from __future__ import annotations

import asyncio
import os
import random
import struct
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# Each time, waking up costs some 80 µs of processor time, so this takes 0.2 % of a core.
SHORTEST_WAIT_S, LONGEST_WAIT_S = 0.02, 0.06
SAMPLE_FIELDS = [("t_ns", "<i8"), ("in_flight", "<u4"), ("pad", "V4")]
_SAMPLE = struct.Struct("<qI4x")


class InFlightSampler:
    """Appends samples of `count` to a file, about 25 a second, each at once: SIGKILL loses none.

    Needs a running event loop. `clock_ns` is CLOCK_MONOTONIC, injectable for tests.
    """

    def __init__(self, path: Path, count: Callable[[], int], clock_ns: Callable[[], int] = time.monotonic_ns) -> None:
        self._path = path
        self._count = count
        self._clock_ns = clock_ns
        self._waits = random.Random(path.name)  # noqa: S311 - spreads the samples, guards nothing

    def open(self) -> None:
        """Take the first sample, and go on as long as the loop runs."""
        # O_APPEND: a respawned process continues where its predecessor was killed.
        self._sample(os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644))

    def _sample(self, fd: int) -> None:
        os.write(fd, _SAMPLE.pack(self._clock_ns(), self._count()))
        asyncio.get_running_loop().call_later(self._waits.uniform(SHORTEST_WAIT_S, LONGEST_WAIT_S), self._sample, fd)


def read(path: Path) -> NDArray[np.void]:
    """The samples of one file, shape (n,), with the fields `t_ns` (CLOCK_MONOTONIC) and `in_flight`.

    One that was cut short at the end is left out.
    """
    import numpy as np

    body = path.read_bytes()
    return np.frombuffer(body, dtype=np.dtype(SAMPLE_FIELDS), count=len(body) // _SAMPLE.size)
