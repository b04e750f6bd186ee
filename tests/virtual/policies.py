"""Variants of these tests only, one for each thing that a policy may want of the seams; `docs/one-code-two-clocks.md`.

They are listed for the time of a test (`test_policies.listed`), and the code below them is what a trial runs.
"""

from __future__ import annotations

import asyncio
import runpy
from collections import defaultdict
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from event_impl.brokers import client_of
from event_impl.brokers.port import Publishing, Subscription
from event_impl.variants import events
from event_impl.variants import variant as event_side
from event_impl.variants.variant import Heard, Hearing
from event_impl.wiring import OwnWiring
from registration import event
from registration.announce import AnnounceError
from registration.call import Call
from registration.effects.destination import DestinationSettings
from registration.options import duration
from registration.registration import Registration
from registration.runtime.harness import Idle
from registration.runtime.process import Runtime
from registration.variant import OwnProcess, Promise
from registration.work import WorkError
from sync_impl.variants import variant as sync_side

LOST_NEVER = frozenset({Promise.NOT_LOST})


@dataclass(frozen=True)
class Options:
    timeout_s: float = duration(2.0, "one call or publish in all")


def publishing(options: Options) -> Publishing:
    return Publishing(options.timeout_s)


def lingering(options: Options) -> Publishing:
    """What is sent lies in the library for a while, as it does in a real one for a moment."""
    return Publishing(options.timeout_s, linger_s=0.005)


def stored_and_published(options: Options, tools: event_side.ApiTools) -> event_side.Register:
    async def register(registration: Registration) -> None:
        await tools.store(registration)
        await tools.publish(registration, timeout_s=options.timeout_s)

    return register


def not_waited_for(options: Options, tools: event_side.ApiTools) -> event_side.Register:
    async def register(registration: Registration) -> None:
        await tools.store(registration)
        await tools.publish(registration, timeout_s=options.timeout_s, confirmed=False)

    return register


def retried_at_once(_options: Options, tools: event_side.ServiceTools) -> Hearing:
    return events.in_service(events.Options(), tools)


def committed_by_a_timer(_options: Options, tools: event_side.ServiceTools) -> Hearing:
    async def work(heard: Heard) -> None:
        await tools.worker.perform(heard.registration, heard.number)

    return Hearing(work, Subscription(tools.usual_unsettled, commit="timer", commit_interval_s=0.02))


def one_by_one(_options: Options, tools: event_side.ServiceTools) -> Hearing:
    async def work(heard: Heard) -> None:
        with suppress(WorkError):  # as the text's code has it: printed and forgotten
            await tools.worker.perform(heard.registration, heard.number)

    return Hearing(work, Subscription(1, commit="timer", membership="dynamic"), one_at_a_time=True)


DELAY_S = 0.1
ATTEMPTS = 3


def put_aside(_options: Options, tools: event_side.ServiceTools) -> Hearing:
    """Failing work goes to a retry topic, with the instant before which it is not tried again, and in the end aside."""
    inbox = tools.open_inbox()
    # What a kill brings back by one topic may be in hand by the other as well: only one of them asks and works.
    working: dict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def work(heard: Heard) -> None:
        key = str(heard.registration.registration_id)
        attempt = int(heard.headers.get("attempt", "1"))
        await tools.clock.sleep_until(int(heard.headers.get("not-before-ns", "0")))
        async with working[key]:
            if inbox.seen(key):
                return
            try:
                await tools.worker.perform(heard.registration, heard.number, attempt)
            except WorkError:
                not_before_ns = tools.clock.now_ns() + round(DELAY_S * 1e9)
                headers = {"attempt": str(attempt + 1), "not-before-ns": str(not_before_ns)}
                await tools.forward("dead" if attempt == ATTEMPTS else "retry", heard.registration, headers)
            else:
                inbox.note(key)

    return Hearing(work, Subscription(tools.usual_unsettled))


def in_transactions(_options: Options, tools: event_side.ServiceTools) -> Hearing:
    async def work(heard: Heard) -> list[event_side.Output]:
        await tools.worker.perform(heard.registration, heard.number)
        return [tools.output("done", heard.registration, {})]

    return Hearing(work, Subscription(tools.usual_unsettled, transactional=True))


async def read_done(wiring: OwnWiring, runtime: Runtime) -> None:
    """What stands behind the transactions: counts what is committed in `done`, as effects of `<service>-done`."""
    client = client_of(wiring.broker)(wiring.bootstrap)

    async def read(service: str, topic: str) -> None:
        counted = await runtime.open_destination(f"{service}-done", DestinationSettings("outside-world"))
        subscriber = client.subscriber(
            topic,
            Subscription(1000, commit="timer", read_committed=True),
            group=f"{topic}-reader",
            member="reader",
            on_committed=lambda _: None,
            on_revoked=lambda _: None,
        )
        await subscriber.open()

        async def count() -> None:
            async for delivery in subscriber.deliveries():
                await counted.apply(event.parse(delivery.message.value, delivery.message.headers).registration, "")
                subscriber.settle(delivery)

        runtime.tasks.serve(count())

    await asyncio.gather(*(read(service, topics["done"]) for service, topics in wiring.own_topics.items()))
    runtime.harness.ready()
    async for question in runtime.harness.questions():
        if isinstance(question, Idle):
            runtime.harness.send(type="idle", question=question.question, busy=0)


