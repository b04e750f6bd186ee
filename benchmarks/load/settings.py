"""The settings that the harness sends in its first line, checked once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.load.rows import SCHEDULE_DTYPE

Address = tuple[str, int]
"""A numeric host (IPv4 or IPv6; names are not looked up) and a port."""


@dataclass(frozen=True)
class OpenSettings:
    """The open loop: arrivals at the times of a schedule."""

    schedule: Path


@dataclass(frozen=True)
class ConstantVusSettings:
    """The closed loop: `vus` users without think time, from `warmup_ns` before scenario time 0 to `duration_ns`."""

    vus: int
    warmup_ns: int
    duration_ns: int


@dataclass(frozen=True)
class KeySettings:
    """How people come back: each arrival is one of `count`, see `registration.luck.key`."""

    distribution: str
    count: int
    s: float


@dataclass(frozen=True)
class Settings:
    """What the generator has to send, where to, and where it keeps what it saw. `keys` None: everybody is new."""

    addresses: tuple[Address, ...]
    path: str
    executor: OpenSettings | ConstantVusSettings
    keys: KeySettings | None
    block_seed: int
    timeout_ns: int
    max_in_flight: int
    rows: Path

    @classmethod
    def from_message(cls, message: object) -> Settings:
        """Read `{"role": "load", "settings": {…}}`. Raises ValueError that names the field at fault."""
        settings = _settings(message, "load")
        try:
            found = cls(
                addresses=tuple((str(host), int(port)) for host, port in settings["addresses"]),
                path=str(settings["path"]),
                executor=_executor(settings),
                keys=_keys(settings["keys"]),
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


@dataclass(frozen=True)
class MasterSettings:
    """What the master of load workers elsewhere has to know. `share` is what it tells each of them, but for its files.

    `listen` is where they find it; they have to come within `join_limit_s`. `max_in_flight` is that of all together.
    """

    listen: Address
    workers: int
    join_limit_s: float
    schedule: Path
    rows: Path
    max_in_flight: int
    share: Mapping[str, Any]

    @classmethod
    def from_message(cls, message: object) -> MasterSettings:
        """Read `{"role": "load-master", "settings": {…}}`. Raises ValueError that names the field at fault."""
        settings = _settings(message, "load-master")
        whole = Settings.from_message({"role": "load", "settings": settings})
        if not isinstance(whole.executor, OpenSettings):
            raise ValueError("only a schedule can be dealt out: executor must be open")  # noqa: TRY004 - as below
        try:
            host, port = settings["listen"]
            found = cls(
                listen=(str(host), int(port)),
                workers=int(settings["workers"]),
                join_limit_s=float(settings["join_limit_s"]),
                schedule=whole.executor.schedule,
                rows=whole.rows,
                max_in_flight=whole.max_in_flight,
                share={name: settings[name] for name in SHARED},
            )
        except KeyError as error:
            raise ValueError(f"the settings have no {error.args[0]}") from error
        except (TypeError, ValueError) as error:
            raise ValueError(f"the settings are malformed: {error}") from error
        if not 0 < found.workers <= found.max_in_flight:
            raise ValueError("workers must be at least one, and at most max_in_flight")
        return found


SHARED = ("addresses", "path", "executor", "keys", "block_seed", "timeout_ms")
"""The settings that all workers of a load have in common."""


def master_address(message: object) -> Address:
    """Where a worker finds its master: read `{"role": "load-worker", "settings": {"master": [host, port]}}`.

    The host may be a name. Raises ValueError where the message is anything else.
    """
    settings = _settings(message, "load-worker")
    try:
        host, port = settings["master"]
        return str(host), int(port)
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"the settings name no master: {settings!r:.200}") from error


def _settings(message: object, role: str) -> Mapping[str, Any]:
    """The settings in the first line of a process of that role. Raises ValueError where it is for another one."""
    if not isinstance(message, Mapping) or message.get("role") != role:
        raise ValueError(f'the first line is not for the role "{role}": {message!r:.200}')
    settings = message.get("settings")
    if not isinstance(settings, Mapping):
        raise ValueError("the settings are missing")  # noqa: TRY004 - what is wrong is the message
    return settings


def _executor(settings: Mapping[str, Any]) -> OpenSettings | ConstantVusSettings:
    match settings["executor"]:
        case "open":
            return OpenSettings(Path(settings["schedule"]))
        case "constant-vus":
            found = ConstantVusSettings(
                vus=int(settings["vus"]),
                warmup_ns=round(float(settings["warmup_ms"]) * 1e6),
                duration_ns=round(float(settings["duration_ms"]) * 1e6),
            )
            if found.vus <= 0:
                raise ValueError("vus must be above 0")
            return found
        case other:
            raise ValueError(f"no such executor: {other!r}")


def _keys(keys: Mapping[str, Any] | None) -> KeySettings | None:
    if keys is None:
        return None
    found = KeySettings(str(keys["distribution"]), int(keys["count"]), float(keys["s"]))
    if found.distribution not in ("uniform", "zipf") or found.count <= 0:
        raise ValueError(f"keys must be uniform or zipf over at least one: {found}")
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
