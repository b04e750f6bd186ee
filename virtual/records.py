"""What outlives a virtual process: its trace, the users table, the effects. A dead process writes nothing more."""

from __future__ import annotations

import uuid
from collections import Counter

from registration.clock import Clock
from registration.effects.destination import Destination
from registration.inbox import Inbox
from registration.registration import Registration
from registration.trace import Trace, TraceRecord
from registration.users import Users
from virtual.process import Process


class UserTable:
    """The rows of a virtual `users.db`."""

    def __init__(self) -> None:
        self.users: dict[uuid.UUID, Registration] = {}
        self.outbox: dict[int, Registration] = {}
        self.last_number = 0


class MemoryTrace(Trace):
    """Appends to a list outside of the process."""

    def __init__(self, process: Process, clock: Clock, records: list[TraceRecord]) -> None:
        self._process = process
        self._clock_ns = clock.now_ns
        self._records = records

    def close(self) -> None:
        pass

    def _append(self, record: TraceRecord) -> None:
        if self._process.reach():
            self._records.append(record)


class MemoryUsers(Users):
    """One process's connection to the table."""

    def __init__(self, process: Process, table: UserTable) -> None:
        self._process = process
        self._table = table

    def store(self, registration: Registration, *, announce_later: bool = False) -> None:
        table = self._table
        if registration.registration_id in table.users or not self._process.reach():
            return
        table.users[registration.registration_id] = registration
        if announce_later:
            table.last_number += 1
            table.outbox[table.last_number] = registration

    def to_announce(self, most: int) -> list[tuple[int, Registration]]:
        return list(self._table.outbox.items())[:most]

    def waiting(self) -> int:
        return len(self._table.outbox)

    def announced(self, number: int) -> None:
        if self._process.reach():
            self._table.outbox.pop(number, None)

    def close(self) -> None:
        pass


class MemoryDestination(Destination):
    """Counts each effect."""

    def __init__(self, process: Process, effects: Counter[uuid.UUID]) -> None:
        self._process = process
        self._effects = effects

    async def open(self) -> None:
        pass

    async def apply(self, registration: Registration, _idempotency_key: str) -> None:
        if self._process.reach():
            self._effects[registration.registration_id] += 1

    async def close(self) -> None:
        pass


class MemoryInbox(Inbox):
    """Keeps a set outside of the process."""

    def __init__(self, process: Process, done: set[str]) -> None:
        self._process = process
        self._done = done

    def seen(self, key: str) -> bool:
        return key in self._done

    def note(self, key: str) -> None:
        if self._process.reach():
            self._done.add(key)
