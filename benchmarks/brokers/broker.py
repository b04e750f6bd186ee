"""What a broker is to the rest of the harness: where it listens, what it is, and how it stops.

```
start_kafka() ────┐
start_embedded() ─┼─→ Broker (info, pid, trouble, stop) ─→ bootstrap address for the clients
connect() ────────┘
```
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


class BrokerUnavailable(Exception):  # noqa: N818 - reads as the state the user finds the broker in
    """No broker can be had; `next_step` tells the ways out. The command line exits with 111."""

    def __init__(self, message: str, next_step: str) -> None:
        super().__init__(message)
        self.message = message
        self.next_step = next_step


@dataclass(frozen=True)
class BrokerInfo:
    """What a run records about its broker.

    kind: `kafka` or `embedded`. version: None where the protocol does not tell it.
    bootstrap: where its clients connect, `[protocol://]host:port[,host:port…]`; named where it is not plaintext.
    ours: whether the harness started it, and so may inject faults into it and count its CPU time.
    description: settings worth knowing when the figures are read.
    lists_lag: whether its consumers form groups whose lag means something; without, the committed offsets end the
    drain and nothing more.
    """

    kind: str
    version: str | None
    bootstrap: str
    ours: bool
    description: dict[str, str | int | float]
    lists_lag: bool = True


class Broker(Protocol):
    """A broker that answers."""

    @property
    def info(self) -> BrokerInfo: ...

    @property
    def pid(self) -> int | None:
        """The broker's process; None where it is not ours."""

    def trouble(self) -> BrokerUnavailable | None:
        """Why it is gone, where one of ours has ended without being asked to; None while it runs."""

    async def stop(self) -> float | None:
        """Stop it if it is ours; the CPU seconds that it used in all, None where it is not ours."""


class FetchProgress(Protocol):
    """Told what a first fetch is doing. Calls never overlap, but may come from another thread.

    `begin`, `advance`… and `end` frame the download; `step` may come before and after them.
    """

    def begin(self, total_files: int, total_bytes: int) -> None:
        """A download begins. total_bytes: 0 where it is not known, because a part is here already."""

    def advance(self, name: str, done_bytes: int) -> None:
        """`done_bytes` more of file `name` have arrived (negative: a broken download begins again)."""

    def step(self, message: str) -> None:
        """Something else than a download takes a few seconds, such as a training run."""

    def end(self) -> None:
        """The download is over, or has failed."""


class SilentProgress:
    """Tells nobody."""

    def begin(self, total_files: int, total_bytes: int) -> None:
        pass

    def advance(self, name: str, done_bytes: int) -> None:
        pass

    def step(self, message: str) -> None:
        pass

    def end(self) -> None:
        pass
