"""The caller's end: what the person is told when a service answers, fails, is silent or is not there."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx
import pytest
from fakes import FakeLink

from registration import luck
from registration.api import AnnounceError
from registration.registration import Registration, body_of, traceparent_of, user_id
from sync_impl import sender as sender_module
from sync_impl.sender import Sender

ID = luck.registration_id(1, 0)
REGISTRATION = Registration(ID, user_id(1, 0), "user-0@example.com", traceparent_of(ID))
PORTS = {"email": [1001, 1002], "analytics": [1003], "cache": [1004]}

Answer = Callable[[httpx.Request], Awaitable[httpx.Response]]


class Network:
    """Fake services behind the HTTP transport: by default all answer 200; `answers` replaces a port's answer."""

    def __init__(self) -> None:
        self.requests: list[httpx.Request] = []
        self.answers: dict[int, Answer] = {}
        self.pools = 0

    def transport(self) -> httpx.AsyncBaseTransport:
        self.pools += 1
        return httpx.MockTransport(self._handle)

    @property
    def called(self) -> list[int | None]:
        return [request.url.port for request in self.requests]

    async def _handle(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        assert request.url.port is not None
        answer = self.answers.get(request.url.port)
        return httpx.Response(200) if answer is None else await answer(request)


async def refuse(_request: httpx.Request) -> httpx.Response:
    raise httpx.ConnectError("connection refused")


async def fail(_request: httpx.Request) -> httpx.Response:
    return httpx.Response(503)


async def never(_request: httpx.Request) -> httpx.Response:
    await asyncio.Event().wait()
    raise AssertionError


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch) -> Network:
    network = Network()
    monkeypatch.setattr(sender_module, "_transport", network.transport)
    return network


@pytest.fixture
async def sender(network: Network, tmp_path: Path) -> Sender:
    sender = Sender(FakeLink(tmp_path, services=PORTS, timeout_s=0.05, variant="sync"))
    await sender.open()
    return sender


async def test_every_service_is_told_once_with_body_and_traceparent(sender: Sender, network: Network) -> None:
    await sender.announce(REGISTRATION)
    assert network.called == [1001, 1003, 1004]
    for request in network.requests:
        assert request.method == "POST"
        assert request.url.path == "/work"
        assert request.content == body_of(REGISTRATION)
        assert request.headers["traceparent"] == REGISTRATION.traceparent
    assert sender.busy == 0


async def test_each_service_has_connections_of_its_own(sender: Sender, network: Network) -> None:
    assert network.pools == len(PORTS)


async def test_the_instances_of_a_service_take_turns(sender: Sender, network: Network) -> None:
    for _ in range(4):
        await sender.announce(REGISTRATION)
    assert [port for port in network.called if port in PORTS["email"]] == [1001, 1002, 1001, 1002]


async def test_a_service_that_fails_is_502_and_names_its_answer(sender: Sender, network: Network) -> None:
    network.answers[1003] = fail
    with pytest.raises(AnnounceError, match="analytics answered 503") as told:
        await sender.announce(REGISTRATION)
    assert told.value.status == 502


async def test_a_service_that_is_not_there_is_502(sender: Sender, network: Network) -> None:
    network.answers[1003] = refuse
    with pytest.raises(AnnounceError, match="analytics could not be called: ConnectError") as told:
        await sender.announce(REGISTRATION)
    assert told.value.status == 502


async def test_a_service_that_stays_silent_is_504_after_the_timeout(sender: Sender, network: Network) -> None:
    network.answers[1001] = never
    with pytest.raises(AnnounceError, match=r"email did not answer within 0\.05 s") as told:
        await sender.announce(REGISTRATION)
    assert told.value.status == 504
    assert sender.busy == 0


async def test_it_is_busy_while_calls_are_under_way(sender: Sender, network: Network) -> None:
    network.answers[1004] = never
    announcing = asyncio.create_task(sender.announce(REGISTRATION))
    async with asyncio.timeout(5):
        while 1004 not in network.called:
            await asyncio.sleep(0)
    assert sender.busy == 1
    with pytest.raises(AnnounceError):
        await announcing
    assert sender.busy == 0


async def test_a_probe_reaches_every_instance_with_an_id_of_its_own(sender: Sender, network: Network) -> None:
    await sender.probe(5)
    assert network.called == [1001, 1002, 1003, 1004]
    ids = [Registration.from_json(request.content).registration_id for request in network.requests]
    assert ids == [luck.probe_id(number) for number in (5, 6, 7, 8)]


async def test_a_probe_that_is_not_answered_leaves_it_to_the_next_round(
    sender: Sender, network: Network, caplog: pytest.LogCaptureFixture
) -> None:
    network.answers[1001] = refuse
    await sender.probe(1)
    assert "a probe failed" in caplog.text
    assert network.called[-1] == 1004, "the others are asked all the same"
