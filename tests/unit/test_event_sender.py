"""The publisher's end: what the person is told when the broker confirms, refuses or is silent."""

import asyncio
from pathlib import Path

import pytest
from fakes import FakeClient, FakePublisher, FakeRuntime

from event_impl.brokers import CLIENTS
from event_impl.sender import Sender
from event_impl.wiring import ApiWiring
from registration import event, luck
from registration.address import LOOPBACK, Address
from registration.announce import AnnounceError
from registration.registration import Registration, traceparent_of, user_id
from registration.runtime.role import RoleError

ID = luck.registration_id(1, 0)
REGISTRATION = Registration(ID, user_id(1, 0), "user-0@example.com", traceparent_of(ID))


@pytest.fixture
async def runtime(tmp_path: Path) -> FakeRuntime:
    return FakeRuntime(tmp_path, "api/0")


@pytest.fixture
async def sender(runtime: FakeRuntime, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Sender:
    monkeypatch.setitem(CLIENTS, "fake", "fakes:FakeClient")
    wiring = ApiWiring(
        name="api/0",
        directory=str(tmp_path),
        block_seed=1,
        variant="events",
        options={"timeout_s": 0.05},
        address=Address(LOOPBACK, 1000),
        broker="fake",
        bootstrap="nowhere",
        topic="t",
    )

    async def store(registration: Registration, *, announce_later: bool = False) -> None:
        assert not announce_later
        assert not FakeClient.made.the_publisher.log, "the row comes first"

    return Sender(wiring, runtime, store)


@pytest.fixture
def publisher(sender: Sender) -> FakePublisher:
    return FakeClient.made.the_publisher


async def test_the_broker_s_confirmation_is_all_that_it_waits_for(
    runtime: FakeRuntime, sender: Sender, publisher: FakePublisher
) -> None:
    await sender.register(REGISTRATION)
    (message,) = publisher.log
    assert event.parse(message.value, message.headers).registration == REGISTRATION
    assert message.key == REGISTRATION.user_id.bytes
    await asyncio.sleep(0)
    assert runtime.busy == 0


async def test_a_silent_broker_is_504_and_the_message_is_still_under_way(
    runtime: FakeRuntime, sender: Sender, publisher: FakePublisher
) -> None:
    publisher.silent = True
    with pytest.raises(AnnounceError, match=r"did not confirm within 0\.05 s") as told:
        await sender.register(REGISTRATION)
    assert told.value.status == 504
    assert runtime.busy == 1
    publisher.unconfirmed[0].set_result(None)
    await asyncio.sleep(0)
    assert runtime.busy == 0


@pytest.mark.parametrize("flag", ["refuses", "fails"])
async def test_a_broker_that_refuses_or_fails_is_502(
    runtime: FakeRuntime, sender: Sender, publisher: FakePublisher, flag: str
) -> None:
    setattr(publisher, flag, True)
    with pytest.raises(AnnounceError, match="the broker refused") as told:
        await sender.register(REGISTRATION)
    assert told.value.status == 502
    await asyncio.sleep(0)
    assert runtime.busy == 0


async def test_a_broker_that_does_not_answer_is_an_error_of_the_role(
    runtime: FakeRuntime, sender: Sender, publisher: FakePublisher
) -> None:
    publisher.open_fails = True
    with pytest.raises(RoleError, match="no answer"):
        await sender.open()
