"""The settings that the harness sends in its first line, checked once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.load.rows import SCHEDULE_DTYPE

Address = tuple[str, int]
"""A numeric host (IPv4 or IPv6; names are not looked up) and a port."""


@dataclass(frozen=True)
class Settings:
    """What the generator has to send, where to, and where it keeps what it saw."""

    addresses: tuple[Address, ...]
    path: str
    schedule: Path
    block_seed: int
    timeout_ns: int
    max_in_flight: int
    rows: Path

    @classmethod
    def from_message(cls, message: object) -> Settings:
        """Read `{"role": "load", "settings": {…}}`. Raises ValueError that names the field at fault."""
        if not isinstance(message, Mapping) or message.get("role") != "load":
            raise ValueError(f'the first line is not for the role "load": {message!r:.200}')
        try:
            settings = message["settings"]
            found = cls(
                addresses=tuple((str(host), int(port)) for host, port in settings["addresses"]),
                path=str(settings["path"]),
                schedule=Path(settings["schedule"]),
                block_seed=int(settings["block_seed"]),
                timeout_ns=round(float(settings["timeout_ms"]) * 1e6),
                max_in_flight=int(settings["max_in_flight"]),
                rows=Path(settings["rows"]),
            )
        except KeyError as error:
            raise ValueError(f"the settings have no {error.args[0]}") from error
        except (TypeError, ValueError) as error:
            raise ValueError(f"the settings are malformed: {error}") from error
        if not found.addresses:
            raise ValueError("addresses is empty")
        if found.timeout_ns <= 0 or found.max_in_flight <= 0:
            raise ValueError("timeout_ms and max_in_flight must be above 0")
        return found


def read_schedule(path: Path) -> NDArray[np.void]:
    """The arrivals, SCHEDULE_DTYPE, shape (n,), in order of intended time.

    Raises ValueError where the file holds anything else, OSError where it cannot be read.
    """
    schedule: NDArray[np.void] = np.load(path, allow_pickle=False)
    if schedule.dtype.names != SCHEDULE_DTYPE.names or schedule.ndim != 1:
        raise ValueError(f"{path} has no columns index, intended_ns: {schedule.dtype}")
    schedule = schedule.astype(SCHEDULE_DTYPE)
    if np.any(np.diff(schedule["intended_ns"]) < 0):
        raise ValueError(f"{path} is not in order of intended time")
    return schedule
