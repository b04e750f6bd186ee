"""What the generator itself used while load ran: CPU, and the garbage collector, which is off then."""

from __future__ import annotations

import gc
from collections import deque
from collections.abc import Callable

SAMPLE_S = 0.5
_WINDOW_SAMPLES = 10
"""Five seconds."""


class CpuShare:
    """The largest share of one core used over any five seconds (the whole run where it was shorter).

    `cpu_ns` is the CPU time of the process, `clock_ns` the clock; `sample` is called every SAMPLE_S.
    """

    def __init__(self, cpu_ns: Callable[[], int], clock_ns: Callable[[], int]) -> None:
        self._cpu_ns = cpu_ns
        self._clock_ns = clock_ns
        self._samples: deque[tuple[int, int]] = deque([(clock_ns(), cpu_ns())], maxlen=_WINDOW_SAMPLES + 1)
        self._first_cpu_ns = self._samples[0][1]
        self._max_share: float | None = None

    def sample(self) -> None:
        now_ns, cpu_ns = self._clock_ns(), self._cpu_ns()
        self._samples.append((now_ns, cpu_ns))
        if len(self._samples) > _WINDOW_SAMPLES:
            self._max_share = max(self._max_share or 0.0, self._share())

    @property
    def max_share(self) -> float:
        return self._share() if self._max_share is None else self._max_share

    @property
    def used_ms(self) -> float:
        """CPU time since the first sample."""
        return (self._cpu_ns() - self._first_cpu_ns) / 1e6

    def _share(self) -> float:
        (first_ns, first_cpu_ns), (last_ns, last_cpu_ns) = self._samples[0], self._samples[-1]
        return (last_cpu_ns - first_cpu_ns) / (last_ns - first_ns) if last_ns > first_ns else 0.0


def collections() -> int:
    """How often the collector has run so far in this process."""
    return sum(generation["collections"] for generation in gc.get_stats())


def switch_collector_off() -> None:
    """Collect once, then never again: what is alive now is frozen, and what follows makes no cycles to speak of."""
    gc.collect()
    gc.freeze()
    gc.disable()
