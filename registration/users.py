"""The users table, and what waits in the same database to be announced.

The API stores the person before it calls or publishes, and the row stays whatever follows. A variant may put down in
the same transaction that the registration is still to be announced (an outbox), for a process of its own to announce.
"""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Protocol

from registration.database import open_database
from registration.registration import Registration


class Users(Protocol):
    """Rows survive the process that wrote them."""

    def store(self, registration: Registration, *, announce_later: bool = False) -> None:
        """Commit the row, and that it is still to be announced. A registration sent twice keeps its first row."""
        ...

    def to_announce(self, most: int) -> list[tuple[int, Registration]]:
        """What is still to be announced, in the order in which it was stored, each with its number."""
        ...

    def waiting(self) -> int:
        """How many are still to be announced."""
        ...

    def announced(self, number: int) -> None:
        """One is announced and need not be again."""
        ...

    def close(self) -> None: ...


class SqliteUsers:
    """`users.db`, one row per registration, one transaction each."""

    def __init__(self, directory: Path) -> None:
        self._connection = open_database(directory / "users.db")
        self._connection.execute(
            "CREATE TABLE IF NOT EXISTS users"
            " (registration_id TEXT PRIMARY KEY, user_id TEXT NOT NULL, email TEXT NOT NULL)"
        )
        self._connection.execute(
            "CREATE TABLE IF NOT EXISTS outbox (number INTEGER PRIMARY KEY AUTOINCREMENT,"
            " registration_id TEXT NOT NULL, user_id TEXT NOT NULL, email TEXT NOT NULL, traceparent TEXT NOT NULL)"
        )

    def store(self, registration: Registration, *, announce_later: bool = False) -> None:
        row = (str(registration.registration_id), str(registration.user_id), registration.email)
        if not announce_later:
            self._connection.execute("INSERT OR IGNORE INTO users VALUES (?, ?, ?)", row)
            return
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            if self._connection.execute("INSERT OR IGNORE INTO users VALUES (?, ?, ?)", row).rowcount:
                self._connection.execute(
                    "INSERT INTO outbox (registration_id, user_id, email, traceparent) VALUES (?, ?, ?, ?)",
                    (*row, registration.traceparent),
                )
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")

    def to_announce(self, most: int) -> list[tuple[int, Registration]]:
        rows = self._connection.execute("SELECT * FROM outbox ORDER BY number LIMIT ?", (most,))
        return [
            (number, Registration(uuid.UUID(id_), uuid.UUID(user), email, traceparent))
            for number, id_, user, email, traceparent in rows
        ]

    def waiting(self) -> int:
        (count,) = self._connection.execute("SELECT count(*) FROM outbox").fetchone()
        return int(count)

    def announced(self, number: int) -> None:
        self._connection.execute("DELETE FROM outbox WHERE number = ?", (number,))

    def close(self) -> None:
        self._connection.close()
