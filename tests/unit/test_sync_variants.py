"""In which order, and how patiently, each variant of the direct-call side calls."""

import asyncio
from dataclasses import dataclass, field

import pytest

from registration import luck
from registration.announce import AnnounceError
from registration.luck import Luck
from registration.registration import Registration, user_id
from registration.runtime.alarm import MonotonicClock
from sync_impl.variants import VARIANTS
from sync_impl.variants.variant import ApiTools

SERVICES = ["email", "analytics", "cache"]
REGISTRATION = Registration(luck.registration_id(1, 0), user_id(1, 0), "user-0@example.com")


@dataclass
class Services:
    """Fake services; each call notes its begin and its end."""

    failing: dict[str, AnnounceError] = field(default_factory=dict)
    said: list[str] = field(default_factory=list)
    stored: list[Registration] = field(default_factory=list)

    async def register(self, variant: str) -> None:
        listed = VARIANTS[variant]
        tools = ApiTools(MonotonicClock(), Luck(1), SERVICES, self.store, self.call, self.in_background)
        await listed.in_api(listed.options(), tools)(REGISTRATION)

    async def store(self, registration: Registration, *, announce_later: bool = False) -> None:
        assert not announce_later
        self.stored.append(registration)

    def in_background(self, work: object) -> None:
        raise AssertionError("nothing of these goes on after the reply")

    async def call(
        self,
        service: str,
        registration: Registration,
        *,
        timeout_s: float,
        attempt: int = 1,
        deadline_ns: int | None = None,
        idempotency_key: str = "",
    ) -> None:
        assert registration is REGISTRATION
        assert (timeout_s, attempt, deadline_ns, idempotency_key) == (2.0, 1, None, "")
        assert self.stored == [registration], "the row comes first"
        self.said.append(f"{service} begins")
        # The later a service stands in the roster, the sooner it ends.
        for _ in range(10 - SERVICES.index(service)):
            await asyncio.sleep(0)
        if service in self.failing:
            raise self.failing[service]
        self.said.append(f"{service} ends")


async def test_sync_calls_one_after_the_other_in_the_order_of_the_roster() -> None:
    services = Services()
    await services.register("sync")
    assert services.said == [f"{name} {what}" for name in SERVICES for what in ("begins", "ends")]


async def test_sync_ends_at_the_first_failure() -> None:
    services = Services({"analytics": AnnounceError(504, "slow")})
    with pytest.raises(AnnounceError, match="slow"):
        await services.register("sync")
    assert services.said == ["email begins", "email ends", "analytics begins"]


async def test_sync_concurrent_calls_all_at_once() -> None:
    services = Services()
    await services.register("sync-concurrent")
    assert services.said[:3] == [f"{name} begins" for name in SERVICES]
    assert sorted(services.said[3:]) == sorted(f"{name} ends" for name in SERVICES)


async def test_sync_concurrent_waits_for_the_others_after_a_failure() -> None:
    services = Services({"cache": AnnounceError(502, "broken")})
    with pytest.raises(AnnounceError, match="broken"):
        await services.register("sync-concurrent")
    assert {"email ends", "analytics ends"} <= set(services.said)


async def test_sync_concurrent_tells_of_the_first_failure_in_the_order_of_the_roster() -> None:
    services = Services({"cache": AnnounceError(502, "later"), "email": AnnounceError(504, "earlier")})
    with pytest.raises(AnnounceError, match="earlier"):
        await services.register("sync-concurrent")
