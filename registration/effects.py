"""Effects and their destinations: what a service's work leaves behind, and where.

    OutsideWorld  an email is sent, a cache entry is gone: no transaction takes it back, and the trace's record
                  `applied` is the delivery itself
    Database      a row in SQLite, committed before `apply` returns

Both hold against the crash of a process, not against the loss of power.
"""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path
from typing import Protocol

from registration.registration import Registration

# A sibling instance holds the write lock for one small transaction at a time; this is far beyond any of them.
_LOCK_TIMEOUT_S = 5.0


class Destination(Protocol):
    """Where an effect goes. `apply` returns once the effect is there."""

    def apply(self, registration: Registration) -> None: ...

    def close(self) -> None: ...


class OutsideWorld:
    """A destination that keeps nothing of its own."""

    def __init__(self, _directory: Path) -> None:
        pass

    def apply(self, registration: Registration) -> None:
        """Nothing to write: the caller records `applied`, and that record is the delivery."""

    def close(self) -> None:
        pass


def open_database(path: Path) -> sqlite3.Connection:
    """A SQLite connection in WAL mode whose commit survives the crash of the process."""
    connection = sqlite3.connect(path, timeout=_LOCK_TIMEOUT_S, isolation_level=None)
    _switch_to_wal(connection)
    # The operating system holds what was written; only a power loss needs an fsync a commit.
    connection.execute("PRAGMA synchronous = OFF")
    return connection


def _switch_to_wal(connection: sqlite3.Connection) -> None:
    """The one statement that does not wait for a lock: two instances that open a new file at once collide in it."""
    deadline_s = time.monotonic() + _LOCK_TIMEOUT_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError:
            if time.monotonic() > deadline_s:
                raise
            time.sleep(0.01)
        else:
            return


class Database:
    """One row per registration in `analytics.db`, one transaction each, on both sides."""

    def __init__(self, directory: Path) -> None:
        self._connection = open_database(directory / "analytics.db")
        # No unique key: applying an effect twice must be visible, not be hidden by the destination.
        self._connection.execute(
            "CREATE TABLE IF NOT EXISTS signups"
            " (registration_id TEXT NOT NULL, user_id TEXT NOT NULL, email TEXT NOT NULL)"
        )

    def apply(self, registration: Registration) -> None:
        # IMMEDIATE takes the write lock at once instead of upgrading later, which could fail; and nothing may await
        # in here, since a process stopped inside a transaction locks its siblings.
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            self._connection.execute(
                "INSERT INTO signups VALUES (?, ?, ?)",
                (str(registration.registration_id), str(registration.user_id), registration.email),
            )
        except sqlite3.Error:
            self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")

    def close(self) -> None:
        self._connection.close()
