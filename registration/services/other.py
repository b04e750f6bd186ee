"""A service that a scenario names and the roster does not know."""

from registration.latency import Latency
from registration.services.kind import ServiceKind


def other(name: str) -> ServiceKind:
    """A service of that name that acts on the outside world and takes 10 ms."""
    return ServiceKind(
        name=name, does="reacts to the registration", latency=Latency.fixed(10.0), destination="outside-world"
    )
