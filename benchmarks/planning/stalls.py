"""Random stalls of every process: what a scheduler with other programs to serve does to them."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

_SHORTEST_MEAN_MS, _LONGEST_MEAN_MS = 0.5, 50.0
_MOST_OFTEN, _LEAST_OFTEN = 1.0, 30.0  # the time between two stalls, in stalls


@dataclass(frozen=True)
class Stalls:
    """How long a stall lasts and how long until the next one, on average; both exponential, drawn by `seed`."""

    seed: int
    mean_ms: float
    every_ms: float

    @classmethod
    def drawn(cls, seed: int) -> Stalls:
        """Of random length and frequency: from half a millisecond to 50 ms, from very often to now and then."""
        draw = random.Random(seed)  # noqa: S311 - not a secret
        mean_ms = _SHORTEST_MEAN_MS * (_LONGEST_MEAN_MS / _SHORTEST_MEAN_MS) ** draw.random()
        return cls(seed, mean_ms, mean_ms * _MOST_OFTEN * (_LEAST_OFTEN / _MOST_OFTEN) ** draw.random())

    def of(self, process: str) -> Iterator[tuple[int, int]]:
        """Without end: ns from the end of the last stall to the start of the next, and how long that one lasts."""
        draw = random.Random(f"{self.seed}/{process}")  # noqa: S311 - not a secret
        while True:
            yield round(draw.expovariate(1e-6 / self.every_ms)), round(draw.expovariate(1e-6 / self.mean_ms))
