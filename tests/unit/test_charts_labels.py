"""Labels beside lines: moved apart, but no further than they must be."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.charts.sheet import spread

HEIGHTS = st.lists(st.floats(-50, 150), min_size=1, max_size=8)


@given(HEIGHTS)
def test_labels_keep_their_distance_their_order_and_the_panel(wanted: list[float]) -> None:
    placed = spread(wanted, 12.0, 0.0, 100.0)
    assert all(-1e-9 <= height <= 100 + 1e-9 for height in placed)
    assert all(upper - lower >= 12 - 1e-9 for lower, upper in pairwise(sorted(placed)))
    order = sorted(range(len(wanted)), key=lambda at: wanted[at])
    assert [placed[at] for at in order] == sorted(placed)


def test_labels_with_room_stay_where_they_belong() -> None:
    assert spread([10, 50, 90], 12, 0, 100) == [10, 50, 90]


def test_labels_that_meet_share_the_way() -> None:
    assert spread([50, 50], 12, 0, 100) == [44, 56]
    assert spread([0, 0], 12, 0, 100) == [0, 12]


def test_more_labels_than_room_are_spaced_evenly() -> None:
    assert spread([5] * 5, 12, 0, 40) == pytest.approx([0, 10, 20, 30, 40])


def test_no_labels_need_no_place() -> None:
    assert spread([], 12, 0, 100) == []
