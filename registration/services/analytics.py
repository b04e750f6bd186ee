"""Analytics: writes the record of the sign-up to its database."""

from registration.latency import Latency
from registration.services.kind import ServiceKind

ANALYTICS = ServiceKind(
    name="analytics",
    does="writes the analytics record",
    latency=Latency("lognormal", (10.0, 60.0)),
    destination="sqlite",
)
