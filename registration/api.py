"""The registration API, the same on both sides: store the user, tell the services, answer the person.

    POST /registrations  →  Sender.register (users.db, services)  →  reply

How the services are told, and what is stored together with the user, is the sender's business; it is all that the two
implementations differ in here.

Status codes say what may have happened: 4xx and 503 come before the user row is stored, any other failure after it.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from typing import Protocol, cast

from registration import luck
from registration.announce import AnnounceError, Store
from registration.call import PATHS, Call, Reply
from registration.registration import Registration
from registration.runtime.http import HOST
from registration.runtime.process import Runtime
from registration.trace import RecordKind, Trace
from registration.users import Users


class Sender(Protocol):
    """How the API tells the services. `ACCEPTED` is the status of a registration that was taken."""

    ACCEPTED: int

    @property
    def busy(self) -> int:
        """Calls or publishes under way, and what else is still to be done for registrations that have a reply."""
        ...

    async def open(self) -> None: ...

    async def register(self, registration: Registration) -> None:
        """Store the user and tell the services, in the variant's way. Raises AnnounceError."""
        ...

    async def probe(self, first_id: int) -> None: ...

    async def close(self) -> None: ...


def storing(users: Users, trace: Trace, broken: Callable[[BaseException], None]) -> Store:
    """The first half of a registration, which every variant begins with."""

    def store(registration: Registration, *, announce_later: bool = False) -> None:
        try:
            users.store(registration, announce_later=announce_later)
        except sqlite3.Error as error:
            # A database that does not take the user is a broken apparatus, not a behaviour to measure.
            broken(error)
            raise
        trace.record(RecordKind.STORED, registration.registration_id)

    return store


class Api:
    """The handler and its count of registrations under way."""

    def __init__(self, sender: Sender, trace: Trace) -> None:
        self._sender = sender
        self._trace = trace
        self._in_flight = 0

    @property
    def in_flight(self) -> int:
        """Registrations in the handler now: received and not replied to."""
        return self._in_flight

    @property
    def busy(self) -> int:
        return max(self._in_flight, self._sender.busy)

    async def answer(self, call: Call, entered_ns: int) -> Reply:
        """What the person gets."""
        registration = call.registration
        if luck.is_probe(registration.registration_id):
            return Reply(422, b'{"error": "this id is reserved for probes"}')
        self._in_flight += 1
        try:
            self._trace.record(RecordKind.RECEIVED, registration.registration_id, t_ns=entered_ns)
            try:
                await self._sender.register(registration)
                status = self._sender.ACCEPTED
            except AnnounceError as error:
                status = error.status
            self._trace.record(RecordKind.REPLIED, registration.registration_id, status=status)
            return Reply(status, json.dumps({"registration_id": str(registration.registration_id)}).encode())
        finally:
            self._in_flight -= 1


async def run(runtime: Runtime, make_sender: Callable[[Runtime, Store], Sender]) -> None:
    """The role `api`: serve until the harness closes the pipe."""
    trace = runtime.open_trace({"role": "api"})
    users = runtime.open_users()
    sender = make_sender(runtime, storing(users, trace, runtime.broken))
    await sender.open()
    api = Api(sender, trace)
    port, host = cast(int, runtime.settings["port"]), cast(str, runtime.settings.get("host", HOST))
    server = runtime.serve(PATHS["api"], api.answer, port, host)
    await server.open()
    sampler = runtime.sample_in_flight(lambda: api.in_flight)
    sampler.open()
    runtime.ready()
    probes = 0
    async for message in runtime.messages():
        match message["type"]:
            case "probe":
                # Ids run on from round to round, so that no two probes of a trial share one.
                await sender.probe(probes + 1)
                probes += luck.PROBES_PER_ROUND
            case "idle":
                runtime.send(type="idle", question=message["question"], busy=api.busy)
    await server.close()
    sampler.close()
    await sender.close()
    users.close()
    trace.close()
