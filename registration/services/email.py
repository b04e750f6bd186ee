"""Email: sends the welcome email, the slowest of the three by nature."""

from registration.latency import Latency
from registration.services.kind import ServiceKind

EMAIL = ServiceKind(
    name="email",
    does="sends the welcome email",
    latency=Latency.fixed(20.0),
    destination="outside-world",
)
