"""A virtual process stops and dies as a real one does: its clock goes on, its code does not."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from virtual import Process, VirtualLoop, current
from virtual.loop import NS_PER_S


@pytest.fixture
def loop() -> Iterator[VirtualLoop]:
    """A loop on which, at the end, nothing must have failed unseen."""
    made = VirtualLoop()
    yield made
    made.check()
    made.close()


def test_a_stop_holds_callbacks_and_not_the_clock(loop: VirtualLoop) -> None:
    woke = list[tuple[str, int]]()

    async def sleep(name: str) -> None:
        for _ in range(2):
            await asyncio.sleep(1)
            woke.append((name, loop.now_ns // NS_PER_S))

    stopped, other = Process(loop, "stopped"), Process(loop, "other")
    stopped.spawn(sleep("stopped"))
    other.spawn(sleep("other"))
    loop.outside_at_ns(NS_PER_S // 2, stopped.stop)
    loop.outside_at_ns(5 * NS_PER_S, stopped.go_on)
    loop.run(10 * NS_PER_S)
    assert woke == [("other", 1), ("other", 2), ("stopped", 5), ("stopped", 6)]


def test_on_resume_what_came_in_comes_before_the_timers_by_deadline(loop: VirtualLoop) -> None:
    ran = list[str]()
    process = Process(loop, "p")

    def set_timers() -> None:
        for delay_s in (3, 2):
            loop.call_later(delay_s, ran.append, f"timer {delay_s}")

    process.hear(set_timers)
    loop.outside_at_ns(NS_PER_S, process.stop)
    loop.outside_at_ns(4 * NS_PER_S, process.hear, ran.append, "reply")
    loop.outside_at_ns(5 * NS_PER_S, process.go_on)
    loop.run(9 * NS_PER_S)
    assert ran == ["reply", "timer 2", "timer 3"]


def test_a_reply_that_came_in_time_loses_to_the_timeout_that_fell_due_meanwhile(loop: VirtualLoop) -> None:
    ended = list[str]()
    caller = Process(loop, "caller")
    reply: asyncio.Future[None] = loop.create_future()

    def come_in() -> None:
        if not reply.done():
            reply.set_result(None)

    async def call() -> None:
        try:
            async with asyncio.timeout(2):
                await reply
            ended.append("replied")
        except TimeoutError:
            ended.append("timed out")

    caller.spawn(call())
    loop.outside_at_ns(NS_PER_S, caller.stop)
    loop.outside_at_ns(NS_PER_S + 1, caller.hear, come_in)
    loop.outside_at_ns(3 * NS_PER_S, caller.go_on)
    loop.run(9 * NS_PER_S)
    assert ended == ["timed out"]


def test_a_kill_runs_no_finally_and_no_except_while_the_run_lasts(loop: VirtualLoop) -> None:
    ran = list[str]()

    async def work() -> None:
        try:
            await asyncio.sleep(10)
        except BaseException:
            ran.append("except")
            raise
        finally:
            ran.append("finally")

    victim = Process(loop, "victim")
    victim.spawn(work())
    loop.outside_at_ns(NS_PER_S, victim.kill)
    loop.run(60 * NS_PER_S)
    assert ran == []


def test_the_dead_hear_nothing_and_their_connections_are_reset_once(loop: VirtualLoop) -> None:
    ran = list[str]()
    victim = Process(loop, "victim")
    victim.when_gone.append(lambda: ran.append("reset"))
    victim.hear(ran.append, "on its way")
    victim.kill()
    victim.kill()
    victim.hear(ran.append, "too late")
    loop.run(NS_PER_S)
    assert ran == ["reset"]


def test_what_follows_from_a_death_is_nobodys_even_where_it_dies_of_its_own_step(loop: VirtualLoop) -> None:
    respawned = list[int]()

    def respawn() -> None:
        loop.call_at_ns(2 * NS_PER_S, lambda: respawned.append(loop.now_ns))

    victim = Process(loop, "victim")
    victim.when_gone.append(respawn)
    victim.doom = 2
    victim.hear(victim.reach)
    loop.run(9 * NS_PER_S)
    assert respawned == [2 * NS_PER_S]


@pytest.mark.parametrize(("doom", "steps", "effects"), [(1, 0, 0), (2, 1, 0), (3, 1, 1), (4, 2, 1), (None, 2, 2)])
def test_it_dies_just_before_the_point_of_its_doom(
    loop: VirtualLoop, doom: int | None, steps: int, effects: int
) -> None:
    seen = {"steps": 0, "effects": 0}
    process = Process(loop, "p")
    process.doom = doom

    async def work() -> None:
        for _ in range(2):
            seen["steps"] += 1
            if current().reach():
                seen["effects"] += 1
            await asyncio.sleep(0)

    process.spawn(work())
    loop.run(NS_PER_S)
    assert seen == {"steps": steps, "effects": effects}


def test_tasks_begun_by_one_that_is_dying_never_run(loop: VirtualLoop) -> None:
    ran = list[str]()

    async def never() -> None:
        ran.append("ran")

    async def work() -> None:
        current().kill()
        asyncio.create_task(never())  # noqa: RUF006
        ran.append("ran on to its next await")
        await asyncio.sleep(0)
        ran.append("ran past it")

    Process(loop, "p").spawn(work())
    loop.run(NS_PER_S)
    assert ran == ["ran on to its next await"]


def test_only_the_code_of_a_process_has_a_current_one(loop: VirtualLoop) -> None:
    seen = list[Process]()
    first, second = Process(loop, "first"), Process(loop, "second")

    async def look() -> None:
        seen.append(current())

    first.spawn(look())
    second.hear(lambda: seen.append(current()))
    loop.run(NS_PER_S)
    assert seen == [first, second]
    with pytest.raises(LookupError):
        current()
