"""A broker whose server is a process of the project's own: one that speaks JSON lines with the harness, as others do.

```
start_child() → Child (`python -m <module>`) → ready: where it listens, its version → Broker
```
It keeps everything in memory, so no fault may hit it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import cast

from benchmarks.brokers import KINDS
from benchmarks.brokers.broker import BrokerInfo, BrokerUnavailable, ServerSpec, Untouched
from benchmarks.processes.child import Child, ChildError
from registration.runtime.harness import ControlMessage

ROLE = "broker"

_READY_WITHIN_S = 20.0
_STOP_WITHIN_S = 3.0


class ChildBroker(Untouched):
    """A broker of ours that answers."""

    def __init__(self, child: Child, info: BrokerInfo) -> None:
        self._child = child
        self._trouble: BrokerUnavailable | None = None
        self.info = info
        child.on_message = self._hear

    @property
    def pid(self) -> int | None:
        return self._child.pid

    def trouble(self) -> BrokerUnavailable | None:
        """What to report when it has died under a run."""
        return self._trouble

    async def stop(self) -> float | None:
        """Close its input, which ends it; SIGKILL after 3 s. The CPU seconds that it used in all."""
        return (await self._child.stop(_STOP_WITHIN_S)).cpu_s

    def _hear(self, message: ControlMessage) -> None:
        if message.get("type") == "failed":
            self._trouble = BrokerUnavailable(f"The broker died: {message['message']}", "Run again.")


async def start_child(
    server: ServerSpec, log_path: Path, module: str, description: Mapping[str, str | int | float]
) -> ChildBroker:
    """Start one; it listens on loopback when this returns. Call it from the main thread.

    Its role `broker` says `ready` with `bootstrap` and `version`. What it prints goes to `log_path`.
    BrokerUnavailable: the process failed, and why.
    """
    child = await Child.spawn(f"{server.kind} broker", module, log_path)
    try:
        child.begin(ROLE, {})
        ready = await child.expect("ready", _READY_WITHIN_S)
    except ChildError as error:
        await child.stop(_STOP_WITHIN_S)
        raise BrokerUnavailable(str(error), error.next_step) from error
    except BaseException:
        await child.stop(_STOP_WITHIN_S)
        raise
    info = BrokerInfo(
        server.kind,
        cast(str, ready["version"]),
        cast(str, ready["bootstrap"]),
        ours=True,
        description={"storage": "memory", "partitions_per_topic": KINDS[server.kind].partitions or 0, **description},
        durability=server.durability,
        emulator=KINDS[server.kind].emulator,
    )
    return ChildBroker(child, info)
