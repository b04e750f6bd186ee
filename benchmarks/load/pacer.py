"""The pacer: which arrivals are due, and when to look again. Pure arithmetic on times."""

from __future__ import annotations

from collections.abc import Sequence


class Pacer:
    """Walks through `intended_ns` (sorted) once. All times on the clock of its caller."""

    def __init__(self, intended_ns: Sequence[int]) -> None:
        self._intended_ns = intended_ns
        self._next = 0

    def due(self, now_ns: int) -> int | None:
        """The place of the next arrival that is due, passing over it; None if none is."""
        position = self._next
        if position < len(self._intended_ns) and self._intended_ns[position] <= now_ns:
            self._next = position + 1
            return position
        return None

    def next_ns(self) -> int | None:
        """When the next arrival is due; None after the last."""
        return self._intended_ns[self._next] if self._next < len(self._intended_ns) else None
