"""SMS: sends a short text to whoever signed up."""

from registration.latency import Latency
from registration.services.kind import ServiceKind

SMS = ServiceKind(
    name="sms",
    does="sends a short text",
    latency=Latency.fixed(5.0),
    destination="outside-world",
)
