"""The drain: over when all has been quiet for half a second, expired when patience runs out before."""

import asyncio
from collections.abc import Callable, Sequence

import pytest

from benchmarks.trials import drain as drain_module
from benchmarks.trials.drain import QUIET_S, Drained, Sample, drain

SECOND = 1_000_000_000


class Clock:
    """Time passes when somebody sleeps, and nowhere else."""

    def __init__(self) -> None:
        self.now_ns = 0

    def __call__(self) -> int:
        return self.now_ns

    async def sleep(self, seconds: float) -> None:
        self.now_ns += round(seconds * 1e9)
        await asyncio.get_running_loop().create_task(_nothing())


async def _nothing() -> None:
    pass


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()

    class Asyncio:
        sleep = staticmethod(clock.sleep)

    monkeypatch.setattr(drain_module, "asyncio", Asyncio)
    return clock


def work_until(clock: Clock, *spells: tuple[float, float]) -> Callable[[], int]:
    """1 inside the spells [begin, end) in seconds, else 0."""

    def count() -> int:
        return int(any(begin * SECOND <= clock() < end * SECOND for begin, end in spells))

    return count


async def drained(
    clock: Clock,
    *,
    busy: Sequence[tuple[float, float]] = (),
    lag: Callable[[], int | None] = lambda: 0,
    deadline_s: float = 10.0,
    sampled_at_ns: int | None = None,
) -> Drained:
    counted = work_until(clock, *busy)

    async def count() -> int:
        return counted()

    def sample() -> Sample | None:
        records = lag()
        return None if records is None else Sample(clock() if sampled_at_ns is None else sampled_at_ns, records)

    return await drain(count, sample, round(deadline_s * SECOND), clock)


async def test_a_sample_from_before_the_quiet_does_not_end_the_drain(clock: Clock) -> None:
    assert (await drained(clock, busy=[(0, 1)], sampled_at_ns=0, deadline_s=3)).expired


async def test_a_system_at_rest_is_drained_as_of_the_first_look_after_half_a_second(clock: Clock) -> None:
    result = await drained(clock)
    assert result == Drained(0, result.end_ns, expired=False)
    assert QUIET_S * SECOND <= result.end_ns < (QUIET_S + 0.1) * SECOND


async def test_work_in_hand_is_waited_for(clock: Clock) -> None:
    result = await drained(clock, busy=[(0, 3)])
    assert not result.expired
    assert 3.0 <= result.quiet_ns / SECOND < 3.1


async def test_lag_is_waited_for(clock: Clock) -> None:
    result = await drained(clock, lag=work_until(clock, (0, 2)))
    assert 2.0 <= result.quiet_ns / SECOND < 2.1


async def test_lag_that_is_not_known_is_no_reason_to_stop(clock: Clock) -> None:
    result = await drained(clock, lag=lambda: None, deadline_s=2)
    assert result.expired


async def test_quiet_that_is_broken_begins_again(clock: Clock) -> None:
    result = await drained(clock, busy=[(0, 1), (1.3, 1.4)])
    assert 1.4 <= result.quiet_ns / SECOND < 1.5


async def test_a_drain_that_takes_too_long_expires_at_its_deadline(clock: Clock) -> None:
    result = await drained(clock, busy=[(0, 100)], deadline_s=2)
    assert result.expired
    assert result.quiet_ns == 2 * SECOND
    assert 2.0 <= result.end_ns / SECOND < 2.1


async def test_quiet_that_began_in_time_is_waited_for_beyond_the_deadline(clock: Clock) -> None:
    result = await drained(clock, busy=[(0, 1.8)], deadline_s=2)
    assert not result.expired
    assert result.quiet_ns / SECOND == pytest.approx(1.8, abs=0.1)


async def test_quiet_that_is_broken_beyond_the_deadline_has_expired(clock: Clock) -> None:
    result = await drained(clock, busy=[(0, 1.8), (2.1, 5)], deadline_s=2)
    assert result.expired


async def test_no_patience_at_all_still_looks_once(clock: Clock) -> None:
    assert (await drained(clock, busy=[(0, 1)], deadline_s=0)).expired
