"""`--broker embedded`: the broker inside librdkafka, in a process of its own. Not a real broker, and labelled so.

```
start() → Child (`python -m benchmarks.brokers.embedded`) → ready: where it listens → Broker
```
It is there in a tenth of a second, without a download, and keeps everything in memory. What it is good for is trying a
scenario; its latencies, its guarantees and its cost are not those of a broker that anybody would run.
"""

from __future__ import annotations

from pathlib import Path
from typing import cast

from benchmarks.brokers import KINDS
from benchmarks.brokers.broker import BrokerInfo, BrokerUnavailable, ServerSpec, Untouched
from benchmarks.processes.child import Child, ChildError, Message

_READY_WITHIN_S = 20.0
_STOP_WITHIN_S = 3.0


class EmbeddedBroker(Untouched):
    """An embedded broker of ours that answers."""

    def __init__(self, child: Child, info: BrokerInfo) -> None:
        self._child = child
        self._trouble: BrokerUnavailable | None = None
        self.info = info
        child.on_message = self._hear

    @property
    def pid(self) -> int | None:
        return self._child.pid

    def trouble(self) -> BrokerUnavailable | None:
        """What to tell when it has died under a run."""
        return self._trouble

    async def stop(self) -> float | None:
        """Close its input, which ends it; SIGKILL after 3 s. The CPU seconds that it used in all."""
        return (await self._child.stop(_STOP_WITHIN_S)).cpu_s

    def _hear(self, message: Message) -> None:
        if message.get("type") == "failed":
            self._trouble = BrokerUnavailable(f"The broker died: {message['message']}", "Run again.")


async def start(server: ServerSpec, _directory: Path, log_path: Path) -> EmbeddedBroker:
    """Start one; it listens on loopback when this returns. Call it from the main thread.

    What it prints goes to `log_path`. BrokerUnavailable: confluent-kafka is not installed, or the process failed.
    """
    child = await Child.spawn("embedded broker", "benchmarks.brokers.embedded", log_path)
    try:
        child.begin("broker", {})
        ready = await child.expect("ready", _READY_WITHIN_S)
    except ChildError as error:
        await child.stop(_STOP_WITHIN_S)
        raise BrokerUnavailable(str(error), error.next_step) from error
    except BaseException:
        await child.stop(_STOP_WITHIN_S)
        raise
    info = BrokerInfo(
        server.kind,
        f"librdkafka {ready['version']}, not a real broker",
        cast(str, ready["bootstrap"]),
        ours=True,
        description={
            "storage": "memory",
            "partitions_per_topic": KINDS[server.kind].partitions or 0,
            "consumer_groups": "no",
        },
        durability=server.durability,
        emulator=True,
    )
    return EmbeddedBroker(child, info)
