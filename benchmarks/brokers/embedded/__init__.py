"""`--broker embedded`: the broker inside librdkafka, in a process of its own. Not a real broker, and labelled so.

It is there in a tenth of a second, without a download, and keeps everything in memory. What it is good for is trying a
scenario; its latencies, its guarantees and its cost are not those of a broker that anybody would run.
"""

from __future__ import annotations

from pathlib import Path

from benchmarks.brokers.broker import Broker, ServerSpec
from benchmarks.brokers.child_broker import start_child


async def start(server: ServerSpec, _directory: Path, log_path: Path) -> Broker:
    """Start one. BrokerUnavailable: confluent-kafka is not installed, or the process failed."""
    return await start_child(server, log_path, "benchmarks.brokers.embedded", {"consumer_groups": "no"})
