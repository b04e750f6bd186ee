"""Cache: invalidates the entry of the user."""

from registration.latency import Latency
from registration.services.kind import ServiceKind

CACHE = ServiceKind(
    name="cache",
    does="invalidates the cache entry",
    latency=Latency.fixed(2.0),
    destination="outside-world",
)
