"""The caller's end: what the person is told when a service answers, fails, is silent or is not there."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from fakes import FakeRuntime

from registration import luck
from registration.address import LOOPBACK, Address
from registration.announce import AnnounceError
from registration.call import Call
from registration.registration import Registration, traceparent_of, user_id
from sync_impl.sender import Sender
from sync_impl.wires.port import WireError
from sync_impl.wiring import ApiWiring

ID = luck.registration_id(1, 0)
REGISTRATION = Registration(ID, user_id(1, 0), "user-0@example.com", traceparent_of(ID))
PORTS = {"email": [1001, 1002], "analytics": [1003], "cache": [1004]}
SERVICES = {name: [Address(LOOPBACK, port) for port in ports] for name, ports in PORTS.items()}

Answer = Callable[[], Awaitable[int]]


@dataclass
class FakeWire:
    """Services that answer 200, unless `answers` has another answer for a port."""

    sent: list[tuple[int, Call]] = field(default_factory=list)
    answers: dict[int, Answer] = field(default_factory=dict)
    opened: list[str] = field(default_factory=list)

    def open(self, service: str) -> None:
        self.opened.append(service)

    async def send(self, service: str, address: Address, call: Call) -> int:
        assert address in SERVICES[service]
        self.sent.append((address.port, call))
        answer = self.answers.get(address.port)
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
    wiring = ApiWiring(
        name="api/0",
        directory=str(tmp_path),
        block_seed=1,
        variant="sync",
        options={"timeout_s": 0.05},
        address=Address(LOOPBACK, 1000),
        services=SERVICES,
    )

    async def store(registration: Registration, *, announce_later: bool = False) -> None:
        assert not announce_later
        assert not wire.sent, "the row comes first"
        stored.append(registration)

    sender = Sender(wiring, FakeRuntime(tmp_path, "api/0"), store, lambda _calling: wire)
    await sender.open()
    return sender


async def test_the_user_is_stored_and_every_service_called_once(
    sender: Sender, wire: FakeWire, stored: list[Registration]
) -> None:
    await sender.register(REGISTRATION)
    assert stored == [REGISTRATION]
    assert wire.sent == [(port, Call(REGISTRATION)) for port in (1001, 1003, 1004)]


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
