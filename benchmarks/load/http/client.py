"""The HTTP client: servers in turn, and for each a pool of connections, some always open ahead of need."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence

from benchmarks.load.event_loop import Loop
from benchmarks.load.http.connection import HttpConnection
from benchmarks.load.http.exchange import Exchange
from registration.address import Address

SPARE_CONNECTIONS = 8
"""Free connections kept per server, so that a burst does not wait for handshakes."""

IDLE_LIMIT_NS = 4_000_000_000
"""Older free connections are not used again. Servers close theirs from 5 s on (uvicorn, Node), and a request that
crosses such a close on its way is cut off, which looks just like a request that was lost at work."""

OPENED_AT_ONCE = 2

RETRY_SPARES_NS = 100_000_000
"""Pause before more spares are opened to a server that just refused or closed one."""


class Pool:
    """Gives each exchange a connection: the freest, one that is being opened, or a new one."""

    def __init__(
        self, address: Address, loop: Loop, clock_ns: Callable[[], int], spares: int = SPARE_CONNECTIONS
    ) -> None:
        self._address = address
        self._loop = loop
        self._clock_ns = clock_ns
        self._spares = spares
        self._free: list[HttpConnection] = []  # the last one used comes first: the rest may age and go
        self._opening: deque[HttpConnection] = deque()
        self._no_spares_until_ns = 0

    def dispatch(self, exchange: Exchange) -> None:
        """Send an exchange on its way, now where a connection is free."""
        oldest_ns = self._clock_ns() - IDLE_LIMIT_NS
        while self._free:
            connection = self._free.pop()
            if connection.idle_since_ns >= oldest_ns and connection.is_alive():
                connection.carry(exchange)
                return
            connection.close()
        try:
            connection = self._opening.popleft() if self._opening else self._open()
        except OSError as error:  # no file descriptor left
            exchange.listener.unsendable(exchange, str(error))
            return
        connection.carry(exchange)

    def open_spares(self) -> None:
        """Open all the spares, for before the load: nothing is due yet that a handshake could hold up."""
        self._open_some(self._spares)

    def top_up(self) -> None:
        """Replace spares that are missing or too old, a few at a time: a handshake takes longer than a send."""
        now_ns = self._clock_ns()
        while self._free and self._free[0].idle_since_ns < now_ns - IDLE_LIMIT_NS:
            self._free[0].close()
        if now_ns >= self._no_spares_until_ns:
            self._open_some(OPENED_AT_ONCE)

    def idle(self, connection: HttpConnection) -> None:
        if connection in self._opening:
            self._opening.remove(connection)
        self._free.append(connection)

    def closed(self, connection: HttpConnection) -> None:
        if connection in self._opening:
            self._opening.remove(connection)
        elif connection in self._free:
            self._free.remove(connection)
        if connection.turned_away:
            self._hold_spares()

    def _open_some(self, limit: int) -> None:
        missing = self._spares - len(self._free) - len(self._opening)
        try:
            for _ in range(min(missing, limit)):
                self._opening.append(self._open())
        except OSError:  # no file descriptor left: arrivals come first
            self._hold_spares()

    def _hold_spares(self) -> None:
        self._no_spares_until_ns = self._clock_ns() + RETRY_SPARES_NS

    def _open(self) -> HttpConnection:
        return HttpConnection(self._address, self._loop, self._clock_ns, self)


class RoundRobin:
    """One pool per server."""

    def __init__(self, addresses: Sequence[Address], loop: Loop, clock_ns: Callable[[], int]) -> None:
        self._pools = [Pool(address, loop, clock_ns) for address in addresses]

    def dispatch(self, exchange: Exchange) -> None:
        """Send an exchange to the server whose turn it is."""
        self._pools[exchange.index % len(self._pools)].dispatch(exchange)

    def open_spares(self) -> None:
        """Open all spare connections: for before the load."""
        for pool in self._pools:
            pool.open_spares()

    def top_up(self) -> None:
        """Open spare connections where some are missing."""
        for pool in self._pools:
            pool.top_up()
