"""`broker: {kind: journal}`: a broker of a few lines, from which another one can be made. In memory, over TCP.

    {"do": …} → {…} or {"error": …}     one line each, of one connection in order

A topic is one list of messages; a group is a name for how far a reader has come in one, and a consumer in that group
gets everything from there on. The client is in `event_impl/brokers/journal.py`.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.brokers.broker import Broker, ServerSpec
from benchmarks.brokers.child_broker import ROLE, start_child
from registration.runtime.harness import Harness, main

_HOST = "127.0.0.1"
_LINE_LIMIT = 2**24  # bytes


async def start(server: ServerSpec, _directory: Path, log_path: Path) -> Broker:
    """Start one, as a process of its own. Raises BrokerUnavailable."""
    return await start_child(server, log_path, __name__, {"consumer_groups": "no"})


@dataclass
class _Topic:
    """`log`: what was published, in order. `committed`: how far each group has come, by name."""

    log: list[object] = field(default_factory=list)
    committed: dict[str, int] = field(default_factory=dict)
    grown: asyncio.Event = field(default_factory=asyncio.Event)


class _Journal:
    def __init__(self) -> None:
        self._topics: dict[str, _Topic] = {}

    async def answer(self, asked: Mapping[str, Any]) -> Mapping[str, object]:
        """Do what a client asks. Raises ValueError where it cannot be done."""
        name, action = asked["topic"], asked["do"]
        if action == "create":
            if name in self._topics:
                raise ValueError(f"the topic {name} could not be created: it exists already")
            self._topics[name] = _Topic()
            return {}
        if name not in self._topics:
            raise ValueError(f"unknown topic {name!r}")
        topic = self._topics[name]
        match action:
            case "publish":
                topic.log.append(asked["message"])
                topic.grown.set()
            case "commit":
                topic.committed[asked["group"]] = max(asked["offset"], topic.committed.get(asked["group"], 0))
            case "offsets":
                return {"committed": topic.committed.get(asked["group"]), "end": len(topic.log)}
            case "read":
                while len(topic.log) <= asked["offset"] and asked["wait"]:
                    topic.grown.clear()
                    await topic.grown.wait()
                return {"messages": topic.log[asked["offset"] :][: asked["most"]]}
            case "delete":
                del self._topics[name]
        return {}

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one client until it hangs up."""
        with suppress(ConnectionError):
            while line := await reader.readline():
                try:
                    answer = await self.answer(json.loads(line))
                except ValueError as error:
                    answer = {"error": str(error)}
                writer.write(json.dumps(answer).encode() + b"\n")
                await writer.drain()
        writer.close()


async def run(_settings: bytes, harness: Harness) -> None:
    """The process: serve on a free port until the harness closes the pipe."""
    server = await asyncio.start_server(_Journal().serve, _HOST, 0, limit=_LINE_LIMIT)
    port = server.sockets[0].getsockname()[1]
    harness.send(type="ready", bootstrap=f"{_HOST}:{port}", version="1, not a real broker")
    async for _ in harness.questions():
        pass


if __name__ == "__main__":
    main({ROLE: run})