def event_variant(name: str, **parts: object) -> event_side.Variant[Options]:
    known: dict[str, object] = {
        "promises": frozenset[Promise](),
        "in_api": stored_and_published,
        "in_service": retried_at_once,
        "publishing": publishing,
    }
    return event_side.Variant(name=name, sentence=name, options=Options, **{**known, **parts})  # type: ignore[arg-type]


def relayed() -> event_side.Variant[Any]:
    """The outbox with a relay, as the documentation has it."""
    path = Path(__file__).parents[2] / "docs" / "examples" / "events_relayed.py"
    found: event_side.Variant[Any] = runpy.run_path(str(path), run_name="events_relayed")["EVENTS_RELAYED"]
    return replace(found, name="p-relayed")


EVENTS: Mapping[str, event_side.Variant[Any]] = {
    variant.name: variant
    for variant in (
        relayed(),
        event_variant("p-fire-and-forget", in_api=not_waited_for, publishing=lingering),
        event_variant("p-auto-commit", in_service=committed_by_a_timer),
        event_variant("p-naive", in_api=not_waited_for, in_service=one_by_one, publishing=lingering),
        event_variant(
            "p-put-aside",
            promises=LOST_NEVER,
            in_service=put_aside,
            topics=("retry", "dead"),
            heard_topics=("retry",),
            dead_letters=("dead",),
        ),
        event_variant(
            "p-transactional",
            promises=LOST_NEVER,
            in_service=in_transactions,
            topics=("done",),
            needs=("transactions",),
            processes=(OwnProcess("reader", read_done),),
        ),
    )
}


# The direct side


def called_again(options: Options, tools: sync_side.ApiTools) -> sync_side.Register:
    """At once, until the deadline; each call names its attempt, its key and the deadline."""

    async def call(service: str, registration: Registration, deadline_ns: int) -> None:
        attempt = 0
        while True:
            attempt += 1
            left_s = (deadline_ns - tools.clock.now_ns()) / 1e9
            if left_s <= 0:
                raise AnnounceError(504, f"{service} was not there in time")
            try:
                return await tools.call(
                    service,
                    registration,
                    timeout_s=min(left_s, 0.03),
                    attempt=attempt,
                    deadline_ns=deadline_ns,
                    idempotency_key=str(registration.registration_id),
                )
            except AnnounceError:
                await tools.clock.sleep_until(tools.clock.now_ns() + 10_000_000)

    async def register(registration: Registration) -> None:
        await tools.store(registration)
        deadline_ns = tools.clock.now_ns() + round(options.timeout_s * 1e9)
        await asyncio.gather(*(call(service, registration, deadline_ns) for service in tools.services))

    return register


def known_by_key(_options: Options, tools: sync_side.ServiceTools) -> sync_side.Work:
    """One key is worked on once: a second call waits for the first, and is answered as that was."""
    inbox, under_way = tools.open_inbox(), dict[str, "asyncio.Task[None]"]()

    async def do(call: Call, delivery: int) -> None:
        await tools.worker.perform(call.registration, delivery, call.attempt)
        inbox.note(call.idempotency_key)

    async def work(call: Call, delivery: int) -> None:
        key = call.idempotency_key
        if inbox.seen(key):
            return
        if key not in under_way:
            under_way[key] = asyncio.create_task(do(call, delivery))
            under_way[key].add_done_callback(lambda _: under_way.pop(key))
        await asyncio.shield(under_way[key])

    return work


def not_too_late(_options: Options, tools: sync_side.ServiceTools) -> sync_side.Work:
    async def work(call: Call, delivery: int) -> None:
        if call.deadline_ns is not None and tools.clock.now_ns() >= call.deadline_ns:
            raise WorkError(504)
        await tools.worker.perform(call.registration, delivery, call.attempt)

    return work


def called_too_late(options: Options, tools: sync_side.ApiTools) -> sync_side.Register:
    """With a deadline that is over when the call comes."""

    async def register(registration: Registration) -> None:
        await tools.store(registration)
        for service in tools.services:
            await tools.call(service, registration, timeout_s=options.timeout_s, deadline_ns=tools.clock.now_ns() - 1)

    return register


def whatever_comes_of_it(options: Options, tools: sync_side.ApiTools) -> sync_side.Register:
    async def register(registration: Registration) -> None:
        await tools.store(registration)
        calls = (tools.call(service, registration, timeout_s=options.timeout_s) for service in tools.services)
        for outcome in await asyncio.gather(*calls, return_exceptions=True):
            if isinstance(outcome, BaseException) and not isinstance(outcome, AnnounceError):
                raise outcome

    return register


def replied_first(options: Options, tools: sync_side.ApiTools) -> sync_side.Register:
    async def call_all(registration: Registration) -> None:
        for service in tools.services:
            await tools.call(service, registration, timeout_s=options.timeout_s)

    async def register(registration: Registration) -> None:
        await tools.store(registration)
        tools.in_background(call_all(registration))

    return register


def sync_variant(name: str, **parts: object) -> sync_side.Variant[Options]:
    known: dict[str, object] = {"promises": frozenset[Promise]()}
    return sync_side.Variant(name=name, sentence=name, options=Options, **{**known, **parts})  # type: ignore[arg-type]


SYNC = {
    variant.name: variant
    for variant in (
        sync_variant("p-retrying", in_api=called_again, promises=LOST_NEVER),
        sync_variant("p-keyed", in_api=called_again, in_service=known_by_key, promises=LOST_NEVER),
        sync_variant("p-deadline", in_api=called_too_late, in_service=not_too_late),
        sync_variant("p-best-effort", in_api=whatever_comes_of_it),
        sync_variant("p-background", in_api=replied_first),
    )
}
