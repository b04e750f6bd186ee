"""A registration as it comes in: read, or refused with a sentence."""

import json
import uuid

import pytest

from registration import luck
from registration.registration import Registration, body_of, traceparent_of, user_id

ID = luck.registration_id(3, 5)
REGISTRATION = Registration(ID, user_id(3, 5), "user-5@example.com", traceparent_of(ID))
GOOD = REGISTRATION.as_dict()


def test_it_comes_back_as_it_was_sent() -> None:
    assert Registration.from_json(body_of(REGISTRATION), REGISTRATION.traceparent) == REGISTRATION


@pytest.mark.parametrize("missing", ["registration_id", "user_id", "email"])
def test_what_is_missing_is_named(missing: str) -> None:
    body = json.dumps({name: value for name, value in GOOD.items() if name != missing}).encode()
    with pytest.raises(ValueError, match=f"the registration has no {missing}"):
        Registration.from_json(body)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"email": "nobody"}, "email is not an address: 'nobody'"),
        ({"email": 7}, "email is not an address: 7"),
        ({"email": None}, "email is not an address: None"),
        ({"registration_id": "seven"}, "badly formed"),
        ({"user_id": 7}, "not an object of strings"),
        ({"user_id": None}, "not an object of strings"),
    ],
)
def test_what_is_malformed_is_said(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Registration.from_json(json.dumps({**GOOD, **changes}).encode())


@pytest.mark.parametrize("body", [b"", b"{", b"\xff\xfe", b"[]", b"7", b"null", b'"text"'])
def test_what_is_no_object_is_refused(body: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - each has a message of its own
        Registration.from_json(body)


def test_the_traceparent_is_w3c_trace_context_with_the_registration_as_trace_id() -> None:
    version, trace_id, span_id, flags = traceparent_of(ID).split("-")
    assert (version, trace_id, flags) == ("00", ID.hex, "01")
    assert len(span_id) == 16
    assert int(span_id, 16) != 0


def test_persons_and_registrations_have_names_of_their_own() -> None:
    names = {luck.registration_id(1, index) for index in range(100)} | {user_id(1, index) for index in range(100)}
    assert len(names) == 200
    assert all(isinstance(name, uuid.UUID) for name in names)
