"""The requests on the wire."""

import json
import uuid

from benchmarks.load.payloads import Payload, Payloads, ready_request, registration_payload
from registration.luck import registration_id
from registration.registration import Registration, traceparent_of, user_id

ADDRESSES = (("127.0.0.1", 8001), ("127.0.0.1", 8002))


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


def test_addresses_take_turns_by_place_in_the_schedule() -> None:
    payloads = Payloads([-2, -1, 0, 1], 7, "/r", ADDRESSES)
    assert [parts(payloads.take())[1]["host"][-1] for _ in range(4)] == ["1", "2", "1", "2"]


def test_order_is_kept_past_the_look_ahead() -> None:
    payloads = Payloads(range(10), 7, "/r", ADDRESSES, look_ahead=3)
    taken = []
    for turn in range(10):
        taken.append(json.loads(parts(payloads.take())[2])["email"])
        if turn % 4 == 0:
            payloads.refill()
    assert taken == [f"user-{index}@example.com" for index in range(10)]


def test_the_host_of_an_ipv6_address_is_in_brackets() -> None:
    assert b"Host: [::1]:80\r\n" in ready_request(("::1", 80))
