"""How far a partition's work has come: which offset may be committed while work finishes out of order.

offsets handed out   5 6 7 8 9
settled                ·   · ·        nothing to commit: 5 is at work
settled              · · · ·          commit 9, the first one not settled
"""

from __future__ import annotations

from collections import OrderedDict

from event_impl.brokers.port import Delivery


class PartitionProgress:
    """One partition in one member's hands. Pure: the subscriber does the committing."""

    def __init__(self) -> None:
        self._open: OrderedDict[int, tuple[Delivery, bool]] = OrderedDict()

    @property
    def unsettled(self) -> int:
        """Deliveries handed out and not yet past the commit point."""
        return len(self._open)

    def hand_out(self, delivery: Delivery) -> None:
        self._open[delivery.offset] = (delivery, False)

    def settle(self, offset: int) -> None:
        """Mark one delivery's work as done. An offset that was never handed out is ignored: it is another member's."""
        if offset in self._open:
            self._open[offset] = (self._open[offset][0], True)

    def prefix(self) -> list[Delivery]:
        """The settled deliveries before the first unsettled one, in order; committing past the last is safe."""
        done: list[Delivery] = []
        for delivery, settled in self._open.values():
            if not settled:
                break
            done.append(delivery)
        return done

    def committed(self, through: int) -> list[Delivery]:
        """Forget the deliveries up to the offset `through`, which the broker has now, and return them.

        Two commits can overlap, one on the way and one at a rebalance: the second finds nothing left of the first.
        """
        done: list[Delivery] = []
        while self._open and next(iter(self._open)) <= through:
            _, (delivery, _) = self._open.popitem(last=False)
            done.append(delivery)
        return done
