"""HTTP in memory: who refuses, who resets, who lets wait, and that work goes on for callers that have gone."""

from __future__ import annotations

import asyncio

import pytest

from registration import luck
from registration.call import Call, Reply
from registration.registration import Registration, traceparent_of, user_id
from sync_impl.wires.port import WireError
from virtual import Process, VirtualClock, VirtualLoop
from virtual.network import MemoryServer, MemoryWire, Network

MS = 1_000_000
ID = luck.registration_id(1, 0)
CALL = Call(Registration(ID, user_id(1, 0), "user-0@example.com", traceparent_of(ID)), attempt=2)


class Scene:
    """One caller, one callee that takes 100 ms."""

    def __init__(self) -> None:
        self.loop = VirtualLoop()
        self.clock = VirtualClock(self.loop)
        self.network = Network()
        self.callee = Process(self.loop, "callee")
        self.caller = Process(self.loop, "caller")
        self.done: list[Call] = []
        self.server: MemoryServer | None = None

    async def answer(self, call: Call, entered_ns: int) -> Reply:
        assert entered_ns == self.clock.now_ns()
        await self.clock.sleep_until(entered_ns + 100 * MS)
        self.done.append(call)
        return Reply(207)

    def listen(self) -> None:
        async def serve() -> None:
            self.server = MemoryServer(self.network, self.answer, 1, self.clock)
            await self.server.open()

        self.callee.spawn(serve())
        self.loop.run(0)

    def call(self, timeout_s: float = 1.0) -> asyncio.Task[tuple[int | str, int]]:
        """What came back, and when in ms."""

        async def send() -> tuple[int | str, int]:
            try:
                async with asyncio.timeout(timeout_s):
                    said: int | str = await MemoryWire(self.network).send("callee", 1, CALL)
            except (WireError, TimeoutError) as error:
                said = str(error) or "timeout"
            return said, self.loop.now_ns // MS

        return self.caller.spawn(send())

    def until(self, ms: int) -> None:
        self.loop.call_at_ns(ms * MS, lambda: None)  # time goes on though nobody does anything
        self.loop.run(ms * MS)


@pytest.fixture
def scene() -> Scene:
    return Scene()


def test_an_answer_comes_when_the_work_is_done_and_the_wire_takes_no_time(scene: Scene) -> None:
    scene.listen()
    call = scene.call()
    scene.until(500)
    assert call.result() == (207, 100)
    assert scene.done == [CALL]


def test_who_is_not_there_refuses(scene: Scene) -> None:
    call = scene.call()
    scene.until(500)
    assert call.result() == ("callee refuses connections", 0)


def test_who_dies_resets(scene: Scene) -> None:
    scene.listen()
    call = scene.call()
    scene.until(40)
    scene.callee.kill()
    scene.until(500)
    assert call.result() == ("callee is gone", 40)
    assert not scene.done
    again = scene.call()
    scene.until(600)
    assert again.result() == ("callee refuses connections", 500)


def test_who_is_stopped_lets_wait(scene: Scene) -> None:
    scene.listen()
    scene.callee.stop()
    call = scene.call()
    scene.until(300)
    assert not call.done()
    scene.callee.go_on()
    scene.until(500)
    assert call.result() == (207, 400)


def test_who_has_gone_hears_nothing_and_the_work_is_done_all_the_same(scene: Scene) -> None:
    scene.listen()
    call = scene.call(timeout_s=0.03)
    scene.until(500)
    assert call.result() == ("timeout", 30)
    assert scene.done == [CALL]


def test_an_answer_at_the_instant_of_the_timeout_is_too_late(scene: Scene) -> None:
    scene.listen()
    call = scene.call(timeout_s=0.1)
    scene.until(500)
    assert call.result() == ("timeout", 100)


def test_who_ends_in_order_answers_what_it_has_begun(scene: Scene) -> None:
    scene.listen()
    call = scene.call()
    scene.until(40)
    assert scene.server is not None
    closing = scene.callee.spawn(scene.server.close())
    refused = scene.call()
    scene.until(500)
    assert call.result() == (207, 100)
    assert refused.result() == ("callee refuses connections", 40)
    assert closing.done()
