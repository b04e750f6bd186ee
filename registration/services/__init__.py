"""The roster: the services that react to a registration, in the order of the text.

Another service is one file here and one line below; both sides then have it.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from registration.services import analytics, cache, email
from registration.services.kind import ServiceKind
from registration.services.other import other

ROSTER: Mapping[str, ServiceKind] = MappingProxyType(
    {
        kind.name: kind
        for kind in (
            email.EMAIL,
            analytics.ANALYTICS,
            cache.CACHE,
        )
    }
)


def kind_of(name: str) -> ServiceKind:
    """The kind of the service `name`; one that the roster does not know acts on the outside world."""
    return ROSTER.get(name) or other(name)


__all__ = ["ROSTER", "ServiceKind", "kind_of"]
