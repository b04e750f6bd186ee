"""What only real wires and processes show of a variant: HTTP, the real Kafka, databases, people who hang up, SIGKILL.

The rest of its behaviour is held in virtual time, by tests/virtual/test_behaviour.py. Each fixture lets a variant live
through something once; the tests below it look at what that left behind.
"""

import asyncio
import json
import os
import signal
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from wiring import BLOCK_SEED, BOUND_S, Story, Workflow, registration, wired

from benchmarks.brokers import Broker
from event_impl.variants import VARIANTS as EVENT
from registration import event, luck
from registration.registration import body_of
from registration.settings import ServiceSettings
from registration.trace import RecordKind
from registration.work import WorkSettings, judge
from sync_impl.variants import VARIANTS as DIRECT

VARIANTS = (*DIRECT, *EVENT)
SERVICES = ["analytics", "cache", "email"]
ACCEPTED = dict.fromkeys(DIRECT, 201) | dict.fromkeys(EVENT, 202)
MS = 1_000_000

only_direct = pytest.mark.parametrize("variant", DIRECT, indirect=True, scope="module")
only_events = pytest.mark.parametrize("variant", EVENT, indirect=True, scope="module")


@dataclass(frozen=True)
class Lived:
    """What a variant did: the statuses that the persons got, what it left, and what was noted on the way."""

    variant: str
    statuses: dict[int, int | None]
    story: Story
    notes: dict[str, object]
    work: dict[str, WorkSettings]


@dataclass
class Stage:
    """Lets variants live on one broker, each in a directory of its own."""

    broker: Broker
    directories: pytest.TempPathFactory

    def live(
        self,
        variant: str,
        act: Callable[[Workflow, dict[int, int | None], dict[str, object]], Awaitable[None]],
        *,
        services: str,
        faults: str = "[]",
        timeout: str = "2s",
    ) -> Lived:
        statuses: dict[int, int | None] = {}
        notes: dict[str, object] = {}

        async def play() -> Workflow:
            raw = self.directories.mktemp(variant)
            async with wired(
                variant, self.broker.info, raw, services=services, faults=faults, timeout=timeout
            ) as workflow:
                await act(workflow, statuses, notes)
            return workflow

        workflow = asyncio.run(play())
        work = {part.name: part.settings.work for part in workflow.specs if isinstance(part.settings, ServiceSettings)}
        return Lived(variant, statuses, workflow.story(), notes, work)


@pytest.fixture(scope="module")
def stage(kafka: Broker, tmp_path_factory: pytest.TempPathFactory) -> Stage:
    return Stage(kafka, tmp_path_factory)


@pytest.fixture(scope="module", params=VARIANTS)
def variant(request: pytest.FixtureRequest) -> str:
    return str(request.param)


async def register(workflow: Workflow, statuses: dict[int, int | None], *indices: int) -> None:
    replies = await asyncio.gather(*(workflow.register(index) for index in indices))
    statuses.update(zip(indices, replies, strict=True))


# ── A good day: thirty registrations at once, some nonsense, some probes ──────────────────────────────────────────────

GOOD = range(30)


@pytest.fixture(scope="module")
def good_day(stage: Stage, variant: str) -> Lived:
    async def act(workflow: Workflow, statuses: dict[int, int | None], notes: dict[str, object]) -> None:
        await workflow.probe()
        await register(workflow, statuses, *GOOD)
        notes["nonsense"] = [await workflow.post(body) for body in (b"", b"[]", b'{"email": "a@b"}')]
        await workflow.probe()
        await workflow.idle()
        if workflow.bootstrap is not None:
            notes["pending"] = await workflow.pending()

    return stage.live(
        variant,
        act,
        services="{email: {latency: 5ms}, analytics: {latency: {distribution: lognormal, p50: 10ms, p99: 60ms}}, "
        "cache: {latency: 2ms}}",
    )


def test_everybody_is_accepted(good_day: Lived) -> None:
    assert good_day.statuses == dict.fromkeys(GOOD, ACCEPTED[good_day.variant])


def test_each_service_applies_each_registration_exactly_once(good_day: Lived) -> None:
    assert {index: good_day.story.applied(index) for index in GOOD} == dict.fromkeys(GOOD, SERVICES)


def test_what_is_applied_to_the_database_is_there(good_day: Lived) -> None:
    assert sorted(good_day.story.signups) == sorted(str(luck.registration_id(BLOCK_SEED, index)) for index in GOOD)


