"""An inbox: what one instance notes, every other one of its service has seen, whatever became of the first."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from registration.inbox import Inbox, SqliteInbox
from virtual import Process, VirtualLoop
from virtual.records import MemoryInbox

Open = Callable[[str], Inbox]


@pytest.fixture(params=["sqlite", "memory"])
def open_inbox(request: pytest.FixtureRequest, tmp_path: Path) -> Open:
    if request.param == "sqlite":
        return lambda service: SqliteInbox(tmp_path, service)
    process = Process(VirtualLoop(), "email/0")
    kept: dict[str, set[str]] = {}
    return lambda service: MemoryInbox(process, kept.setdefault(service, set()))


def test_what_is_noted_is_seen_by_all_instances_of_the_service_and_by_no_other_service(open_inbox: Open) -> None:
    one, other, elsewhere = open_inbox("email"), open_inbox("email"), open_inbox("cache")
    assert not other.seen("a")
    one.note("a")
    one.note("a")
    assert other.seen("a")
    assert not other.seen("b")
    assert not elsewhere.seen("a")


def test_the_dead_note_nothing() -> None:
    kept: set[str] = set()
    process = Process(VirtualLoop(), "email/0")
    inbox = MemoryInbox(process, kept)
    process.kill()
    inbox.note("a")
    assert kept == set()
