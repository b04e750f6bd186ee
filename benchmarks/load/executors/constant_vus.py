"""The closed loop: a fixed number of virtual users, each of whom registers again as soon as they have their answer."""

from __future__ import annotations

import itertools
from collections import deque

from benchmarks.load.executors.port import DueArrival
from benchmarks.load.http.exchange import Exchange
from benchmarks.load.http.payloads import Payloads
from benchmarks.load.rows import GrowingRows
from benchmarks.load.settings import ConstantVusSettings

RETRY_NS = 100_000_000
"""How long a user pauses whose arrival was never sent. With no pause a server that refuses connections, or a machine
without descriptors, would have each user try a thousand times a second, and take the core from the server that is to
come back (docs/load.md)."""

_LOOK_AHEAD = 1_000
"""How many requests of each kind are encoded before the load: how many it will take is not known."""


class ConstantVus:
    """Issues an arrival for each free user from the start of the warm-up to the end of the load.

    A slow server is asked less often, so what it did not get is missing from every figure: coordinated omission. See
    "The closed loop" in docs/load.md.
    """

    def __init__(self, settings: ConstantVusSettings) -> None:
        """Reserve the first rows. Raises OSError where there is no room for them."""
        self.rows = GrowingRows(settings.rows)
        self._warmup = Payloads(itertools.count(-1, -1), settings, _LOOK_AHEAD)
        self._counted = Payloads(itertools.count(), settings, _LOOK_AHEAD)
        self._settings = settings
        self._start_ns = self._begin_ns = self._end_ns = 0
        self._free = settings.vus
        self._resting_until_ns: deque[int] = deque()
        self._issued = 0
        self._over = False

    def begin(self, start_ns: int) -> None:
        self._start_ns = start_ns
        self._begin_ns = start_ns - round(self._settings.warmup_ms * 1e6)
        self._end_ns = start_ns + round(self._settings.duration_ms * 1e6)

    def due(self, now_ns: int) -> DueArrival | None:
        if now_ns >= self._end_ns:
            self._over = True
        if self._over or now_ns < self._begin_ns:
            return None
        while self._resting_until_ns and self._resting_until_ns[0] <= now_ns:
            self._resting_until_ns.popleft()
            self._free += 1
        if not self._free:
            return None
        self._free -= 1
        position = self._issued
        self._issued += 1
        payload = (self._warmup if now_ns < self._start_ns else self._counted).take()
        self.rows.issued(position, payload.index, now_ns - self._start_ns)
        return DueArrival(position, now_ns, payload)

    def next_ns(self) -> int | None:
        if self._over:
            return None
        if self._free:
            return self._begin_ns  # as soon as possible, and not before
        return self._resting_until_ns[0] if self._resting_until_ns else None

    def settled(self, exchange: Exchange, now_ns: int, /) -> bool:
        if exchange.sent_ns:
            self._free += 1
        else:
            self._resting_until_ns.append(now_ns + RETRY_NS)
        return True

    @property
    def over(self) -> bool:
        return self._over

    def prepare(self) -> None:
        self.rows.make_room(self._issued)
        self._warmup.refill()
        self._counted.refill()
