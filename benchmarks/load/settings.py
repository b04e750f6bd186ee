"""The settings that the harness, or a master on another host, sends in its first line, checked once."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from benchmarks.load.rows import SCHEDULE_DTYPE
from registration.address import Address

Above0 = Annotated[int, Meta(gt=0)]
AboveZero = Annotated[float, Meta(gt=0)]

SHARED = ("addresses", "path", "executor", "keys", "block_seed", "timeout_ms")
"""The settings that all workers of a load have in common."""


class KeySettings(msgspec.Struct, frozen=True):
    """How people come back: each arrival is one of `count`, see `registration.luck.key`."""

    distribution: Literal["uniform", "zipf"]
    count: Above0
    s: float


class Settings(msgspec.Struct, frozen=True, kw_only=True, tag_field="executor"):
    """What the generator has to send, where to, and where it keeps what it saw. `keys` None: everybody is new.

    Hosts are numeric (IPv4 or IPv6): names are not looked up.
    """

    addresses: Annotated[tuple[Address, ...], Meta(min_length=1)]
    path: str
    keys: KeySettings | None
    block_seed: int
    timeout_ms: AboveZero
    max_in_flight: Above0
    rows: Path

    @property
    def timeout_ns(self) -> int:
        return round(self.timeout_ms * 1e6)


class OpenSettings(Settings, frozen=True, kw_only=True, tag="open"):
    """The open loop: arrivals at the times of a schedule."""

    schedule: Path


class ConstantVusSettings(Settings, frozen=True, kw_only=True, tag="constant-vus"):
    """The closed loop: `vus` users without think time, from the warm-up before scenario time 0 to the end."""

    vus: Above0
    warmup_ms: float
    duration_ms: float


class MasterSettings(OpenSettings, frozen=True, kw_only=True, tag="open"):
    """What the master of load workers elsewhere needs; only a schedule can be dealt out.

    `listen` is where they find it; they have to come within `join_limit_s`. `max_in_flight` is that of all together.
    """

    listen: Address
    workers: Above0
    join_limit_s: float

    @property
    def share(self) -> dict[str, Any]:
        """What it sends each worker, apart from its files."""
        whole = msgspec.to_builtins(self, enc_hook=str)
        return {name: whole[name] for name in SHARED}


class _WorkerSettings(msgspec.Struct, frozen=True):
    master: Address


def load_settings(message: object) -> OpenSettings | ConstantVusSettings:
    """Read `{"role": "load", "settings": {…}}`. Raises ValueError that names the field at fault."""
    found: OpenSettings | ConstantVusSettings = _read(message, "load", OpenSettings | ConstantVusSettings)
    return found


def master_settings(message: object) -> MasterSettings:
    """Read `{"role": "load-master", "settings": {…}}`. Raises ValueError that names the field at fault."""
    found: MasterSettings = _read(message, "load-master", MasterSettings)
    if found.workers > found.max_in_flight:
        raise ValueError("workers must be at most max_in_flight")
    return found


def master_address(message: object) -> Address:
    """Where a worker finds its master: read `{"role": "load-worker", "settings": {"master": [host, port]}}`.

    The host may be a name. Raises ValueError where the message is anything else.
    """
    found: _WorkerSettings = _read(message, "load-worker", _WorkerSettings)
    return found.master


def _read(message: object, role: str, what: Any) -> Any:
    if not isinstance(message, Mapping) or message.get("role") != role:
        raise ValueError(f'the first line is not for the role "{role}": {message!r:.200}')
    try:
        # Not strict: the seed, an integer of 64 bits, comes as text.
        return msgspec.convert(message.get("settings"), what, strict=False, dec_hook=lambda kind, value: kind(value))
    except msgspec.ValidationError as error:
        raise ValueError(f"the settings are malformed: {error}") from error


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
