"""SQLite: the row is committed before `apply` returns. It holds against the crash of a process, not against power loss.

The connection has a thread of its own: a commit that waits for a sibling's lock keeps no other registration waiting.
"""

from __future__ import annotations

import asyncio
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from registration.database import open_database
from registration.effects.destination import DestinationSettings
from registration.registration import Registration


class Sqlite:
    """One row per registration in `analytics.db`, one transaction each, on both sides."""

    def __init__(self, settings: DestinationSettings) -> None:
        self._path = Path(settings.directory) / "analytics.db"
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="sqlite")
        self._opened: sqlite3.Connection | None = None

    async def open(self) -> None:
        self._opened = await asyncio.get_running_loop().run_in_executor(self._thread, self._connect)

    async def apply(self, registration: Registration, idempotency_key: str) -> None:
        row = (str(registration.registration_id), str(registration.user_id), registration.email, idempotency_key)
        await asyncio.get_running_loop().run_in_executor(self._thread, self._insert, row)

    async def close(self) -> None:
        if self._opened is not None:
            await asyncio.get_running_loop().run_in_executor(self._thread, self._opened.close)
        self._thread.shutdown()

    def _connect(self) -> sqlite3.Connection:
        connection = open_database(self._path)
        # No unique key: applying an effect twice must be visible, not be hidden by the destination.
        connection.execute(
            "CREATE TABLE IF NOT EXISTS signups (registration_id TEXT NOT NULL, user_id TEXT NOT NULL,"
            " email TEXT NOT NULL, idempotency_key TEXT NOT NULL)"
        )
        return connection

    def _insert(self, row: tuple[str, str, str, str]) -> None:
        assert self._opened is not None, "opened before it is used"
        # IMMEDIATE takes the write lock at once instead of upgrading later, which could fail.
        self._opened.execute("BEGIN IMMEDIATE")
        try:
            self._opened.execute("INSERT INTO signups VALUES (?, ?, ?, ?)", row)
        except sqlite3.Error:
            self._opened.execute("ROLLBACK")
            raise
        self._opened.execute("COMMIT")
