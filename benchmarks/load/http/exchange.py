"""One request on its way, and what hears what becomes of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


class Abandonable(Protocol):
    """Where an exchange is under way."""

    def abandon(self) -> None:
        """Close it without notifying the exchange."""


@dataclass(slots=True, eq=False)
class Exchange:
    """A request and what is known of its answer. Times are absolute CLOCK_MONOTONIC ns; `sent_ns` 0: not yet."""

    position: int  # the place of its row
    index: int  # the number of the arrival, hence whose turn it is among the servers
    registration_id: str
    request: bytes
    intended_ns: int
    deadline_ns: int
    listener: ExchangeListener
    sent_ns: int = 0
    connection: Abandonable | None = None
    settled: bool = False


class ExchangeListener(Protocol):
    """What follows an exchange. `sent` at most once, then exactly one of the others, unless it is abandoned."""

    def sent(self, exchange: Exchange) -> None:
        """The first byte is out; `exchange.sent_ns` was taken just before."""

    def answered(self, exchange: Exchange, status: int, body_length: int, answered_ns: int) -> None:
        """A whole reply is in."""

    def unanswered(self, exchange: Exchange, reason: str) -> None:
        """There will be no whole reply; `exchange.sent_ns` shows whether a byte was sent."""

    def unsendable(self, exchange: Exchange, reason: str) -> None:
        """This machine could not even try to connect."""
