"""The open loop: a schedule fixed before the run, each arrival at its time whatever became of the earlier ones."""

from __future__ import annotations

from benchmarks.load.executors.port import DueArrival
from benchmarks.load.http.exchange import Exchange
from benchmarks.load.http.payloads import Payloads
from benchmarks.load.rows import Rows
from benchmarks.load.settings import OpenSettings, read_schedule


class Open:
    """Walks through a schedule (sorted by intended time) once.

    No arrival waits for another: that is what makes a slow server's queue show. See "Open arrivals" in docs/load.md.
    """

    def __init__(self, settings: OpenSettings) -> None:
        """Reserve a row for each arrival. Raises OSError or ValueError where the files cannot be used."""
        schedule = read_schedule(settings.schedule)
        self.rows = Rows(settings.rows, schedule)
        self._payloads = Payloads(schedule["index"].tolist(), settings)
        self._scenario_ns: list[int] = schedule["intended_ns"].tolist()
        self._intended_ns: list[int] = []
        self._next = 0

    def begin(self, start_ns: int) -> None:
        self._intended_ns = [start_ns + intended_ns for intended_ns in self._scenario_ns]

    def due(self, now_ns: int) -> DueArrival | None:
        position = self._next
        if position < len(self._intended_ns) and (intended_ns := self._intended_ns[position]) <= now_ns:
            self._next = position + 1
            return DueArrival(position, intended_ns, self._payloads.take())
        return None

    def next_ns(self) -> int | None:
        return self._intended_ns[self._next] if self._next < len(self._intended_ns) else None

    def settled(self, _exchange: Exchange, _now_ns: int, /) -> bool:
        return False

    @property
    def over(self) -> bool:
        return self._next == len(self._scenario_ns)

    def prepare(self) -> None:
        self._payloads.refill()
