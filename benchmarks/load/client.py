"""The client: exchanges go to the servers in turn."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from benchmarks.load.exchange import Exchange, Loop
from benchmarks.load.pool import Pool
from benchmarks.load.settings import Address


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
