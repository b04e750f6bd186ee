"""What every broker must do for the event side. Where a kind lacks something, that it does is asserted.

On a kind without groups each consumer takes all there is: nobody shares, nobody is missed, nothing is handed over.
"""

from __future__ import annotations

import asyncio
import itertools

import pytest
from aiokafka.partitioner import DefaultPartitioner
from conftest import Run
from world import WITHIN_S, Member, World, message

from event_impl.brokers import client_of
from event_impl.brokers.port import BrokerError, Subscription

SESSION_S = 1.5
KEYS = 48  # enough for each partition to have one
LEAST_EARLIER = 1000  # numbers from here on were published to see who is there


def refuses(world: World, subscription: Subscription) -> None:
    """What the client does with one that its kind of broker cannot do."""
    with pytest.raises(BrokerError):
        client_of(world.kind)(world.bootstrap).subscriber(
            world.topic, subscription, group="g", member="a", on_committed=print, on_revoked=print
        )


async def pair(world: World, **subscription: object) -> tuple[Member, Member]:
    """Two members of one group that have both got their share."""
    one, two = await asyncio.gather(world.join("a-0", **subscription), world.join("a-1", **subscription))  # type: ignore[arg-type]
    for attempt in range(1, 200):
        await world.publish(range(LEAST_EARLIER * attempt, LEAST_EARLIER * attempt + KEYS), keys=KEYS)
        await asyncio.sleep(0.05)
        if one.values() and two.values():
            break
    return one, two


def test_all_come_once_to_each_group_and_then_nothing_is_left(run: Run) -> None:
    async def scenario(world: World) -> None:
        one, two = await asyncio.gather(world.join("a", group="g"), world.join("b", group="h"))
        await world.publish(range(50))
        await world.until(lambda: len(one.heard("settled")) == len(two.heard("settled")) == 50)
        assert sorted(one.values()) == sorted(two.values()) == list(range(50))
        assert (await world.backlog("g"), await world.backlog("h")) == (0, 0)

    run(scenario)


def test_messages_of_one_key_keep_their_order_and_lie_where_kafka_would_put_them(run: Run) -> None:
    async def scenario(world: World) -> None:
        places = list(range(world.partitions))
        expected = {key: DefaultPartitioner()(b"key-%d" % key, places, places) for key in range(7)}
        await world.publish(range(70))
        one = await world.join("a", settles=False)
        await world.until(lambda: len(one.values()) == 70)
        for key in range(7):
            of_key = [value for value in one.values() if value % 7 == key]
            assert of_key == sorted(of_key)
        # A partition is told by what it holds back: one commit covers what lies before it there, and nothing else.
        for place in set(expected.values()):
            here = [value for value in one.values() if expected[value % 7] == place]
            left = await world.backlog()
            one.settle(*[one.values().index(value) for value in here[1:]])
            await asyncio.sleep(0.3)
            assert await world.backlog() == left
            one.settle(one.values().index(here[0]))
            await world.until_backlog(left - len(here))

    run(scenario)


def test_each_member_hears_and_the_partitions_are_dealt_out_in_turn(run: Run) -> None:
    async def scenario(world: World) -> None:
        one, two = await pair(world)
        everything = list(range(world.partitions))
        of_key = [DefaultPartitioner()(b"key-%d" % key, everything, everything) for key in range(KEYS)]
        shares = (everything[::2], everything[1::2]) if world.can.groups else (everything, everything)
        await world.publish(range(KEYS), keys=KEYS)
        for member, share in zip((one, two), shares, strict=True):
            expected = [key for key in range(KEYS) if of_key[key] in share]
            assert expected, "each has a partition of these keys"
            await world.until(lambda member=member, expected=expected: expected == of_these(member))  # type: ignore[misc]

    def of_these(member: Member) -> list[int]:
        return sorted(value for value in member.values() if value < LEAST_EARLIER)

    run(scenario)


