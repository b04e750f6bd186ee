"""How far a partition's work has come: which offset may be committed while work finishes out of order.

offsets handed out   5 6 7 8 9
settled                ·   · ·        nothing to commit: 5 is at work
settled              · · · ·          commit 9, the first one not settled
"""

from __future__ import annotations

from collections.abc import Sequence

from event_impl.brokers.port import Delivery, Output


class PartitionProgress:
    """One assignment of one partition to one member. Pure: the subscriber does the committing."""

    def __init__(self) -> None:
        self._open: dict[int, Delivery] = {}  # by offset, in the order of the log
        self._settled: dict[int, Sequence[Output]] = {}

    @property
    def unsettled(self) -> int:
        """Deliveries handed out and not yet past the commit point."""
        return len(self._open)

    def in_hand(self) -> list[Delivery]:
        """The deliveries that no commit covers, in order."""
        return list(self._open.values())

    def hand_out(self, offset: int, delivery: Delivery) -> None:
        self._open[offset] = delivery

    def settle(self, offset: int, outputs: Sequence[Output] = ()) -> None:
        """Mark one delivery's work as done. An offset that is not in hand is ignored: its commit has come already."""
        if offset in self._open:
            self._settled[offset] = outputs

    def outputs(self, through: int) -> list[Output]:
        """What came of the settled deliveries up to the offset `through`, in the order of the log."""
        return [output for offset in self._open if offset <= through for output in self._settled[offset]]

    def last_settled(self) -> int | None:
        """The last offset of the settled ones before the first unsettled one; committing past it is safe."""
        last = None
        for offset in self._open:
            if offset not in self._settled:
                break
            last = offset
        return last

    def committed(self, through: int) -> list[Delivery]:
        """Forget the deliveries up to the offset `through`, which the broker has now, and return them.

        Two commits can overlap, one on the way and one at a rebalance: the second finds nothing left of the first.
        """
        done = []
        while self._open and (offset := next(iter(self._open))) <= through:
            done.append(self._open.pop(offset))
            self._settled.pop(offset, None)
        return done

    def forget(self, offset: int) -> None:
        """Let one delivery go, wherever it stands: something else decides what is committed."""
        self._open.pop(offset, None)
