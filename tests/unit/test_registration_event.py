"""The event `user-registered`: what goes on the wire, and what a consumer accepts of it."""

import json
from dataclasses import replace

import pytest

from registration import event, luck
from registration.event import UserRegistered
from registration.registration import Registration, probe, traceparent_of, user_id

ID = luck.registration_id(1, 0)
REGISTRATION = Registration(ID, user_id(1, 0), "user-0@example.com", traceparent_of(ID))
EVENT = UserRegistered(REGISTRATION)


def test_an_event_comes_back_as_it_was_sent() -> None:
    assert event.parse(EVENT.value(), EVENT.headers()) == EVENT


def test_its_key_is_the_user_not_the_registration() -> None:
    again = UserRegistered(replace(REGISTRATION, registration_id=luck.registration_id(1, 1)))
    assert EVENT.key() == again.key() == REGISTRATION.user_id.bytes


def test_its_value_is_versioned_json() -> None:
    assert json.loads(EVENT.value()) == {
        "version": 1,
        "registration_id": str(REGISTRATION.registration_id),
        "user_id": str(REGISTRATION.user_id),
        "email": "user-0@example.com",
    }


def test_its_headers_are_those_of_cloudevents_in_binary_mode_and_a_traceparent() -> None:
    assert dict(EVENT.headers()) == {
        "ce_specversion": b"1.0",
        "ce_id": str(REGISTRATION.registration_id).encode(),
        "ce_type": b"user-registered",
        "ce_source": b"/registration-api",
        "content-type": b"application/json",
        "traceparent": REGISTRATION.traceparent.encode(),
    }


def test_headers_that_this_version_does_not_know_are_ignored() -> None:
    assert event.parse(EVENT.value(), [*EVENT.headers(), ("tenant", b"7")]) == EVENT


def test_an_event_without_headers_is_still_read() -> None:
    assert event.parse(EVENT.value(), []).registration == replace(REGISTRATION, traceparent="")


def test_another_type_of_event_is_refused() -> None:
    headers = [("ce_type", b"user-deleted")]
    with pytest.raises(ValueError, match="not a user-registered event: b'user-deleted'"):
        event.parse(EVENT.value(), headers)


@pytest.mark.parametrize("version", [2, None, "1"])
def test_another_version_is_refused_by_name(version: object) -> None:
    value = json.dumps({**json.loads(EVENT.value()), "version": version}).encode()
    with pytest.raises(ValueError, match="this consumer reads version 1"):
        event.parse(value, EVENT.headers())


@pytest.mark.parametrize("value", [b"", b"\xff", b"[]", b"null", b'{"version": 1}'])
def test_what_is_no_registration_is_refused(value: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - each has a message of its own
        event.parse(value, EVENT.headers())


def test_a_probe_carries_its_reserved_id_through() -> None:
    nobody = event.UserRegistered(probe(7))
    assert luck.is_probe(event.parse(nobody.value(), nobody.headers()).registration.registration_id)
