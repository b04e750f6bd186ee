"""A service's work: a registration waits its turn, takes its time, fails or leaves its effect.

    receive → queue (arrival order) → [slot: judge → hang → latency → fail | apply]

The same class does the work on both sides; only the way in differs. `judge` is pure: what an attempt will do follows
from the settings, the draw and the instant at which work begins, so that a replay can compute it.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable
from dataclasses import dataclass

from registration import luck
from registration.clock import Clock
from registration.effects.destination import Destination
from registration.faults import WorkFault
from registration.latency import Latency
from registration.registration import Registration
from registration.trace import RecordKind, Trace

ERROR_STATUS = 500  # what a service answers when its own `errorRate` strikes


class WorkError(Exception):
    """An attempt ended without an effect. `status` is the HTTP status that says so."""

    def __init__(self, status: int) -> None:
        super().__init__(f"the work failed ({status})")
        self.status = status


class Revoked(Exception):  # noqa: N818 - reads as what happened
    """The delivery has been given to somebody else before the attempt began."""


@dataclass(frozen=True)
class WorkSettings:
    """One service instance, as the scenario describes it. `concurrency`: registrations at work at once."""

    service: str
    instance: int
    block_seed: int
    latency: Latency
    error_rate: float = 0.0
    concurrency: int = 64
    faults: tuple[WorkFault, ...] = ()


@dataclass(frozen=True)
class Judgement:
    """What one attempt will do. `hang_until_ns` is scenario time; `status` is None where the attempt succeeds."""

    work_ms: float
    hang_until_ns: int | None
    status: int | None


def judge(settings: WorkSettings, registration_id: uuid.UUID, attempt: int, at_ns: int) -> Judgement:
    """Decide an attempt whose work begins at scenario time `at_ns`."""

    def draw(purpose: str) -> float:
        return luck.uniform(settings.block_seed, registration_id, settings.service, attempt, purpose)

    work_ms = settings.latency.sample_ms(draw("latency"))
    status = ERROR_STATUS if settings.error_rate > 0 and draw("error") < settings.error_rate else None
    hang_until_ns: int | None = None
    for fault in settings.faults:
        if not fault.active_at(at_ns) or not fault.hits(draw):
            continue
        work_ms += fault.added_ms(draw)
        status = fault.status if fault.status is not None else status
        if fault.holds:
            hang_until_ns = max(hang_until_ns or 0, fault.end_ns)
    return Judgement(max(work_ms, 0.0), hang_until_ns, status)


class Worker:
    """Does one instance's work. A probe, which proves that the instance hears, is reported by `probed` and no work."""

    def __init__(
        self,
        settings: WorkSettings,
        destination: Destination,
        trace: Trace,
        clock: Clock,
        probed: Callable[[], None] = lambda: None,
    ) -> None:
        self.settings = settings
        self._destination = destination
        self._trace = trace
        self._clock = clock
        self._probed = probed
        self._slots = asyncio.Semaphore(settings.concurrency)  # hands out slots in the order of asking
        self._start_ns: int | None = None
        self._deliveries = 0
        self._revoked: set[int] = set()

    def start(self, start_ns: int) -> None:
        """Set the instant of scenario time 0; before it is known no fault is active."""
        self._start_ns = start_ns

    def receive(self, registration: Registration) -> int:
        """Record that a registration is in hand, and number this delivery of it."""
        if luck.is_probe(registration.registration_id):
            return 0
        self._deliveries += 1
        self._trace.record(RecordKind.RECEIVED, registration.registration_id, delivery=self._deliveries)
        return self._deliveries

    async def perform(
        self, registration: Registration, delivery: int, attempt: int = 1, idempotency_key: str = ""
    ) -> None:
        """One attempt at the work. Returns when the effect is in its destination; raises WorkError, or Revoked."""
        id_ = registration.registration_id
        if luck.is_probe(id_):
            self._probed()
            return
        async with self._slots:
            if delivery in self._revoked:
                raise Revoked
            self._trace.record(RecordKind.STARTED, id_, delivery=delivery, attempt=attempt)
            begun_ns = self._clock.now_ns()
            start_ns = self._start_ns
            # Without a start there is no scenario time yet, hence an instant before every fault.
            at_ns = begun_ns - start_ns if start_ns is not None else -(2**62)
            judgement = judge(self.settings, id_, attempt, at_ns)
            if judgement.hang_until_ns is not None and start_ns is not None:
                begun_ns = max(begun_ns, start_ns + judgement.hang_until_ns)
            await self._clock.sleep_until(begun_ns + round(judgement.work_ms * 1e6))
            if judgement.status is not None:
                self._trace.record(RecordKind.FAILED, id_, delivery=delivery, attempt=attempt, status=judgement.status)
                raise WorkError(judgement.status)
            await self._destination.apply(registration, idempotency_key)
            self._trace.record(RecordKind.APPLIED, id_, delivery=delivery, attempt=attempt)

    def revoke(self, delivery: int) -> None:
        """Begin no attempt at this delivery any more; one that has begun is finished."""
        self._revoked.add(delivery)

    def settled(self, registration: Registration, delivery: int) -> None:
        """Record that this delivery will not come again."""
        if not luck.is_probe(registration.registration_id):
            self._trace.record(RecordKind.SETTLED, registration.registration_id, delivery=delivery)
