"""What one kind of service is: its name, how long its work takes, and where its effect goes."""

from __future__ import annotations

from dataclasses import dataclass

from registration.latency import Latency


@dataclass(frozen=True)
class ServiceKind:
    """`latency` is the default that a scenario overrides; `destination`: where its effect goes, a kind of
    `registration.effects`.
    """

    name: str
    does: str
    latency: Latency
    destination: str
