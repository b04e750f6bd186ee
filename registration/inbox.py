"""An inbox: what a service has done already, by a key, so that it can skip what comes again.

It outlives the process, and a service's instances share it. It stands beside the destination, not in it: after a kill
between the effect and the note, the effect comes twice. Only a destination that knows the key can close that gap.
"""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from registration.database import open_database


class Inbox(Protocol):
    """Keys survive the process that noted them."""

    def seen(self, key: str) -> bool:
        """Whether it was noted, by any instance."""
        ...

    def note(self, key: str) -> None:
        """It is done. Returns once the note is safe."""
        ...


class SqliteInbox:
    """`inbox-<service>.db`, one transaction per note."""

    def __init__(self, directory: Path, service: str) -> None:
        self._connection = open_database(directory / f"inbox-{service}.db")
        self._connection.execute("CREATE TABLE IF NOT EXISTS done (key TEXT PRIMARY KEY) WITHOUT ROWID")

    def seen(self, key: str) -> bool:
        return self._connection.execute("SELECT 1 FROM done WHERE key = ?", (key,)).fetchone() is not None

    def note(self, key: str) -> None:
        self._connection.execute("INSERT OR IGNORE INTO done VALUES (?)", (key,))
