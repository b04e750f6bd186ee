"""How far a partition may be committed: exactly past the settled deliveries that have no unsettled one before them."""

import itertools

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from event_impl.brokers.port import Delivery, Message
from event_impl.brokers.progress import PartitionProgress


def delivery(offset: int) -> Delivery:
    return Delivery(Message(b"", b"", []), offset)


def handed_out(*offsets: int) -> PartitionProgress:
    progress = PartitionProgress()
    for offset in offsets:
        progress.hand_out(offset, delivery(offset))
    return progress


def offsets(deliveries: list[Delivery]) -> list[object]:
    return [delivery.token for delivery in deliveries]


def test_nothing_is_committed_past_work_that_is_under_way() -> None:
    progress = handed_out(5, 6, 7, 8, 9)
    for offset in (6, 8, 9):
        progress.settle(offset)
    assert progress.last_settled() is None
    progress.settle(5)
    assert progress.last_settled() == 6


def test_offsets_with_gaps_are_committed_like_any_others() -> None:
    # Kafka leaves gaps where transactions and compaction were.
    progress = handed_out(5, 9, 20)
    progress.settle(5)
    progress.settle(9)
    assert progress.last_settled() == 9


def test_an_offset_of_another_member_is_ignored() -> None:
    progress = handed_out(5)
    progress.settle(4)
    progress.settle(6)
    assert progress.last_settled() is None
    assert progress.unsettled == 1


def test_one_that_is_let_go_of_holds_nothing_back() -> None:
    progress = handed_out(5, 6, 7)
    progress.settle(6)
    progress.forget(5)
    assert progress.last_settled() == 6
    assert offsets(progress.in_hand()) == [6, 7]


def test_two_commits_that_overlap_forget_each_delivery_once() -> None:
    progress = handed_out(5, 6, 7)
    progress.settle(5)
    progress.settle(6)
    assert offsets(progress.committed(6)) == [5, 6]
    assert progress.committed(6) == []
    assert progress.unsettled == 1


@given(st.permutations(range(20)))
def test_in_whatever_order_work_ends_all_of_it_is_committed_in_the_end(order: list[int]) -> None:
    progress = handed_out(*range(20))
    committed: list[object] = []
    for offset in order:
        progress.settle(offset)
        if (last := progress.last_settled()) is not None:
            committed += offsets(progress.committed(last))
    assert committed == list(range(20))
    assert progress.unsettled == 0


class Partition(RuleBasedStateMachine):
    """Handing out, settling and committing in any order, beside a plain model of it."""

    @initialize(first=st.integers(0, 1000))
    def begin(self, first: int) -> None:
        self.progress = PartitionProgress()
        self.next = first
        self.open: dict[int, bool] = {}

    @rule(gap=st.integers(0, 3))
    def hand_out(self, gap: int) -> None:
        self.next += gap
        self.progress.hand_out(self.next, delivery(self.next))
        self.open[self.next] = False
        self.next += 1

    @precondition(lambda self: self.open)
    @rule(data=st.data())
    def settle(self, data: st.DataObject) -> None:
        offset = data.draw(st.sampled_from(sorted(self.open)))
        self.progress.settle(offset)
        self.open[offset] = True

    @rule(repeat=st.booleans())
    def commit(self, repeat: bool) -> None:
        through = self.progress.last_settled()
        if through is None:
            return
        done = [offset for offset in sorted(self.open) if offset <= through]
        assert offsets(self.progress.committed(through)) == done
        if repeat:
            assert self.progress.committed(through) == []
        for offset in done:
            del self.open[offset]

    @invariant()
    def only_a_settled_prefix_may_be_committed(self) -> None:
        waiting = sorted(self.open)
        prefix = list(itertools.takewhile(lambda offset: self.open[offset], waiting))
        assert self.progress.last_settled() == (prefix[-1] if prefix else None)
        assert offsets(self.progress.in_hand()) == waiting
        assert self.progress.unsettled == len(waiting)


TestPartition = Partition.TestCase
