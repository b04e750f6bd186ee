"""Durations: what is read, what is refused, and that what is written is read back exactly."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.values.units import LONGEST_MS, format_ms, format_s, parse_ms, parse_s


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [("0ms", 0), ("800ms", 800), ("1.5s", 1500), ("25s", 25_000), ("2m", 120_000), ("24h", LONGEST_MS), ("0.1ms", 0.1)],
)
def test_a_duration_is_a_number_and_a_unit(text: str, milliseconds: float) -> None:
    assert parse_ms(text) == milliseconds


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        (800, "800 needs a unit: 800ms or 800s"),
        ("800", "'800' needs a unit: 800ms or 800s"),
        (0, "0 needs a unit: 0ms or 0s"),
        ("-1s", "'-1s' is negative; a duration is 0ms or longer"),
        ("25h", "'25h' is longer than a day"),
        ("soon", "'soon' is not a duration; write a number and a unit, as in 800ms, 25s or 2m"),
        ("", "'' is not a duration; write a number and a unit, as in 800ms, 25s or 2m"),
        (None, "nothing is not a duration; write a number and a unit, as in 800ms, 25s or 2m"),
        (True, "true is not a duration; write a number and a unit, as in 800ms, 25s or 2m"),
        ([], "a list is not a duration; write a number and a unit, as in 800ms, 25s or 2m"),
        (float("inf"), "inf is not a duration; write a number and a unit, as in 800ms, 25s or 2m"),
        ("٣s", "'٣s' is not a duration; write a number and a unit, as in 800ms, 25s or 2m"),
    ],
)
def test_anything_else_is_refused_with_what_to_write(value: object, sentence: str) -> None:
    with pytest.raises(ValueError, match=re.escape(sentence)):
        parse_ms(value)


@given(st.floats(min_value=0, max_value=LONGEST_MS, allow_subnormal=False).filter(lambda ms: ms == 0 or ms > 1e-9))
def test_what_is_written_is_read_back_exactly(amount: float) -> None:
    assert parse_ms(format_ms(amount)) == amount
    assert parse_s(format_s(amount / 1000)) == amount / 1000


def test_the_usual_durations_are_written_the_usual_way() -> None:
    assert [format_ms(800.0), format_ms(30_000.0), format_s(25.0), format_s(0.0), format_s(2.56)] == [
        "800ms",
        "30s",
        "25s",
        "0ms",
        "2.56s",
    ]
