"""The registration API, the same on both sides: store the user, tell the services, answer the person.

    POST /registrations  →  users.db  →  Sender.announce  →  reply
    GET  /ready          →  200

How the services are told is the sender's business; it is all that the two implementations differ in here.

Status codes say what may have happened: 4xx and 503 come before the user row is stored, any other failure after it.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from typing import Protocol, cast

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from registration import luck
from registration.http import HOST, HttpServer
from registration.in_flight import InFlightSampler
from registration.process import Link
from registration.registration import Registration
from registration.trace import Kind, Trace
from registration.users import Users


class AnnounceError(Exception):
    """The services could not all be told. `status` is what the person gets."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Sender(Protocol):
    """How the API tells the services. `ACCEPTED` is the status of a registration that was announced."""

    ACCEPTED: int

    @property
    def busy(self) -> int:
        """Calls or publishes under way."""
        ...

    async def open(self) -> None: ...

    async def announce(self, registration: Registration) -> None: ...

    async def probe(self, first_id: int) -> None: ...

    async def close(self) -> None: ...


class Api:
    """The handlers and their count of registrations under way."""

    def __init__(
        self,
        sender: Sender,
        users: Users,
        trace: Trace,
        broken: Callable[[BaseException], None],
        clock_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self._sender = sender
        self._users = users
        self._trace = trace
        self._broken = broken
        self._clock_ns = clock_ns
        self._in_flight = 0

    @property
    def in_flight(self) -> int:
        """Registrations in the handler now: received and not replied to."""
        return self._in_flight

    @property
    def busy(self) -> int:
        return max(self._in_flight, self._sender.busy)

    def app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/registrations", self.register, methods=["POST"]),
                Route("/ready", self.ready, methods=["GET"]),
            ]
        )

    async def ready(self, _request: Request) -> Response:
        return Response(status_code=200)

    async def register(self, request: Request) -> Response:
        entered_ns = self._clock_ns()
        self._in_flight += 1
        try:
            try:
                registration = Registration.from_json(await request.body(), request.headers.get("traceparent", ""))
            except ValueError as error:
                return JSONResponse({"error": str(error)}, status_code=422)
            if luck.is_probe(registration.registration_id):
                return JSONResponse({"error": "this id is reserved for probes"}, status_code=422)
            self._trace.record(Kind.RECEIVED, registration.registration_id, t_ns=entered_ns)
            status = await self._register(registration)
            self._trace.record(Kind.REPLIED, registration.registration_id, status=status)
            return JSONResponse({"registration_id": str(registration.registration_id)}, status_code=status)
        finally:
            self._in_flight -= 1

    async def _register(self, registration: Registration) -> int:
        try:
            self._users.store(registration)
        except sqlite3.Error as error:
            # A database that does not take the user is a broken apparatus, not a behaviour to measure.
            self._broken(error)
            raise
        self._trace.record(Kind.STORED, registration.registration_id)
        try:
            await self._sender.announce(registration)
        except AnnounceError as error:
            return error.status
        return self._sender.ACCEPTED


async def run(link: Link, make_sender: Callable[[Link], Sender]) -> None:
    """The role `api`: serve until the harness closes the pipe."""
    trace = link.open_trace({"role": "api"})
    users = Users(link.directory)
    sender = make_sender(link)
    await sender.open()
    api = Api(sender, users, trace, link.broken)
    server = HttpServer(api.app(), cast(int, link.settings["port"]), cast(str, link.settings.get("host", HOST)))
    await server.open()
    sampler = InFlightSampler(link.trace_path().with_suffix(".inflight"), lambda: api.in_flight)
    sampler.open()
    link.ready()
    probes = 0
    async for message in link.messages():
        match message["type"]:
            case "probe":
                # Ids run on from round to round, so that no two probes of a trial share one.
                await sender.probe(probes + 1)
                probes += luck.PROBES_PER_ROUND
            case "idle":
                link.send(type="idle", question=message["question"], busy=api.busy)
    await server.close()
    sampler.close()
    await sender.close()
    users.close()
    trace.close()