def test_the_user_row_comes_before_anything_else(good_day: Lived) -> None:
    for index in GOOD:
        kinds = [
            (record.service, record.kind)
            for record in good_day.story.records
            if record.registration_id == luck.registration_id(BLOCK_SEED, index)
        ]
        assert kinds[:2] == [("api", RecordKind.RECEIVED), ("api", RecordKind.STORED)]
    assert len(good_day.story.users) == len(GOOD)


def test_each_receipt_runs_from_received_to_settled(good_day: Lived) -> None:
    expected = [RecordKind.RECEIVED, RecordKind.STARTED, RecordKind.APPLIED, RecordKind.SETTLED]
    for index in GOOD:
        id_ = luck.registration_id(BLOCK_SEED, index)
        for service in SERVICES:
            mine = [r for r in good_day.story.records if (r.registration_id, r.service) == (id_, service)]
            assert [record.kind for record in mine] == expected
            assert len({record.delivery for record in mine}) == 1


@only_direct  # how little an event waits shows below, where a service hangs
def test_the_reply_of_a_direct_call_waits_for_every_service(good_day: Lived) -> None:
    for index in GOOD:
        (replied,) = good_day.story.of(RecordKind.REPLIED, index=index)
        assert all(record.t_ns < replied.t_ns for record in good_day.story.of(RecordKind.APPLIED, index=index))


def test_nonsense_is_422_and_leaves_nothing(good_day: Lived) -> None:
    assert good_day.notes["nonsense"] == [422, 422, 422]
    known = {luck.registration_id(BLOCK_SEED, index) for index in GOOD}
    assert {record.registration_id for record in good_day.story.records} == known


def test_probes_leave_no_trace_and_no_effect(good_day: Lived) -> None:
    # Several rounds of them were sent; what is left is exactly the thirty registrations.
    assert not any(luck.is_probe(record.registration_id) for record in good_day.story.records)
    assert len(good_day.story.signups) == len(good_day.story.users) == len(GOOD)


def test_probes_draw_no_luck_and_work_takes_the_time_it_was_dealt(good_day: Lived) -> None:
    excess_ms = []
    for applied in good_day.story.of(RecordKind.APPLIED):
        started = next(
            record
            for record in good_day.story.of(RecordKind.STARTED, service=applied.service)
            if record.delivery == applied.delivery
        )
        dealt_ms = judge(good_day.work[applied.process], applied.registration_id, 1, 0).work_ms
        excess_ms.append((applied.t_ns - started.t_ns) / MS - dealt_ms)
    print(f"longer than dealt by {np.median(excess_ms):.3f} ms in the median")
    assert len(excess_ms) == len(GOOD) * len(SERVICES)
    assert min(excess_ms) >= -0.01


@only_events
def test_events_carry_cloudevents_and_trace_context(good_day: Lived) -> None:
    assert len(good_day.story.events) == len(GOOD)
    by_id = {json.loads(message.value)["registration_id"]: message for message in good_day.story.events}
    for index in GOOD:
        who = registration(index)
        message = by_id[str(who.registration_id)]
        sent = event.UserRegistered(who)
        assert (message.key, message.value, message.headers) == (sent.key(), sent.value(), dict(sent.headers()))
        assert message.headers["ce_type"] == b"user-registered"
        assert message.headers["traceparent"].decode() == who.traceparent


@only_events
def test_when_all_is_done_nothing_is_pending(good_day: Lived) -> None:
    assert good_day.notes["pending"] == {service: [] for service in SERVICES}


# ── Callers that do not wait: a person who leaves, an API whose patience ends, a service that is gone ─────────────────

LEFT_AT_ONCE, LEFT_SOON, GIVEN_UP, AFTER_THE_KILL = 0, 1, 2, 3
PATIENCE_MS = 400
LONG_HANG_S = 1.5


@pytest.fixture(scope="module")
def impatience(stage: Stage, variant: str) -> Lived:
    async def act(workflow: Workflow, statuses: dict[int, int | None], notes: dict[str, object]) -> None:
        await leave(workflow, LEFT_AT_ONCE, after_s=0.0)
        await leave(workflow, LEFT_SOON, after_s=0.1)
        await register(workflow, statuses, GIVEN_UP)
        await workflow.idle()
        notes["done before the kill"] = sorted(record.service for record in workflow.story().of(RecordKind.APPLIED))
        os.kill(workflow.children["email/0"].pid, signal.SIGKILL)
        await workflow.children["email/0"].ended
        await register(workflow, statuses, AFTER_THE_KILL)
        if workflow.bootstrap is not None:
            async with asyncio.timeout(BOUND_S):
                while (pending := await workflow.pending())["cache"]:
                    await asyncio.sleep(0.05)
            notes["pending"] = pending["email"]

    return stage.live(
        variant,
        act,
        services="{email: {latency: 5ms}, analytics: {latency: 5ms}, cache: {latency: 5ms}}",
        faults=f"[{{target: email, type: hang, at: 0s, duration: {LONG_HANG_S}s}}]",
        timeout=f"{PATIENCE_MS}ms",
    )


