"""What a broker is to the rest of the harness: where it listens, what it is, and how it stops.

```
start() ───┐
           ├─→ Broker (info, pid, trouble, signal, end, respawn, stop) ─→ bootstrap address for the clients
connect() ─┘
```
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


class BrokerUnavailable(Exception):  # noqa: N818 - reads as the state the user finds the broker in
    """No broker is available; `next_step` says what to do. The command line exits with 111."""

    def __init__(self, message: str, next_step: str) -> None:
        super().__init__(message)
        self.message = message
        self.next_step = next_step


@dataclass(frozen=True)
class BrokerKind:
    """What one kind of broker is, on the server's side.

    module: the file that starts it. durabilities: where an event may be when it is acknowledged, the default first: in
    memory, with the operating system (a crash of the process loses nothing, a loss of power may), or on disk.
    profiles: how much it may take, the default first; empty where there is nothing to choose. partitions: how many
    each topic has, whatever is asked; None: as asked. emulator: it stands in for the real one, and results say so.
    hit_by_faults: its process may be paused, killed and restarted, and what it has acknowledged survives that.
    fetches: its program is fetched before the first start. caution: what a plan warns about.
    """

    module: str
    durabilities: tuple[str, ...]
    profiles: tuple[str, ...] = ()
    partitions: int | None = None
    emulator: bool = False
    hit_by_faults: bool = True
    fetches: bool = False
    caution: str = ""


@dataclass(frozen=True)
class ServerSpec:
    """Which broker is wanted; a run starts one of each. profile: None where the kind has none."""

    kind: str
    profile: str | None
    durability: str

    @property
    def label(self) -> str:
        """Its name among the brokers of a run: `kafka-full-os`."""
        return "-".join(filter(None, (self.kind, self.profile, self.durability)))


@dataclass(frozen=True)
class BrokerInfo:
    """What a run records about its broker.

    kind: one of `KINDS`. version: None where the protocol does not give it.
    bootstrap: where its clients connect, `[protocol://]host:port[,host:port…]`; named where it is not plaintext.
    ours: whether the harness started it, and counts its CPU time. hit_by_faults: whether faults may hit its process.
    description: settings worth knowing when the figures are read.
    profile, durability: as in `ServerSpec`; None where they cannot be known.
    """

    kind: str
    version: str | None
    bootstrap: str
    ours: bool
    description: dict[str, str | int | float]
    profile: str | None = None
    durability: str | None = None
    emulator: bool = False
    hit_by_faults: bool = False

    @property
    def label(self) -> str:
        """As `ServerSpec.label`."""
        return "-".join(filter(None, (self.kind, self.profile, self.durability)))

    def as_dict(self) -> dict[str, object]:
        """What each variant's results say of it."""
        return {
            "kind": self.kind,
            "version": self.version,
            "profile": self.profile,
            "durability": self.durability,
            "emulator": self.emulator,
        }


class Broker(Protocol):
    """A broker that answers. Only one with `info.hit_by_faults` is asked to `signal`, `end` or `respawn`."""

    @property
    def info(self) -> BrokerInfo: ...

    @property
    def pid(self) -> int | None:
        """The broker's process, of which there may be another after a fault; None where it is not ours."""

    def trouble(self) -> BrokerUnavailable | None:
        """Why it is gone, where one of ours has ended without being asked to; None while it runs."""

    def signal(self, number: int) -> None:
        """Send its process a signal."""

    async def end(self, number: int) -> float:
        """End its process with a signal, SIGKILL if it takes too long; the CPU seconds that this process used in all.

        It was asked for, so it is not trouble; a successor may follow with `respawn`.
        """

    async def respawn(self) -> None:
        """Start it again on the same data and address; it answers when this returns. Raises BrokerUnavailable."""

    async def stop(self) -> float | None:
        """Stop it if it is ours; the CPU seconds that it used in all, None where it is not ours."""


class Untouched:
    """A broker that no fault may hit."""

    def signal(self, number: int) -> None:
        raise AssertionError(f"signal {number} for a broker that is not to be hit by faults")

    async def end(self, number: int) -> float:
        raise AssertionError(f"signal {number} for a broker that is not to be hit by faults")

    async def respawn(self) -> None:
        raise AssertionError("a broker that no fault has ended needs no successor")


class FetchProgress(Protocol):
    """Learns what a first fetch is doing. Calls never overlap, but may come from another thread.

    `begin`, `advance`… and `end` frame the download; `step` may come before and after them.
    """

    def begin(self, total_files: int, total_bytes: int) -> None:
        """A download begins. total_bytes: 0 where it is not known, because a part is here already."""

    def advance(self, name: str, done_bytes: int) -> None:
        """`done_bytes` more of file `name` have arrived (negative: a broken download begins again)."""

    def step(self, message: str) -> None:
        """Something other than a download takes a few seconds, such as a training run."""

    def end(self) -> None:
        """The download is over, or has failed."""


class SilentProgress:
    """Passes nothing on."""

    def begin(self, total_files: int, total_bytes: int) -> None:
        pass

    def advance(self, name: str, done_bytes: int) -> None:
        pass

    def step(self, message: str) -> None:
        pass

    def end(self) -> None:
        pass
