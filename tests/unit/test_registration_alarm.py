"""The alarm: nobody wakes early, and each sleeper at its own instant."""

from __future__ import annotations

import asyncio
import time

import numpy as np
import pytest

from registration.runtime import alarm
from registration.runtime.alarm import sleep_until


@pytest.fixture(params=["the kernel's timer", "the loop's timer"])
def _either_timer(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "the loop's timer":
        monkeypatch.setattr(alarm, "_HAS_TIMERFD", False)
    elif not alarm._HAS_TIMERFD:
        pytest.skip("this system has no timerfd")


@pytest.mark.usefixtures("_either_timer")
async def test_sleep_is_never_too_short() -> None:
    late_ms = []
    for _ in range(20):
        deadline_ns = time.monotonic_ns() + 3_300_000
        await sleep_until(deadline_ns)
        late_ms.append((time.monotonic_ns() - deadline_ns) / 1e6)
    print(f"late by {np.median(late_ms):.3f} ms in the median")
    assert min(late_ms) >= 0
    assert np.median(late_ms) < 15.0


@pytest.mark.usefixtures("_either_timer")
async def test_sleepers_wake_in_the_order_of_their_instants_whatever_the_order_of_lying_down() -> None:
    woken: list[int] = []
    begin_ns = time.monotonic_ns() + 5_000_000

    async def sleeper(place: int) -> None:
        await sleep_until(begin_ns + place * 5_000_000)
        woken.append(place)

    async with asyncio.timeout(10):
        await asyncio.gather(*(sleeper(place) for place in (3, 0, 4, 1, 2)))
    assert woken == [0, 1, 2, 3, 4]


@pytest.mark.usefixtures("_either_timer")
async def test_one_that_is_cancelled_in_its_sleep_leaves_the_others_asleep_until_their_time() -> None:
    begin_ns = time.monotonic_ns()
    first = asyncio.create_task(sleep_until(begin_ns + 5_000_000))
    second = asyncio.create_task(sleep_until(begin_ns + 20_000_000))
    await asyncio.sleep(0)
    first.cancel()
    async with asyncio.timeout(10):
        await second
    assert first.cancelled()
    assert time.monotonic_ns() >= begin_ns + 20_000_000


@pytest.mark.usefixtures("_either_timer")
async def test_an_instant_that_is_over_returns_at_once() -> None:
    async with asyncio.timeout(0.5):
        await sleep_until(time.monotonic_ns() - 1)


@pytest.mark.usefixtures("_either_timer")
async def test_another_clock_that_runs_as_fast_will_do() -> None:
    ahead_ns = 3_600 * 10**9

    def clock_ns() -> int:
        return time.monotonic_ns() + ahead_ns

    deadline_ns = clock_ns() + 5_000_000
    async with asyncio.timeout(10):
        await sleep_until(deadline_ns, clock_ns)
    assert clock_ns() >= deadline_ns


def test_each_loop_has_an_alarm_of_its_own() -> None:
    for _ in range(3):
        asyncio.run(sleep_until(time.monotonic_ns() + 1_000_000))
