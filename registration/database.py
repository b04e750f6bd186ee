"""SQLite as this project opens it: its commits survive the crash of a process, not the loss of power."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path

# A sibling instance holds the write lock for one small transaction at a time; this is far beyond any of them.
_LOCK_TIMEOUT_S = 5.0


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
