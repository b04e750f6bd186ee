"""The virtual loop: whole nanoseconds, one order, and asyncio's own primitives unchanged."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from registration.clock import Clock
from virtual import Process, Stuck, VirtualClock, VirtualLoop, current, run

TREE = Path(__file__).resolve().parents[2]


def test_timers_of_one_instant_run_in_the_order_of_their_setting() -> None:
    loop, ran = VirtualLoop(), list[int]()
    for number in range(100):
        loop.call_at_ns(5, ran.append, number)
    loop.run(5)
    assert ran == list(range(100))


def test_all_that_follows_from_a_timer_comes_before_the_next_timer_of_its_instant() -> None:
    loop, ran = VirtualLoop(), list[str]()
    loop.call_at_ns(5, lambda: loop.call_soon(ran.append, "follows"))
    loop.call_at_ns(5, ran.append, "second timer")
    loop.run(5)
    assert ran == ["follows", "second timer"]


@pytest.mark.parametrize("start_ns", [0, 10**15], ids=["at the start", "after 10⁶ s"])
def test_sleeps_add_up_to_the_nanosecond(start_ns: int) -> None:
    loop, woke = VirtualLoop(start_ns), list[int]()

    async def sleep() -> None:
        for _ in range(3):
            await asyncio.sleep(0.020_000_300)
            woke.append(loop.now_ns - start_ns)

    Process(loop, "sleeper").spawn(sleep())
    loop.run(start_ns + 10**9)
    assert woke == [20_000_300, 40_000_600, 60_000_900]


def test_the_clock_sleeps_until_the_instant_and_not_at_all_where_it_has_passed() -> None:
    async def wait() -> list[int]:
        clock: Clock = VirtualClock(current().loop)
        seen = []
        for deadline_ns in (123_456_789, 123_456_789, 7, 123_456_790):
            await clock.sleep_until(deadline_ns)
            seen.append(clock.now_ns())
        return seen

    assert run(wait()) == [123_456_789, 123_456_789, 123_456_789, 123_456_790]


def test_a_run_ends_at_its_instant_and_goes_on_from_there() -> None:
    loop, ran = VirtualLoop(), list[int]()
    for when_ns in (1, 2, 3):
        loop.call_at_ns(when_ns, ran.append, when_ns)
    loop.run(2)
    assert ran == [1, 2]
    loop.run(10, lambda: ran == [1, 2, 3])
    assert ran == [1, 2, 3]


def test_a_cancelled_callback_does_not_run() -> None:
    loop, ran = VirtualLoop(), list[str]()
    loop.call_soon(ran.append, "soon").cancel()
    loop.call_later(1, ran.append, "later").cancel()
    loop.call_later(2, ran.append, "kept")
    loop.run(10**10)
    assert ran == ["kept"]
    assert loop.now_ns == 2 * 10**9


def test_a_timeout_cuts_off_at_its_nanosecond() -> None:
    async def late() -> int:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.25):
                await asyncio.sleep(1)
        return current().loop.now_ns

    assert run(late()) == 250_000_000


def test_gather_and_wait_and_shield_do_as_on_any_loop() -> None:
    async def after(delay_s: float, value: int) -> int:
        await asyncio.sleep(delay_s)
        return value

    async def main() -> tuple[list[int], set[int], int, int]:
        gathered = await asyncio.gather(after(0.2, 1), after(0.1, 2))
        tasks = [asyncio.create_task(after(delay_s, value)) for delay_s, value in ((0.1, 3), (0.3, 4))]
        done, pending = await asyncio.wait(tasks, timeout=0.2)
        (slow,) = pending
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.shield(slow), 0.05)
        return gathered, {task.result() for task in done}, await slow, current().loop.now_ns

    assert run(main()) == ([1, 2], {3}, 4, 500_000_000)


def test_a_semaphore_lets_in_who_came_first() -> None:
    async def main() -> list[int]:
        slots, order = asyncio.Semaphore(2), list[int]()

        async def work(number: int) -> None:
            async with slots:
                order.append(number)
                await asyncio.sleep(0.1)

        await asyncio.gather(*(work(number) for number in range(9)))
        return order

    assert run(main()) == list(range(9))


def test_what_can_never_end_is_told_at_once() -> None:
    async def wait() -> None:
        await current().loop.create_future()

    with pytest.raises(Stuck, match="at 0 ns"):
        run(wait())


def test_an_exception_that_nobody_took_comes_out_at_the_end() -> None:
    async def fail() -> None:
        raise ValueError("lost")

    async def main() -> None:
        task = asyncio.create_task(fail())
        await asyncio.sleep(1)
        del task

    with pytest.raises(ValueError, match="lost"):
        run(main())


@pytest.mark.parametrize(
    "reach_out",
    [
        lambda loop: loop.run_in_executor(None, print),
        lambda loop: loop.call_soon_threadsafe(print),
        lambda loop: loop.add_reader(0, print),
        lambda loop: loop.add_signal_handler(15, print),
    ],
)
def test_what_would_leave_the_model_is_refused(reach_out: object) -> None:
    with pytest.raises(NotImplementedError):
        reach_out(VirtualLoop())  # type: ignore[operator]


def test_a_generator_that_is_let_go_of_is_closed_by_its_process() -> None:
    closed_by: list[str] = []

    async def numbers() -> AsyncIterator[int]:
        try:
            for number in range(3):
                yield number
        finally:
            await asyncio.sleep(0.1)
            closed_by.append(current().name)

    async def main() -> None:
        async for _ in numbers():
            break
        await asyncio.sleep(1)

    run(main())
    assert closed_by == ["main"]


TRACE = """
import asyncio
from virtual import current, run

async def main():
    order, queue = [], asyncio.Queue()
    async def work(name, delay_s):
        for step in range(20):
            await asyncio.sleep(delay_s)
            queue.put_nowait(name)
            order.append((name, step, current().loop.now_ns))
    async def take():
        while True:
            order.append(await queue.get())
    taker = asyncio.create_task(take())
    names = {f"name {number}" for number in range(5)}
    await asyncio.wait({asyncio.create_task(work(name, 0.001)) for name in sorted(names)})
    taker.cancel()
    return order

print(run(main()))
"""


def test_the_order_is_the_same_whatever_the_hash_seed() -> None:
    traces = {
        subprocess.run(
            [sys.executable, "-c", TRACE],
            env={**os.environ, "PYTHONPATH": str(TREE), "PYTHONHASHSEED": seed},
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for seed in ("0", "1", "2")
    }
    (trace,) = traces
    assert trace.count("name 4") == 40
