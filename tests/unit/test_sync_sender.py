"""The caller's end: what the person is told when a service answers, fails, is silent or is not there."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from fakes import FakeRuntime

from registration import luck
from registration.announce import AnnounceError
from registration.call import Call
from registration.registration import Registration, traceparent_of, user_id
from sync_impl.sender import Sender
from sync_impl.wires.port import WireError

ID = luck.registration_id(1, 0)
REGISTRATION = Registration(ID, user_id(1, 0), "user-0@example.com", traceparent_of(ID))
PORTS = {"email": [1001, 1002], "analytics": [1003], "cache": [1004]}

Answer = Callable[[], Awaitable[int]]


@dataclass
class FakeWire:
    """Services that answer 200, unless `answers` has another answer for a port."""

    sent: list[tuple[int, Call]] = field(default_factory=list)
    answers: dict[int, Answer] = field(default_factory=dict)
    opened: list[str] = field(default_factory=list)

    def open(self, service: str) -> None:
        self.opened.append(service)

    async def send(self, service: str, port: int, call: Call) -> int:
        assert port in PORTS[service]
        self.sent.append((port, call))
        answer = self.answers.get(port)
        return 200 if answer is None else await answer()

    async def close(self) -> None:
        pass

    @property
    def called(self) -> list[int]:
        return [port for port, _ in self.sent]


async def refuse() -> int:
    raise WireError("connection refused")


async def fail() -> int:
    return 503


async def never() -> int:
    await asyncio.Event().wait()
    raise AssertionError


@pytest.fixture
def wire() -> FakeWire:
    return FakeWire()


@pytest.fixture
def stored() -> list[Registration]:
    return []


@pytest.fixture
async def sender(wire: FakeWire, stored: list[Registration], tmp_path: Path) -> Sender:
    runtime = FakeRuntime(tmp_path, services=PORTS, options={"timeout_s": 0.05}, variant="sync")

    def store(registration: Registration, *, announce_later: bool = False) -> None:
        assert not announce_later
        assert not wire.sent, "the row comes first"
        stored.append(registration)

    sender = Sender(runtime, store, wire)
    await sender.open()
    return sender


async def test_the_user_is_stored_and_every_service_called_once(
    sender: Sender, wire: FakeWire, stored: list[Registration]
) -> None:
    await sender.register(REGISTRATION)
    assert stored == [REGISTRATION]
    assert wire.sent == [(port, Call(REGISTRATION)) for port in (1001, 1003, 1004)]
    assert sender.busy == 0


async def test_each_service_is_opened_for_itself(sender: Sender, wire: FakeWire) -> None:
    assert wire.opened == list(PORTS)


async def test_the_instances_of_a_service_take_turns(sender: Sender, wire: FakeWire) -> None:
    ports = []
    for _ in range(4):
        await sender.register(REGISTRATION)
        ports += [port for port in wire.called if port in PORTS["email"]]
        wire.sent.clear()
    assert ports == [1001, 1002, 1001, 1002]


async def test_a_service_that_fails_is_502_and_names_its_answer(sender: Sender, wire: FakeWire) -> None:
    wire.answers[1003] = fail
    with pytest.raises(AnnounceError, match="analytics answered 503") as told:
        await sender.register(REGISTRATION)
    assert told.value.status == 502


async def test_a_service_that_is_not_there_is_502(sender: Sender, wire: FakeWire) -> None:
    wire.answers[1003] = refuse
    with pytest.raises(AnnounceError, match="analytics could not be called: connection refused") as told:
        await sender.register(REGISTRATION)
    assert told.value.status == 502


async def test_a_service_that_stays_silent_is_504_after_the_timeout(sender: Sender, wire: FakeWire) -> None:
    wire.answers[1001] = never
    with pytest.raises(AnnounceError, match=r"email did not answer within 0\.05 s") as told:
        await sender.register(REGISTRATION)
    assert told.value.status == 504
    assert sender.busy == 0


async def test_it_is_busy_while_calls_are_under_way(sender: Sender, wire: FakeWire) -> None:
    wire.answers[1004] = never
    registering = asyncio.create_task(sender.register(REGISTRATION))
    async with asyncio.timeout(5):
        while 1004 not in wire.called:
            await asyncio.sleep(0)
    assert sender.busy == 1
    with pytest.raises(AnnounceError):
        await registering
    assert sender.busy == 0


async def test_a_probe_reaches_every_instance_with_an_id_of_its_own(sender: Sender, wire: FakeWire) -> None:
    await sender.probe(5)
    ids = [(port, call.registration.registration_id) for port, call in wire.sent]
    assert ids == [
        (port, luck.probe_id(number)) for port, number in zip((1001, 1002, 1003, 1004), (5, 6, 7, 8), strict=True)
    ]


async def test_a_probe_that_is_not_answered_leaves_it_to_the_next_round(
    sender: Sender, wire: FakeWire, caplog: pytest.LogCaptureFixture
) -> None:
    wire.answers[1001] = refuse
    await sender.probe(1)
    assert "a probe failed" in caplog.text
    assert wire.called[-1] == 1004, "the others are asked all the same"
