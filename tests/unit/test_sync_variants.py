"""In which order, and how patiently, each variant of the direct-call side calls."""

import asyncio
from dataclasses import dataclass, field

import pytest

from registration import luck
from registration.api import AnnounceError
from registration.registration import Registration, user_id
from sync_impl.variants import VARIANTS

SERVICES = ["email", "analytics", "cache"]
REGISTRATION = Registration(luck.registration_id(1, 0), user_id(1, 0), "user-0@example.com")


@dataclass
class Services:
    """Fake services; each call notes its begin and its end."""

    failing: dict[str, AnnounceError] = field(default_factory=dict)
    said: list[str] = field(default_factory=list)

    async def call(self, service: str, registration: Registration) -> None:
        assert registration is REGISTRATION
        self.said.append(f"{service} begins")
        # The later a service stands in the roster, the sooner it ends.
        for _ in range(10 - SERVICES.index(service)):
            await asyncio.sleep(0)
        if service in self.failing:
            raise self.failing[service]
        self.said.append(f"{service} ends")


async def test_sync_calls_one_after_the_other_in_the_order_of_the_roster() -> None:
    services = Services()
    await VARIANTS["sync"](services.call, SERVICES, REGISTRATION)
    assert services.said == [f"{name} {what}" for name in SERVICES for what in ("begins", "ends")]


async def test_sync_ends_at_the_first_failure() -> None:
    services = Services({"analytics": AnnounceError(504, "slow")})
    with pytest.raises(AnnounceError, match="slow"):
        await VARIANTS["sync"](services.call, SERVICES, REGISTRATION)
    assert services.said == ["email begins", "email ends", "analytics begins"]


async def test_sync_concurrent_calls_all_at_once() -> None:
    services = Services()
    await VARIANTS["sync-concurrent"](services.call, SERVICES, REGISTRATION)
    assert services.said[:3] == [f"{name} begins" for name in SERVICES]
    assert sorted(services.said[3:]) == sorted(f"{name} ends" for name in SERVICES)


async def test_sync_concurrent_waits_for_the_others_after_a_failure() -> None:
    services = Services({"cache": AnnounceError(502, "broken")})
    with pytest.raises(AnnounceError, match="broken"):
        await VARIANTS["sync-concurrent"](services.call, SERVICES, REGISTRATION)
    assert {"email ends", "analytics ends"} <= set(services.said)


async def test_sync_concurrent_tells_of_the_first_failure_in_the_order_of_the_roster() -> None:
    services = Services({"cache": AnnounceError(502, "later"), "email": AnnounceError(504, "earlier")})
    with pytest.raises(AnnounceError, match="earlier"):
        await VARIANTS["sync-concurrent"](services.call, SERVICES, REGISTRATION)


def test_the_variants_of_this_side_are_those_of_the_design() -> None:
    assert list(VARIANTS) == ["sync", "sync-concurrent"]
