"""What the engine needs of a load model."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from benchmarks.load.http.exchange import Exchange
from benchmarks.load.http.payloads import Payload
from benchmarks.load.rows import Rows


class DueArrival(NamedTuple):
    """One arrival whose time has come. `position` is its row; `intended_ns` is absolute."""

    position: int
    intended_ns: int
    payload: Payload


class Executor(Protocol):
    """Says which arrival is due. It waits for nothing and sends nothing: the engine asks, and reports what happened."""

    @property
    def rows(self) -> Rows:
        """Where the arrivals are kept."""

    def begin(self, start_ns: int) -> None:
        """Scenario time 0 is at `start_ns`."""

    def due(self, now_ns: int) -> DueArrival | None:
        """The next arrival that is due, passing over it; None if none is."""

    def next_ns(self) -> int | None:
        """When to ask again; None where only an outcome, if anything, can make an arrival due."""

    def settled(self, exchange: Exchange, now_ns: int, /) -> bool:
        """An arrival has its outcome; whether that moves `next_ns`."""

    @property
    def over(self) -> bool:
        """No arrival will come any more."""

    def prepare(self) -> None:
        """Work ahead: for moments in which nothing is due."""
