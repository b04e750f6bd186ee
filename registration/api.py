"""The registration API, the same on both sides: store the user, inform the services, answer the person.

    POST /registrations  →  Sender.register (users.db, services)  →  reply

How the services are informed, and what is stored with the user, is the sender's business; it is all that the two
implementations differ in here.

Status codes say what may have happened: 4xx and 503 come before the user row is stored, any other failure after it.
"""

from __future__ import annotations

import itertools
import json
import logging
import sqlite3
from collections.abc import Callable, Iterator
from typing import Protocol

from registration import luck
from registration.announce import AnnounceError, Store
from registration.call import PATHS, Call, Reply
from registration.registration import Registration, probe
from registration.runtime.harness import Idle, Probe
from registration.runtime.process import Runtime
from registration.settings import ApiSettings
from registration.trace import RecordKind, Trace
from registration.users import Users

_log = logging.getLogger(__name__)


class Sender(Protocol):
    """How the API informs the services. `ACCEPTED` is the status of a registration that was taken."""

    ACCEPTED: int

    async def open(self) -> None: ...

    async def register(self, registration: Registration) -> None:
        """Store the user and inform the services, in the variant's way. Raises AnnounceError."""
        ...

    async def close(self) -> None: ...


def storing(users: Users, trace: Trace, broken: Callable[[BaseException], None]) -> Store:
    """The first half of a registration, which every variant begins with."""

    async def store(registration: Registration, *, announce_later: bool = False) -> None:
        is_probe = luck.is_probe(registration.registration_id)
        if is_probe and not announce_later:
            return  # nobody registered; only what is to be announced later has to be kept until then
        try:
            users.store(registration, announce_later=announce_later)
        except sqlite3.Error as error:
            # A database that does not take the user is broken apparatus, not behaviour to measure.
            broken(error)
            raise
        if not is_probe:
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


async def run(settings: ApiSettings, runtime: Runtime, make_sender: Callable[[Store], Sender]) -> None:
    """The role `api`: serve until the harness closes the pipe."""
    trace = runtime.open_trace({"role": "api"})
    users = runtime.open_users()
    sender = make_sender(storing(users, trace, runtime.harness.broken))
    await sender.open()
    api = Api(sender, trace)
    server = runtime.serve(PATHS["api"], api.answer, settings.address)
    await server.open()
    runtime.watch_in_flight(lambda: api.in_flight)
    runtime.harness.ready()
    numbers = itertools.count(1)  # ids run on from round to round, so that no two probes of a trial share one
    async for question in runtime.harness.questions():
        match question:
            case Probe():
                await _probe(sender, itertools.islice(numbers, settings.probes))
            case Idle(number):
                runtime.harness.send(type="idle", question=number, busy=runtime.busy)
    await server.close()
    await runtime.tasks.close()
    await sender.close()
    users.close()
    trace.close()


async def _probe(sender: Sender, numbers: Iterator[int]) -> None:
    """Register nobody, in the variant's own way. What fails is tried again in the next round."""
    for number in numbers:
        try:
            await sender.register(probe(number))
        except AnnounceError as error:
            _log.warning("a probe failed, the next round decides: %s", error)