def test_what_was_not_settled_comes_again_after_a_kill_and_what_was_does_not(run: Run) -> None:
    async def scenario(world: World) -> None:
        one = await world.join("a", settles=False)
        await world.publish(range(10), keys=1)
        await world.until(lambda: len(one.values()) == 10)
        one.settle(0, 1)
        await world.until(lambda: one.heard("settled") == [0, 1])
        one.kill()
        again = await world.join("a")
        await world.until(lambda: len(again.heard("settled")) == 8)
        assert again.values() == list(range(2, 10))

    run(scenario)


def test_nothing_is_committed_past_work_that_is_not_done(run: Run) -> None:
    async def scenario(world: World) -> None:
        one = await world.join("a", settles=False)
        await world.publish(range(4), keys=1)
        await world.until(lambda: len(one.values()) == 4)
        one.settle(1, 2)
        await asyncio.sleep(0.5)
        assert await world.backlog() == 4
        assert one.heard("settled") == []
        one.settle(0)
        await world.until(lambda: one.heard("settled") == [0, 1, 2])
        assert await world.backlog() == 1

    run(scenario)


def test_a_member_that_comes_back_under_its_name_resumes_at_once_and_moves_nobody(run: Run) -> None:
    async def scenario(world: World) -> None:
        one, two = await pair(world, session_timeout_s=30.0)
        moved = len(two.heard("revoked"))
        one.kill()
        again = await world.join("a-0", session_timeout_s=30.0)
        count = len(two.values())
        await world.publish(range(20))
        shared = 20 if world.can.groups else 40
        await world.until(lambda: len(again.values()) + len(two.values()) - count >= shared)
        assert len(two.heard("revoked")) == moved
        assert again.values()

    run(scenario)


def test_one_that_is_silent_for_its_session_is_put_out_and_the_other_takes_over(run: Run) -> None:
    async def scenario(world: World) -> None:
        one, two = await pair(world, session_timeout_s=SESSION_S)
        one.kill()
        count = len(two.values())
        await world.publish(range(30))
        if world.can.groups:
            await asyncio.sleep(SESSION_S / 3)
            assert len(two.values()) - count < 30
        await world.until(lambda: len(two.values()) - count >= 30)
        assert sorted(set(two.values()[count:]) & set(range(30))) == list(range(30))

    run(scenario)


def test_one_that_was_put_out_while_it_stood_still_may_not_commit(run: Run) -> None:
    async def scenario(world: World) -> None:
        one = await world.join("a", settles=False, session_timeout_s=SESSION_S)
        await world.publish(range(5))
        await world.until(lambda: len(one.values()) == 5)
        one.stop()
        two = await world.join("b", settles=False, session_timeout_s=SESSION_S)
        await world.until(lambda: len(two.values()) == 5)  # it waits for the session of the first one
        one.settle(0, 1, 2, 3, 4)
        one.go_on()
        if world.can.groups:
            await world.until(lambda: list(range(5)) in [sorted(numbers) for numbers in one.heard("revoked")])
            assert one.heard("settled") == []
            assert await world.backlog() == 5
        else:  # nobody is put out: the group's offsets are whose that commits
            await world.until_backlog(0)

    run(scenario)


def test_what_was_taken_away_counts_for_nothing_even_when_its_partition_comes_back(run: Run) -> None:
    async def scenario(world: World) -> None:
        one = await world.join("a", settles=False, membership="dynamic")
        await world.publish(range(6))
        await world.until(lambda: len(one.values()) == 6)
        two = await world.join("b", settles=False, membership="dynamic", waits=False)
        if not world.can.groups:
            await world.until(lambda: len(two.values()) == 6)
            assert one.heard("revoked") == []
            return
        await world.until(lambda: sorted(itertools.chain(*one.heard("revoked"))) == list(range(6)))
        await world.until(lambda: bool(two.heard("joined")))
        two.order({"close": True})
        await world.until(lambda: bool(two.heard("closed")))
        # Some of it came back already when the two shared, and was taken away again.
        await world.until(lambda: len(one.heard("revoked")) >= 2 and set(one.values()[-6:]) == set(range(6)))
        await asyncio.sleep(0.5)
        one.settle(*range(len(one.values()) - 6))
        await asyncio.sleep(0.5)
        assert (await world.backlog(), one.heard("settled")) == (6, [])
        async with asyncio.timeout(WITHIN_S):
            while await world.backlog():
                # On a busy machine the group may have been dealt out once more: the last six are the ones in hand.
                one.settle(*range(len(one.values()) - 6, len(one.values())))
                await asyncio.sleep(0.1)

    run(scenario)


