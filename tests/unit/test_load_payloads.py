"""The requests on the wire."""

import json
import uuid
from itertools import count
from pathlib import Path

from benchmarks.load.http.payloads import Payload, Payloads, ready_request, registration_payload
from benchmarks.load.settings import KeySettings, OpenSettings, Settings
from registration.luck import key, registration_id
from registration.registration import Registration, traceparent_of, user_id

ADDRESSES = (("127.0.0.1", 8001), ("127.0.0.1", 8002))


def settings(keys: KeySettings | None = None) -> Settings:
    return OpenSettings(
        addresses=ADDRESSES,
        path="/r",
        keys=keys,
        block_seed=7,
        timeout_ms=1000.0,
        max_in_flight=10,
        rows=Path("load.rows"),
        schedule=Path("s.npy"),
    )


def parts(payload: Payload) -> tuple[str, dict[str, str], bytes]:
    head, body = payload.request.split(b"\r\n\r\n", 1)
    first, *lines = head.decode().split("\r\n")
    return first, {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}, body


def test_an_arrival_is_a_post_that_the_services_can_read() -> None:
    first, headers, body = parts(registration_payload(7, 3, "/registrations", ADDRESSES[0]))
    id_ = registration_id(7, 3)
    assert first == "POST /registrations HTTP/1.1"
    assert headers["host"] == "127.0.0.1:8001"
    assert headers["content-type"] == "application/json"
    assert int(headers["content-length"]) == len(body)
    assert headers["traceparent"] == traceparent_of(id_)
    assert Registration.from_json(body) == Registration(id_, user_id(7, 3), "user-3@example.com")


def test_warm_up_arrivals_have_ids_of_their_own() -> None:
    ids = [registration_payload(7, index, "/r", ADDRESSES[0]).registration_id for index in range(-3, 3)]
    assert len(set(ids)) == 6
    assert all(uuid.UUID(id_).version == 5 for id_ in ids)


def test_addresses_take_turns_by_index_whatever_the_length_of_the_warm_up() -> None:
    payloads = Payloads([-1, 0, 1], settings())
    assert [parts(payloads.take())[1]["host"][-1] for _ in range(3)] == ["2", "1", "2"]


def test_order_is_kept_past_the_look_ahead() -> None:
    payloads = Payloads(range(10), settings(), look_ahead=3)
    taken = []
    for turn in range(10):
        taken.append(json.loads(parts(payloads.take())[2])["email"])
        if turn % 4 == 0:
            payloads.refill()
    assert taken == [f"user-{index}@example.com" for index in range(10)]


def test_the_host_of_an_ipv6_address_is_in_brackets() -> None:
    assert b"Host: [::1]:80\r\n" in ready_request(("::1", 80))


def test_an_endless_run_of_arrivals_is_encoded_a_few_at_a_time() -> None:
    payloads = Payloads(count(-1, -1), settings(), look_ahead=3)
    assert [payloads.take().index for _ in range(5)] == [-1, -2, -3, -4, -5]


def test_with_keys_the_same_people_come_again_under_new_registrations() -> None:
    keys = KeySettings("zipf", 5, 1.1)
    payloads = Payloads(range(50), settings(keys))
    seen = [Registration.from_json(parts(payloads.take())[2]) for _ in range(50)]
    drawn = [key(7, index, "zipf", 5, 1.1) for index in range(50)]
    assert [registration.user_id for registration in seen] == [user_id(7, number) for number in drawn]
    assert [registration.email for registration in seen] == [f"user-{number}@example.com" for number in drawn]
    assert len({registration.registration_id for registration in seen}) == 50
    assert len({registration.user_id for registration in seen}) <= 5