async def leave(workflow: Workflow, index: int, *, after_s: float) -> None:
    """Send a whole registration and hang up without reading a reply."""
    who = registration(index)
    body = body_of(who)
    _, writer = await asyncio.open_connection(*workflow.url.split("/")[2].split(":"))
    head = f"POST /registrations HTTP/1.1\r\nhost: api\r\ntraceparent: {who.traceparent}\r\ncontent-length: {len(body)}"
    writer.write(head.encode() + b"\r\n\r\n" + body)
    await writer.drain()
    await asyncio.sleep(after_s)
    writer.close()
    await writer.wait_closed()


@pytest.mark.parametrize("index", [LEFT_AT_ONCE, LEFT_SOON], ids=["at once", "soon"])
def test_what_was_received_is_worked_on_although_the_person_has_gone(impatience: Lived, index: int) -> None:
    (replied,) = impatience.story.of(RecordKind.REPLIED, index=index)
    assert replied.status == (504 if impatience.variant not in EVENT else 202)
    assert "email" in impatience.story.applied(index)


def test_a_hang_longer_than_the_patience_of_the_caller_is_504(impatience: Lived) -> None:
    assert impatience.statuses[GIVEN_UP] == (202 if impatience.variant in EVENT else 504)


def test_a_service_works_on_what_its_caller_has_given_up(impatience: Lived) -> None:
    expected = ["email"] if impatience.variant == "sync" else SERVICES
    for index in (LEFT_AT_ONCE, LEFT_SOON, GIVEN_UP):
        assert impatience.story.applied(index) == expected
    (email,) = impatience.story.of(RecordKind.APPLIED, service="email", index=GIVEN_UP)
    assert email.t_ns >= impatience.story.start_ns + LONG_HANG_S * 1e9


def test_a_service_that_is_gone_is_502_or_an_event_that_waits(impatience: Lived) -> None:
    assert impatience.statuses[AFTER_THE_KILL] == (202 if impatience.variant in EVENT else 502)
    if impatience.variant in EVENT:
        assert impatience.notes["pending"] == [str(luck.registration_id(BLOCK_SEED, AFTER_THE_KILL))]
    expected = {"sync": [], "sync-concurrent": ["analytics", "cache"], "events": ["analytics", "cache"]}
    assert impatience.story.applied(AFTER_THE_KILL) == expected[impatience.variant]
    assert str(luck.registration_id(BLOCK_SEED, AFTER_THE_KILL)) in impatience.story.users


# ── A broker that is silent: only one side has it ─────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("variant", EVENT)
def test_a_silent_broker_is_504_and_the_user_row_stays(stage: Stage, variant: str) -> None:
    async def act(workflow: Workflow, statuses: dict[int, int | None], notes: dict[str, object]) -> None:
        await register(workflow, statuses, 0)
        with paused(stage.broker):
            await register(workflow, statuses, 1)
        await workflow.idle()

    lived = stage.live(variant, act, services="{}", timeout=f"{PATIENCE_MS}ms")
    assert lived.statuses == {0: 202, 1: 504}
    assert len(lived.story.users) == 2
    # Told no, yet the message may have reached the broker; what came of it came once.
    assert lived.story.applied(1) in ([], SERVICES)


@contextmanager
def paused(broker: Broker) -> Iterator[None]:
    assert broker.pid is not None
    os.kill(broker.pid, signal.SIGSTOP)
    try:
        # A process of many threads does not stop at once.
        deadline_s = time.monotonic() + BOUND_S
        while any(thread_state(task) != "T" for task in Path("/proc", str(broker.pid), "task").iterdir()):
            assert time.monotonic() < deadline_s
        yield
    finally:
        os.kill(broker.pid, signal.SIGCONT)


def thread_state(task: Path) -> str:
    return (task / "stat").read_text().rpartition(")")[2].split()[0]