def test_no_more_is_in_hand_than_may_be_unsettled(run: Run) -> None:
    async def scenario(world: World) -> None:
        one = await world.join("a", settles=False, max_unsettled=4)
        await world.publish(range(20), keys=1)
        await world.until(lambda: len(one.values()) == 4)
        await asyncio.sleep(0.5)
        assert one.values() == [0, 1, 2, 3]
        one.settle(0, 1)
        await world.until(lambda: len(one.values()) > 4)

    run(scenario)


def test_commits_by_a_timer_lose_what_was_handed_out(run: Run) -> None:
    async def scenario(world: World) -> None:
        if not world.can.timer_commits:
            refuses(world, Subscription(100, commit="timer"))
            return
        timer = {"commit": "timer", "commit_interval_s": 0.5, "settles": False}
        one = await world.join("a", **timer)  # type: ignore[arg-type]
        await world.publish(range(10))
        await world.until(lambda: len(one.values()) == 10)
        await world.until_backlog(0)
        one.kill()
        again = await world.join("a", **timer)  # type: ignore[arg-type]
        await world.publish(range(10, 15))
        await world.until(lambda: len(again.values()) == 5)
        assert sorted(again.values()) == list(range(10, 15))

    run(scenario)


def test_commits_by_a_timer_come_when_it_is_time_and_not_with_the_work(run: Run) -> None:
    async def scenario(world: World) -> None:
        if not world.can.timer_commits:
            refuses(world, Subscription(100, commit="timer"))
            return
        one = await world.join("a", commit="timer", commit_interval_s=60.0)
        await world.publish(range(10))
        await world.until(lambda: len(one.heard("settled")) == 10)
        await asyncio.sleep(0.3)
        assert await world.backlog() == 10
        one.kill()
        again = await world.join("a", commit="timer", commit_interval_s=60.0)
        await world.until(lambda: len(again.values()) == 10)
        again.order({"close": True})  # which commits as well
        await world.until(lambda: bool(again.heard("closed")))
        assert await world.backlog() == 0

    run(scenario)


def test_a_dynamic_member_waits_out_the_session_of_its_killed_predecessor(run: Run) -> None:
    async def scenario(world: World) -> None:
        one = await world.join("a", membership="dynamic", session_timeout_s=2.0)
        one.kill()
        await world.publish(range(5))
        again = await world.join("a", membership="dynamic", session_timeout_s=2.0, waits=False)
        if world.can.groups:
            await asyncio.sleep(1.0)
            assert again.values() == []
        await world.until(lambda: len(again.values()) == 5)

    run(scenario)


def test_a_dynamic_member_that_leaves_makes_room_at_once(run: Run) -> None:
    async def scenario(world: World) -> None:
        one = await world.join("a", membership="dynamic", session_timeout_s=30.0)
        one.order({"close": True})
        await world.until(lambda: bool(one.heard("closed")))
        await world.publish(range(5))
        again = await world.join("a", membership="dynamic", session_timeout_s=30.0)
        await world.until(lambda: len(again.values()) == 5)

    run(scenario)


def test_a_group_that_starts_at_the_latest_skips_what_was_there_before(run: Run) -> None:
    async def scenario(world: World) -> None:
        await world.publish(range(5))
        one, two = await asyncio.gather(
            world.join("a", group="g", start="latest"), world.join("b", group="h", start="earliest")
        )
        await asyncio.sleep(0.5)  # it is told where the log ends after it has joined
        await world.publish(range(5, 8))
        await world.until(lambda: len(two.values()) == 8 and len(one.values()) == 3)
        assert sorted(one.values()) == [5, 6, 7]

    run(scenario)


