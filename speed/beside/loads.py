"""The load that is asked of every generator, and what each tells of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
from numpy.typing import ArrayLike

from registration.registration import Registration, body_of, user_id

PATH = "/registrations"
BODY = body_of(Registration(user_id(1, 1), user_id(1, 2), "user-12345@example.com")).decode()
"""What the peers post, always the same. Ours posts one of its own each time, of the same length within a few bytes."""

QUANTILES = (0.5, 0.99, 0.999)


@dataclass(frozen=True)
class Open:
    """Arrivals at fixed times, whatever became of the earlier ones. `arrivals` other than uniform is ours alone."""

    rate_per_s: float
    duration_s: float
    arrivals: Literal["uniform", "poisson"] = "uniform"
    seed: int = 1
    most_in_flight: int = 400


@dataclass(frozen=True)
class Closed:
    """Each of `connections` sends again when it has its answer; with `rate_per_s` no faster than that in all."""

    connections: int
    duration_s: float
    rate_per_s: float | None = None


Load = Open | Closed


@dataclass(frozen=True)
class Told:
    """What a generator says of its run. Latencies in ms by quantile, counted as the tool counts them.

    `from_send_ms` where that is not the same (ours counts from the intended time), `delay_ms` where its own raw data
    show how late it sent.
    """

    requests: int
    failed: int
    latency_ms: dict[float, float] = field(default_factory=dict)
    from_send_ms: dict[float, float] = field(default_factory=dict)
    delay_ms: dict[float, float] = field(default_factory=dict)


class Conversation(Protocol):
    """A process under way, which may have to be talked to."""

    pid: int

    def see_through(self) -> str:
        """Until all is said, the process ends by itself afterwards; what it said if it broke off."""


class Tool(Protocol):
    """A load generator."""

    name: str

    def can(self, load: Load) -> bool: ...
    def start(self, load: Load, port: int, directory: Path, core: int) -> Conversation: ...
    def told(self, load: Load, directory: Path) -> Told: ...


def quantiles(values: ArrayLike, wanted: Sequence[float] = QUANTILES) -> dict[float, float]:
    """Empty where there are no values."""
    found = np.asarray(values, dtype=float)
    return {q: float(np.quantile(found, q)) for q in wanted} if found.size else {}
