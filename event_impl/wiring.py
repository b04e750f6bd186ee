"""How the processes of this side find one another: all know the broker and the topic, and none knows who listens."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from registration.settings import ApiSettings, ServiceSettings, Settings


@dataclass(frozen=True, kw_only=True)
class ApiWiring(ApiSettings):
    """Which broker, where it is reached, and what is published to."""

    broker: str
    bootstrap: str
    topic: str


@dataclass(frozen=True, kw_only=True)
class ServiceWiring(ServiceSettings):
    """And in the name of which group this instance reads.

    own_topics: the variant's own topics of this service, by the name that it gives them.
    """

    broker: str
    bootstrap: str
    topic: str
    group: str
    own_topics: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class OwnWiring(Settings):
    """Of a process that belongs to one variant. own_topics: those of each service."""

    broker: str
    bootstrap: str
    topic: str
    own_topics: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
