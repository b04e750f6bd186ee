"""The broker in memory where the contract does not reach: its own death, retries, and what a producer keeps back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import KafkaConnectionError, KafkaError, KafkaTimeoutError, RequestTimedOutError

from event_impl.brokers.memory import MemoryBroker, MemoryClient
from event_impl.brokers.memory.consumer import MemoryConsumer
from event_impl.brokers.port import BrokerError, Delivery, Message, Publisher, Publishing, Subscriber, Subscription
from virtual import Process, VirtualLoop, VirtualPlatform
from virtual.loop import NS_PER_S

SESSION_S = 10.0
FIRST = 99


def message(number: int, value: bytes = b"") -> Message:
    return Message(b"key-%d" % number, value or b"%d" % number, [])


@dataclass
class Member:
    """A consumer that settles at once, or when it is told."""

    settles: bool = True
    held: list[tuple[Subscriber, Delivery]] = field(default_factory=list)
    got: list[bytes] = field(default_factory=list)
    settled: list[Delivery] = field(default_factory=list)
    revocations: int = 0
    process: Process = field(init=False)

    async def consume(self, broker: MemoryBroker, name: str, group: str = "g") -> None:
        subscriber = MemoryClient(broker.address).subscriber(
            "t",
            Subscription(100, session_timeout_s=SESSION_S),
            group=group,
            member=name,
            on_committed=self.settled.append,
            on_revoked=self.count,
        )
        await subscriber.open()
        async for delivery in subscriber.deliveries():
            self.got.append(delivery.message.value)
            if self.settles:
                subscriber.settle(delivery)
            else:
                self.held.append((subscriber, delivery))

    def settle_all(self) -> None:
        for subscriber, delivery in self.held:
            subscriber.settle(delivery)

    def count(self, _revoked: Sequence[Delivery]) -> None:
        self.revocations += 1


class World:
    """A broker with a topic `t` in virtual time."""

    def __init__(self) -> None:
        self.loop = VirtualLoop()
        self.broker = MemoryBroker(VirtualPlatform(self.loop))
        self.spawn(self._create_topic())
        self.run_for(0.1)

    async def _create_topic(self) -> None:
        admin = MemoryClient(self.broker.address).admin()
        await admin.open()
        await admin.create_topic("t", 3)

    def spawn(self, coro: Coroutine[Any, Any, Any], name: str = "p") -> Process:
        process = Process(self.loop, name)
        process.spawn(coro)
        return process

    def member(self, name: str, settles: bool = True) -> Member:
        made = Member(settles)
        made.process = self.spawn(made.consume(self.broker, name), name)
        self.run_for(1.0)
        return made

    def run_for(self, duration_s: float) -> None:
        end_ns = self.loop.now_ns + round(duration_s * NS_PER_S)
        self.loop.run(end_ns)
        self.loop.now_ns = end_ns

    def publishing(self, body: Callable[[Publisher], Coroutine[Any, Any, None]], publishing: Publishing) -> Process:
        async def main() -> None:
            publisher = MemoryClient(self.broker.address).publisher("t", publishing)
            await publisher.open()
            await (await publisher.publish(message(FIRST)))  # from then on it knows the topic
            await body(publisher)

        process = self.spawn(main(), "publisher")
        self.run_for(0.1)
        return process

    def values(self) -> list[bytes]:
        """What is in the log beside the first message."""
        logs = [self.broker.log(TopicPartition("t", number)) for number in range(3)]
        return [record.value for log in logs for record in log if record.value != b"%d" % FIRST]


@pytest.fixture
def world() -> Iterator[World]:
    made = World()
    yield made
    made.loop.check()
    made.loop.close()


@dataclass
class Outcomes:
    """What became of each message: when it was confirmed, or why it was not."""

    clock: VirtualLoop
    confirmed_s: list[float] = field(default_factory=list)
    failed: list[type[BaseException]] = field(default_factory=list)
    taken: int = 0

    async def publish(self, publisher: Publisher, count: int, value: bytes = b"") -> None:
        await asyncio.sleep(1.0)
        for number in range(count):
            try:
                (await publisher.publish(message(number, value))).add_done_callback(self.note)
            except BrokerError as error:
                self.failed.append(type(error.__cause__))

    def note(self, sent: asyncio.Future[object]) -> None:
        error = sent.exception()
        if error is None:
            self.confirmed_s.append(round(self.clock.time(), 3))
        else:
            self.failed.append(type(error))


async def test_it_works_on_any_event_loop() -> None:
    broker = MemoryBroker()
    client = MemoryClient(broker.address)
    admin, publisher, member = client.admin(), client.publisher("t", Publishing(1.0)), Member()
    await admin.open()
    await admin.create_topic("t", 3)
    await publisher.open()
    consuming = asyncio.create_task(member.consume(broker, "a"))
    await (await publisher.publish(message(1)))
    async with asyncio.timeout(5):
        while not member.settled:
            await asyncio.sleep(0.01)
    consuming.cancel()
    assert member.got == [b"1"]


def test_an_address_where_no_broker_is_is_refused() -> None:
    with pytest.raises(LookupError, match="no broker in memory at 'memory:none'"):
        MemoryClient("memory:none")


def test_brokers_know_nothing_of_one_another(world: World) -> None:
    other = World()
    world.publishing(lambda publisher: Outcomes(world.loop).publish(publisher, 3), Publishing(1.0))
    world.run_for(2.0)
    assert (len(world.values()), len(other.values())) == (3, 0)
    other.loop.close()


@pytest.mark.parametrize("away_s", [0.5, 30.0], ids=["shortly", "past every timeout"])
def test_an_idempotent_producer_tries_until_a_killed_broker_is_back_and_each_is_there_once(
    world: World, away_s: float
) -> None:
    outcomes = Outcomes(world.loop)
    world.publishing(lambda publisher: outcomes.publish(publisher, 5), Publishing(1.0))
    world.broker.kill()
    world.run_for(1.0 + away_s)
    assert outcomes.confirmed_s == []
    world.broker.start_again()
    world.run_for(0.2)
    assert sorted(world.values()) == [b"0", b"1", b"2", b"3", b"4"]
    assert len(outcomes.confirmed_s) == 5


def test_a_broker_that_stood_still_longer_than_the_request_takes_has_each_message_once(world: World) -> None:
    outcomes = Outcomes(world.loop)
    world.publishing(lambda publisher: outcomes.publish(publisher, 5), Publishing(1.0))
    world.broker.stop()
    world.run_for(20.0)
    world.broker.go_on()
    world.run_for(5.0)
    assert sorted(world.values()) == [b"0", b"1", b"2", b"3", b"4"]
    assert len(outcomes.confirmed_s) == 5


def test_what_timed_out_at_a_broker_that_stood_still_may_be_there_all_the_same(world: World) -> None:
    outcomes = Outcomes(world.loop)
    world.publishing(lambda publisher: outcomes.publish(publisher, 1), Publishing(2.0, idempotent=False))
    world.run_for(0.8)
    world.broker.stop()
    world.run_for(2.25)  # the first request is given up just after its timeout, which is that of the message as well
    assert outcomes.failed == [RequestTimedOutError]
    world.broker.go_on()
    world.run_for(1.0)
    assert world.values() == [b"0"]  # though the person was told no


def test_without_idempotence_it_gives_up_after_its_timeout(world: World) -> None:
    outcomes = Outcomes(world.loop)
    world.publishing(lambda publisher: outcomes.publish(publisher, 2), Publishing(3.0, idempotent=False))
    world.broker.kill()
    world.run_for(3.5)
    assert outcomes.failed == []
    world.run_for(1.0)
    assert outcomes.failed == [KafkaConnectionError] * 2


def test_unacknowledged_messages_are_confirmed_by_nobody(world: World) -> None:
    outcomes = Outcomes(world.loop)
    world.publishing(lambda publisher: outcomes.publish(publisher, 3), Publishing(1.0, acks="none", idempotent=False))
    world.broker.stop()
    world.run_for(2.0)
    assert (len(outcomes.confirmed_s), world.values()) == (3, [])
    world.broker.kill()
    world.broker.start_again()
    world.run_for(5.0)
    assert world.values() == []


def test_messages_wait_for_company_as_long_as_they_are_told(world: World) -> None:
    outcomes = Outcomes(world.loop)
    world.publishing(lambda publisher: outcomes.publish(publisher, 3), Publishing(1.0, linger_s=0.25))
    world.run_for(2.0)
    assert outcomes.confirmed_s == [1.6] * 3  # published at 1.35 s: the first message had waited as well


def test_a_producer_that_cannot_send_keeps_16_kib_a_partition_and_then_takes_no_more(world: World) -> None:
    outcomes = Outcomes(world.loop)

    async def fill(publisher: Publisher) -> None:
        await outcomes.publish(publisher, 1)  # the request that hangs
        await asyncio.sleep(0.1)
        with suppress(BrokerError):
            while True:
                (await publisher.publish(message(0, b"x" * 1000))).add_done_callback(outcomes.note)
                outcomes.taken += 1
        outcomes.failed.append(KafkaTimeoutError)

    world.publishing(fill, Publishing(2.0))
    world.broker.stop()
    world.run_for(10.0)
    assert outcomes.failed == [KafkaTimeoutError]
    assert outcomes.taken == 16_384 // 1040
    world.broker.go_on()
    world.run_for(5.0)
    assert len(world.values()) == len(outcomes.confirmed_s) == outcomes.taken + 1


def test_members_keep_what_they_have_while_their_broker_is_away(world: World) -> None:
    one, two = world.member("a"), world.member("b")
    world.run_for(2.0)
    before = one.revocations, two.revocations
    world.broker.kill()
    world.run_for(3 * SESSION_S)
    world.broker.start_again()
    world.publishing(lambda publisher: Outcomes(world.loop).publish(publisher, 9), Publishing(1.0))
    world.run_for(2 * SESSION_S)
    assert (one.revocations, two.revocations) == before
    assert len(one.settled) + len(two.settled) == 9 + 1


def test_a_broker_that_stood_still_longer_than_a_session_puts_its_members_out_and_they_come_back(world: World) -> None:
    one, two = world.member("a"), world.member("b")
    world.run_for(2.0)
    before = one.revocations, two.revocations
    world.broker.stop()
    world.run_for(2 * SESSION_S)
    world.broker.go_on()
    world.publishing(lambda publisher: Outcomes(world.loop).publish(publisher, 9), Publishing(1.0))
    world.run_for(5.0)
    # The one that comes first joins alone, and again when the other one does.
    assert sorted((one.revocations - before[0], two.revocations - before[1])) == [1, 2]
    assert len(one.settled) + len(two.settled) == 9 + 1


def test_what_settles_while_the_broker_is_away_is_committed_when_it_is_back(world: World) -> None:
    one = world.member("a", settles=False)
    world.publishing(lambda publisher: Outcomes(world.loop).publish(publisher, 5), Publishing(1.0))
    world.run_for(2.0)
    world.broker.kill()
    one.process.hear(one.settle_all)
    world.run_for(5.0)
    assert one.settled == []
    world.broker.start_again()
    world.run_for(5.0)
    assert len(one.settled) == 6


def test_the_dead_publish_nothing(world: World) -> None:
    process = world.publishing(lambda publisher: Outcomes(world.loop).publish(publisher, 5), Publishing(1.0))
    process.kill()
    world.run_for(5.0)
    assert world.values() == []


def test_members_of_several_topics_are_dealt_all_their_partitions_in_turn(world: World) -> None:
    async def create() -> None:
        admin = MemoryClient(world.broker.address).admin()
        await admin.open()
        await admin.create_topic("s", 2)

    consumers: list[MemoryConsumer] = []

    async def member(name: str) -> None:
        consumer = MemoryConsumer(
            world.broker,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            group_id="g",
            group_instance_id=name,
            heartbeat_interval_ms=1000,
        )
        consumers.append(consumer)
        await consumer.start()
        consumer.subscribe(["s", "t"])

    world.spawn(create())
    world.run_for(0.1)
    for name in ("a", "b"):
        world.spawn(member(name), name)
    world.run_for(3.0)
    assert [consumer.assignment() for consumer in consumers] == [
        [TopicPartition("s", 0), TopicPartition("t", 0), TopicPartition("t", 2)],
        [TopicPartition("s", 1), TopicPartition("t", 1)],
    ]


def test_a_broker_that_is_gone_cannot_be_opened(world: World) -> None:
    errors: list[BrokerError] = []

    async def open_one() -> None:
        try:
            await MemoryClient(world.broker.address).publisher("t", Publishing(1.0)).open()
        except BrokerError as error:
            errors.append(error)

    world.broker.kill()
    world.spawn(open_one())
    world.run_for(1.0)
    (error,) = errors
    assert isinstance(error.__cause__, KafkaError)
