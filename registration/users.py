"""The users table: the API stores the person before it calls or publishes, and the row stays whatever follows."""

from __future__ import annotations

from pathlib import Path

from registration.effects import open_database
from registration.registration import Registration


class Users:
    """`users.db`, one row per registration, one transaction each."""

    def __init__(self, directory: Path) -> None:
        self._connection = open_database(directory / "users.db")
        self._connection.execute(
            "CREATE TABLE IF NOT EXISTS users"
            " (registration_id TEXT PRIMARY KEY, user_id TEXT NOT NULL, email TEXT NOT NULL)"
        )

    def store(self, registration: Registration) -> None:
        """Commit the row. A registration sent twice keeps its first row."""
        self._connection.execute(
            "INSERT OR IGNORE INTO users VALUES (?, ?, ?)",
            (str(registration.registration_id), str(registration.user_id), registration.email),
        )

    def close(self) -> None:
        self._connection.close()
