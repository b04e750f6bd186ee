"""A broker in memory, with the surface of aiokafka: the code above it (`event_impl.brokers.kafka`) is what is measured.

```
MemoryClient(address) → producer, consumer, admin ──request──→ MemoryBroker: logs, groups
                                 └── in a Caller: the process that asks, which the broker may outlive
```
It takes no time. What runs its clients, and tells the time, is a `Platform`: asyncio, or a virtual trial.
"""

from event_impl.brokers.memory.broker import MemoryBroker
from event_impl.brokers.memory.client import MemoryClient
from event_impl.brokers.memory.platform import Caller, Platform

__all__ = ["Caller", "MemoryBroker", "MemoryClient", "Platform"]
