"""What a master and its workers say to each other, as custom messages of Locust's runners (msgpack over ZeroMQ).

    worker                              master
      HERE {protocol}             ──→     waits until there are enough
                                  ←──   SHARE {settings, arrivals}, SCHEDULE {data} …
      PING {number}               ──→
                                  ←──   PONG {number, clock_ns, host}
      READY {pacer}               ──→     waits until all are: the API can be reached from each
                                  ←──   START {start_ns}, and Locust's own message to spawn the user
      PROGRESS {…} …              ──→
      ROWS {data} …, DONE {…}     ──→
                                  ←──   THANKS: the worker may go
      ERROR {message, next_step}  ──→     at any time: the load has failed

Nothing here is ever run or unpickled: bytes are arrays of a fixed type, whose length both sides know beforehand.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gevent.queue import Empty, Queue
from locust.runners import Runner

PROTOCOL = 2
"""Goes up whenever the two sides of another version would misunderstand each other."""

HERE, SHARE, SCHEDULE, PING, PONG = "bench-here", "bench-share", "bench-schedule", "bench-ping", "bench-pong"
READY, START, PROGRESS, ROWS = "bench-ready", "bench-start", "bench-progress", "bench-rows"
DONE, THANKS, ERROR = "bench-done", "bench-thanks", "bench-error"

_LOOK_S = 0.25
"""How long to wait for a message before checking whether the other side is still there."""

CHUNK_BYTES = 2**22
"""A message of this size takes a local network a few hundredths of a second, so heartbeats pass between two."""


@dataclass(frozen=True)
class WireMessage:
    """One message: its sender, its kind, and what it holds."""

    sender: str
    kind: str
    data: Mapping[str, Any]


class WireInbox:
    """Puts a runner's messages of some kinds into a queue, since Locust would swallow what a listener raises."""

    def __init__(self, runner: Runner, kinds: Sequence[str]) -> None:
        self._queue: Queue[WireMessage] = Queue()
        for kind in kinds:
            runner.register_message(kind, self._listener(kind))

    def next(self) -> WireMessage | None:
        """The next message; None where none comes within `_LOOK_S`."""
        try:
            return self._queue.get(timeout=_LOOK_S)
        except Empty:
            return None

    def _listener(self, kind: str) -> Callable[..., None]:
        def put(msg: Any, **_: object) -> None:
            data = msg.data if isinstance(msg.data, Mapping) else {}
            self._queue.put(WireMessage(str(msg.node_id), kind, data))

        return put


def chunks(data: bytes) -> Iterator[bytes]:
    """`data` in pieces of at most CHUNK_BYTES."""
    for first in range(0, len(data), CHUNK_BYTES):
        yield data[first : first + CHUNK_BYTES]


class Collected:
    """Pieces of bytes until there are as many as were announced."""

    def __init__(self, expected: int) -> None:
        self._expected = expected
        self._data = bytearray()

    def add(self, piece: object) -> None:
        """Raises ValueError where it is no piece of bytes, or more than was announced."""
        if not isinstance(piece, bytes) or len(self._data) + len(piece) > self._expected:
            raise ValueError("more bytes than were announced, or something else")
        self._data += piece

    @property
    def complete(self) -> bool:
        return len(self._data) == self._expected

    def take(self) -> bytes:
        """All of them. Raises ValueError where some are missing."""
        if not self.complete:
            raise ValueError(f"{self._expected - len(self._data):,} of {self._expected:,} bytes are missing")
        return bytes(self._data)
