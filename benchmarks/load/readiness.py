"""Proof before the load: every server has answered over the very client that will send."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import gevent
from gevent.event import Event

from benchmarks.load.client import RoundRobin
from benchmarks.load.exchange import Exchange
from benchmarks.load.payloads import ready_request
from benchmarks.load.settings import Address

READY_LIMIT_S = 10.0
_RETRY_S = 0.02


class NotReadyError(Exception):
    """A server did not become ready in time."""


class _Answer:
    """The answer to one question, as an ExchangeListener."""

    def __init__(self) -> None:
        self.known = Event()
        self.status = 0
        self.text = ""

    def sent(self, exchange: Exchange) -> None: ...

    def answered(self, _exchange: Exchange, status: int, _body_length: int, _answered_ns: int) -> None:
        self.status, self.text = status, f"status {status}"
        self.known.set()

    def unanswered(self, _exchange: Exchange, reason: str) -> None:
        self.text = reason
        self.known.set()

    unsendable = unanswered


def prove_ready(
    client: RoundRobin, addresses: Sequence[Address], clock_ns: Callable[[], int], limit_s: float = READY_LIMIT_S
) -> None:
    """Ask `GET /ready` of each server until it answers 200. Raises NotReadyError after `limit_s` in all."""
    deadline_ns = clock_ns() + round(limit_s * 1e9)
    for number, address in enumerate(addresses):
        said = "no answer"
        while (answer := _ask(client, number, address, clock_ns, deadline_ns)).status != 200:
            said = answer.text or said
            if clock_ns() >= deadline_ns:
                raise NotReadyError(f"{address[0]}:{address[1]} was not ready within {limit_s:g} s: {said}")
            gevent.sleep(_RETRY_S)


def _ask(client: RoundRobin, number: int, address: Address, clock_ns: Callable[[], int], deadline_ns: int) -> _Answer:
    answer = _Answer()
    now_ns = clock_ns()
    exchange = Exchange(0, number, "", ready_request(address), now_ns, deadline_ns, listener=answer)
    client.dispatch(exchange)
    if not answer.known.wait(max(0.0, (deadline_ns - now_ns) / 1e9)) and exchange.carrier is not None:
        exchange.carrier.abandon()
    return answer
