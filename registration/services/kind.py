"""What one kind of service is: its name, how long its work takes, and where its effect goes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from registration.effects import Destination
from registration.latency import Latency


@dataclass(frozen=True)
class ServiceKind:
    """`latency` is the default that a scenario overrides; `destination` opens the effect's place in a directory."""

    name: str
    does: str
    latency: Latency
    destination: Callable[[Path], Destination]
