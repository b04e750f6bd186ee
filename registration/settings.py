"""What the harness gives a process of a trial first; each side adds in its `wiring.py` how they find one another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from registration.address import Address
from registration.effects.destination import DestinationSettings
from registration.options import OptionValue
from registration.work import WorkSettings


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Of every process.

    name: within the trial, such as `email/0`. directory: where its raw files go. traced: False where it keeps no trace.
    start_ns: the instant of scenario time 0, for a process that comes back when that has passed.
    """

    name: str
    directory: str
    block_seed: int
    variant: str
    options: Mapping[str, OptionValue] = field(default_factory=dict)
    traced: bool = True
    start_ns: int | None = None


@dataclass(frozen=True, kw_only=True)
class ApiSettings(Settings):
    """Of an instance of the API. probes: how many registrations prove, in a round, that every service hears."""

    address: Address
    probes: int = 1


@dataclass(frozen=True, kw_only=True)
class ServiceSettings(Settings):
    """Of an instance of a service."""

    work: WorkSettings
    destination: DestinationSettings
