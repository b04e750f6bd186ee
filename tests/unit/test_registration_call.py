"""A call and its headers."""

import pytest

from registration import luck
from registration.call import Call
from registration.registration import Registration, traceparent_of, user_id

ID = luck.registration_id(1, 0)
REGISTRATION = Registration(ID, user_id(1, 0), "user-0@example.com", traceparent_of(ID))


@pytest.mark.parametrize(
    "call",
    [
        Call(REGISTRATION),
        Call(REGISTRATION, attempt=2),
        Call(REGISTRATION, deadline_ns=123_456_789_012),
        Call(REGISTRATION, idempotency_key="a-key"),
    ],
)
def test_what_was_written_is_read(call: Call) -> None:
    assert Call.read(call.body(), call.headers()) == call


@pytest.mark.parametrize(
    ("headers", "says"),
    [
        ({"attempt": "two"}, "the header attempt is not a whole number"),
        ({"attempt": "0"}, "attempts count from 1"),
        ({"deadline-ns": "-1"}, "the header deadline-ns is not a whole number"),
    ],
)
def test_a_header_that_cannot_be_read_is_named(headers: dict[str, str], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Call.read(Call(REGISTRATION).body(), headers)
