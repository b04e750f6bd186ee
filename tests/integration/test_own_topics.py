"""A variant's own topics on a real Kafka: failing work is tried again after its delay, then put aside, and told."""

from __future__ import annotations

import asyncio
import itertools
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import cast

import msgspec
import policies
import pytest
from fakes import FakeHarness, FakeRuntime

from benchmarks.brokers import Broker
from event_impl.brokers import client_of, topics
from event_impl.brokers.messages import message_of
from event_impl.brokers.port import Publishing
from event_impl.brokers.topics import TopicsWiring
from event_impl.receiver import Receiver
from event_impl.variants import VARIANTS
from event_impl.wiring import ServiceWiring
from registration import luck, trace
from registration.effects import OutsideWorld
from registration.effects.destination import DestinationSettings
from registration.event import UserRegistered
from registration.faults import WorkFault
from registration.latency import Latency
from registration.registration import Registration
from registration.runtime.alarm import MonotonicClock
from registration.runtime.harness import DeadLettered, Pending, Question
from registration.runtime.process import Runtime
from registration.trace import RecordKind, Trace
from registration.work import Worker, WorkSettings

SEED = luck.block_seed(1, 0)
DEAD, DONE = luck.registration_id(SEED, 0), luck.registration_id(SEED, 1)
WITHIN_S = 20.0


class AskingHarness(FakeHarness):
    """One that asks."""

    def ask(self, question: Question) -> None:
        self._reader.feed_data(msgspec.json.encode(question) + b"\n")

    def end(self) -> None:
        self._reader.feed_eof()

    def last(self, kind: str, what: str) -> object:
        return next((message[what] for message in reversed(self.sent) if message["type"] == kind), None)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(WITHIN_S):
        while not condition():
            await asyncio.sleep(0.02)


async def test_what_cannot_be_done_is_tried_again_after_its_delay_put_aside_and_told(
    kafka: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    variant = policies.EVENTS["p-put-aside"]
    monkeypatch.setitem(cast("dict[str, object]", VARIANTS), variant.name, variant)
    topic = f"own-{uuid.uuid4().hex[:8]}"
    own = {name: f"{topic}-email-{name}" for name in variant.topics}
    place = {"directory": str(tmp_path), "block_seed": SEED, "variant": variant.name}
    broker = {"broker": "kafka", "bootstrap": kafka.info.bootstrap, "topic": topic}
    looked_at = TopicsWiring(
        name="topics",
        **place,  # type: ignore[arg-type]
        **broker,
        partitions=1,
        replicas=1,
        delete_topics=False,
        groups={"email": topic},
        own_topics={"email": own},
        heard_topics=variant.heard_topics,
        dead_letters=variant.dead_letters,
        sample_period_s=0.1,
        drain_sample_period_s=0.1,
    )
    looking = AskingHarness()
    role = asyncio.create_task(topics.run(looked_at, Runtime(looked_at, looking)))
    await until(lambda: "ready" in looking.types_sent())

    poison = WorkFault("poison", 0, 3_600 * 10**9, status=422)
    work = WorkSettings("email", 0, SEED, Latency.fixed(1.0), faults=(poison,))
    runtime = FakeRuntime(tmp_path)
    heard = Trace(runtime.trace_path, {"process": runtime.name})
    nowhere = DestinationSettings("outside-world")
    worker = Worker(work, OutsideWorld(nowhere), heard, MonotonicClock())
    worker.start(time.monotonic_ns())
    wiring = ServiceWiring(
        name="email/0",
        **place,  # type: ignore[arg-type]
        **broker,
        group=topic,
        own_topics=own,
        work=work,
        destination=nowhere,
    )
    receiver = Receiver(wiring, runtime, worker)
    await receiver.open()

    runtime.open_inbox("email").note(str(DONE))  # by another instance
    publisher = client_of("kafka")(kafka.info.bootstrap).publisher(topic, Publishing(5.0))
    await publisher.open()
    for id_ in (DEAD, DONE):
        happened = UserRegistered(Registration(id_, id_, "somebody@example.com"))
        await (await publisher.publish(message_of(happened)))
    await publisher.close()

    def rows(kind: RecordKind) -> list[tuple[bytes, int, int]]:
        found = trace.read(runtime.trace_path)[1]
        return [
            (bytes(row["registration_id"]), int(row["attempt"]), int(row["t_ns"]))
            for row in found[found["kind"] == kind]
        ]

    await until(lambda: [attempt for _, attempt, _ in rows(RecordKind.FAILED)] == [1, 2, 3])
    await until(lambda: looking.last("lag", "groups") == {"email": 0} and runtime.busy == 0)
    looking.ask(DeadLettered(["email"]))
    looking.ask(Pending(["email"]))
    await until(lambda: "pending" in looking.types_sent())
    assert looking.last("dead_lettered", "services") == {"email": [str(DEAD)]}
    assert looking.last("pending", "services") == {"email": []}
    begun = rows(RecordKind.STARTED)
    assert {id_ for id_, _, _ in begun} == {DEAD.bytes}
    assert all(later - sooner >= policies.DELAY_S * 1e9 for (*_, sooner), (*_, later) in itertools.pairwise(begun))
    assert "error" not in runtime.harness.types_sent()
    await runtime.tasks.close()
    await receiver.close()
    looking.end()
    await role