def test_the_backlog_and_what_is_unfinished_are_what_was_not_settled(run: Run) -> None:
    async def scenario(world: World) -> None:
        one = await world.join("a", settles=False)
        await world.publish(range(6), keys=1)
        await world.until(lambda: len(one.values()) == 6)
        one.settle(0, 1)
        await world.until_backlog(4)
        assert await world.admin.unfinished(world.topic, world.group("g")) == [message(n, 1) for n in range(2, 6)]
        assert await world.backlog("nobody") == 6

    run(scenario)


def test_a_topic_has_the_partitions_that_were_asked_for_or_is_refused(run: Run) -> None:
    async def scenario(world: World) -> None:
        other = f"{world.topic}-wide"
        if world.can.partitions is None:
            await world.admin.create_topic(other, 9)
            with pytest.raises(BrokerError, match="could not be created"):
                await world.admin.create_topic(other, 9)
        else:
            with pytest.raises(BrokerError, match=f"topics of {world.can.partitions} partitions, not of 9"):
                await world.admin.create_topic(other, 9)

    run(scenario)


def test_a_broker_that_stood_still_confirms_later_and_has_each_message_once(run: Run) -> None:
    async def scenario(world: World) -> None:
        one = await world.join("a", session_timeout_s=30.0)
        await world.publish([0])
        world.stop_broker()
        publishing = asyncio.create_task(world.publish(range(1, 5)))
        done, _ = await asyncio.wait([publishing], timeout=0.5)
        assert not done
        world.wake_broker()
        await publishing
        await world.until(lambda: len(one.values()) >= 5)
        await asyncio.sleep(0.3)
        assert sorted(one.values()) == [0, 1, 2, 3, 4]

    run(scenario)


async def producing(world: World, **subscription: object) -> tuple[str, Member]:
    """A topic for what comes of the work, and a member that reads there what is committed."""
    out = f"{world.topic}-out"
    await world.admin.create_topic(out, world.partitions)
    return out, await world.join("reader", group="r", topic=out, read_committed=True)


def test_an_output_is_there_once_its_delivery_is_settled_and_once_only(run: Run) -> None:
    async def scenario(world: World) -> None:
        if not world.can.transactions:
            refuses(world, Subscription(1, transactional=True))
            return
        out, reader = await producing(world)
        one = await world.join("a", settles=False, out=out, transactional=True)
        await world.publish(range(10), keys=1)
        await world.until(lambda: len(one.values()) == 10)
        one.settle(1, 2)
        await asyncio.sleep(0.5)
        assert (reader.values(), await world.backlog()) == ([], 10)
        one.settle(0)
        await world.until(lambda: reader.values() == [0, 1, 2])
        assert one.heard("settled") == [0, 1, 2]
        one.kill()
        again = await world.join("a", out=out, transactional=True)
        await world.until(lambda: len(reader.values()) == 10)
        assert (again.values(), reader.values()) == (list(range(3, 10)), list(range(10)))

    run(scenario)


def test_one_that_was_put_out_while_it_stood_still_publishes_nothing_either(run: Run) -> None:
    async def scenario(world: World) -> None:
        if not world.can.transactions:
            refuses(world, Subscription(1, transactional=True))
            return
        out, reader = await producing(world)
        short = {"transactional": True, "out": out, "session_timeout_s": SESSION_S}
        one = await world.join("a", settles=False, **short)  # type: ignore[arg-type]
        await world.publish(range(5))
        await world.until(lambda: len(one.values()) == 5)
        one.stop()
        two = await world.join("b", **short)  # type: ignore[arg-type]
        await world.until(lambda: len(two.heard("settled")) == 5)
        one.settle(0, 1, 2, 3, 4)
        one.go_on()
        await world.until(lambda: set(itertools.chain(*one.heard("revoked"))) >= set(range(5)))
        await world.publish(range(5, 10))
        await world.until(lambda: len(reader.values()) >= 10)
        await asyncio.sleep(0.3)
        assert sorted(reader.values()) == list(range(10))

    run(scenario)
