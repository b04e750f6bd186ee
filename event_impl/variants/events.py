"""`events`: reply when the broker has the event; failing work is retried in place, and holds the offsets behind it."""

from __future__ import annotations

from dataclasses import dataclass

from event_impl.brokers.port import Publishing, Subscription
from event_impl.variants.variant import ApiTools, Heard, Hearing, Register, ServiceTools, Variant
from registration.options import duration
from registration.registration import Registration
from registration.variant import Promise
from registration.work import WorkError


@dataclass(frozen=True)
class Options:
    """What a scenario may set."""

    timeout_s: float = duration(2.0, "one publish in all, until the broker has confirmed it")
    first_wait_s: float = duration(
        0.1, "the wait before the second attempt at failing work; each later one is twice as long"
    )
    longest_wait_s: float = duration(2.0, "what these waits grow to")


def in_api(options: Options, tools: ApiTools) -> Register:
    async def register(registration: Registration) -> None:
        await tools.store(registration)
        await tools.publish(registration, timeout_s=options.timeout_s)

    return register


def in_service(options: Options, tools: ServiceTools) -> Hearing:
    async def work(heard: Heard) -> None:
        # Endless: an event that cannot be worked on blocks its partition rather than being lost. A loop instead of a
        # library, which would cost each first attempt, which usually succeeds, more than the attempt itself.
        attempt, wait_s = 1, options.first_wait_s
        while True:
            try:
                return await tools.worker.perform(heard.registration, heard.number, attempt, heard.key)
            except WorkError:
                await tools.clock.sleep_until(tools.clock.now_ns() + round(wait_s * 1e9))
                attempt, wait_s = attempt + 1, min(2 * wait_s, options.longest_wait_s)

    return Hearing(work, Subscription(tools.usual_unsettled))


EVENTS = Variant(
    name="events",
    sentence="replies when the broker has the event; consumers commit offsets only past work that is done, and retry",
    options=Options,
    promises=frozenset({Promise.NOT_LOST}),
    in_api=in_api,
    in_service=in_service,
    publishing=lambda options: Publishing(options.timeout_s),
)
