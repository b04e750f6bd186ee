"""How the processes of this side find one another: the caller knows every callee."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from registration.address import Address
from registration.settings import ApiSettings, ServiceSettings, Settings


@dataclass(frozen=True, kw_only=True)
class ApiWiring(ApiSettings):
    """Where each instance of each service listens."""

    services: Mapping[str, Sequence[Address]]


@dataclass(frozen=True, kw_only=True)
class ServiceWiring(ServiceSettings):
    """Where this instance listens."""

    address: Address


@dataclass(frozen=True, kw_only=True)
class OwnWiring(Settings):
    """Of a process that belongs to one variant: the services, as the API knows them."""

    services: Mapping[str, Sequence[Address]]
