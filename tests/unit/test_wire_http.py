"""The HTTP wire: what it sends, what it makes of silence, and that a pool belongs to one service."""

import httpx
import pytest

from registration import luck
from registration.address import LOOPBACK, Address
from registration.call import Call
from registration.registration import Registration, body_of, traceparent_of, user_id
from sync_impl.variants.variant import Calling
from sync_impl.wires import http
from sync_impl.wires.http import HttpWire
from sync_impl.wires.port import WireError

ID = luck.registration_id(1, 0)
REGISTRATION = Registration(ID, user_id(1, 0), "user-0@example.com", traceparent_of(ID))
CALL = Call(REGISTRATION, attempt=3, deadline_ns=17, idempotency_key="k")


class Pools:
    """Transports that hand each request to `answer`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.made = 0
        self.requests: list[httpx.Request] = []
        self.error: Exception | None = None
        monkeypatch.setattr(http, "AiohttpTransport", self._make)

    def _make(self, **_: object) -> httpx.MockTransport:
        self.made += 1
        return httpx.MockTransport(self._answer)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        if self.error is not None:
            raise self.error
        return httpx.Response(418)


@pytest.fixture(params=[Calling(), Calling(bare_transport=True)], ids=["client", "bare transport"])
def calling(request: pytest.FixtureRequest) -> Calling:
    found: Calling = request.param
    return found


@pytest.fixture
def pools(monkeypatch: pytest.MonkeyPatch) -> Pools:
    return Pools(monkeypatch)


async def test_all_of_a_call_crosses_the_wire(pools: Pools, calling: Calling) -> None:
    wire = HttpWire(calling)
    wire.open("email")
    assert await wire.send("email", Address(LOOPBACK, 1001), CALL) == 418
    (request,) = pools.requests
    assert (request.method, str(request.url)) == ("POST", "http://127.0.0.1:1001/work")
    assert request.content == body_of(REGISTRATION)
    assert Call.read(request.content, request.headers) == CALL


async def test_each_service_has_a_pool_of_its_own(pools: Pools, calling: Calling) -> None:
    wire = HttpWire(calling)
    wire.open("email")
    wire.open("cache")
    assert pools.made == 2


@pytest.mark.parametrize("error", [httpx.ConnectError("refused"), httpx.ReadError("reset")])
async def test_a_call_that_finds_nobody_is_a_wire_error(pools: Pools, calling: Calling, error: Exception) -> None:
    pools.error = error
    wire = HttpWire(calling)
    wire.open("email")
    with pytest.raises(WireError, match=type(error).__name__):
        await wire.send("email", Address(LOOPBACK, 1001), CALL)
