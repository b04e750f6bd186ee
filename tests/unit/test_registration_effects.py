"""Effects and users: what is in the databases, and that starting together does no harm."""

import asyncio
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from registration import luck
from registration.effects import DESTINATIONS
from registration.effects.destination import Destination, DestinationSettings
from registration.registration import Registration, user_id
from registration.services import ROSTER, kind_of
from registration.users import SqliteUsers

REGISTRATION = Registration(luck.registration_id(1, 0), user_id(1, 0), "user-0@example.com")
ROW = (str(REGISTRATION.registration_id), str(REGISTRATION.user_id), "user-0@example.com")


def rows(path: Path, table: str) -> list[tuple[object, ...]]:
    connection = sqlite3.connect(path)
    try:
        return connection.execute(f"SELECT * FROM {table}").fetchall()
    finally:
        connection.close()


async def opened(directory: Path, kind: str = "sqlite") -> Destination:
    destination = DESTINATIONS[kind](DestinationSettings(kind, str(directory)))
    await destination.open()
    return destination


async def test_an_effect_is_a_row_that_others_see_at_once(tmp_path: Path) -> None:
    database = await opened(tmp_path)
    await database.apply(REGISTRATION, "k")
    assert rows(tmp_path / "analytics.db", "signups") == [(*ROW, "k")]
    await database.close()


async def test_an_effect_applied_twice_is_there_twice(tmp_path: Path) -> None:
    database = await opened(tmp_path)
    await database.apply(REGISTRATION, "k")
    await database.apply(REGISTRATION, "k")
    assert rows(tmp_path / "analytics.db", "signups") == [(*ROW, "k")] * 2
    await database.close()


async def test_an_effect_that_could_not_be_written_leaves_the_database_usable(tmp_path: Path) -> None:
    database = await opened(tmp_path)
    broken = Registration(REGISTRATION.registration_id, REGISTRATION.user_id, None)  # type: ignore[arg-type]
    with pytest.raises(sqlite3.IntegrityError):
        await database.apply(broken, "")
    await database.apply(REGISTRATION, "")
    assert rows(tmp_path / "analytics.db", "signups") == [(*ROW, "")]
    await database.close()


async def test_two_instances_write_to_one_database(tmp_path: Path) -> None:
    one, other = await opened(tmp_path), await opened(tmp_path)
    await asyncio.gather(*(database.apply(REGISTRATION, "") for database in (one, other) * 10))
    assert len(rows(tmp_path / "analytics.db", "signups")) == 20
    await one.close()
    await other.close()


async def test_a_row_that_waits_for_a_lock_keeps_nothing_else_waiting(tmp_path: Path) -> None:
    database = await opened(tmp_path)
    sibling = sqlite3.connect(tmp_path / "analytics.db", isolation_level=None)
    sibling.execute("BEGIN IMMEDIATE")
    applying = asyncio.create_task(database.apply(REGISTRATION, ""))
    for _ in range(20):
        await asyncio.sleep(0.001)  # the loop turns, or this test does not end before the lock's five seconds do
    assert not applying.done()
    sibling.execute("COMMIT")
    await applying
    assert len(rows(tmp_path / "analytics.db", "signups")) == 1
    sibling.close()
    await database.close()


def test_instances_that_start_at_the_same_moment_all_open_the_database(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from registration.database import open_database\n"
        "print('here', flush=True); sys.stdin.readline()\n"
        "for round in range(20):\n"
        "    open_database(Path(sys.argv[1], f'{round}.db')).close()\n"
    )
    tree = Path(__file__).parents[2]
    starting = [
        subprocess.Popen(
            [sys.executable, "-c", program, str(tmp_path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=tree,
        )
        for _ in range(3)
    ]
    for process in starting:
        assert process.stdout is not None
        assert process.stdout.readline() == b"here\n"
    errors = [process.communicate(b"go\n", timeout=30)[1].decode() for process in starting]
    assert errors == ["", "", ""]


def test_a_user_stored_twice_keeps_the_first_row(tmp_path: Path) -> None:
    users = SqliteUsers(tmp_path)
    users.store(REGISTRATION)
    users.store(Registration(REGISTRATION.registration_id, REGISTRATION.user_id, "other@example.com"))
    assert rows(tmp_path / "users.db", "users") == [ROW]
    users.close()


async def test_the_outside_world_keeps_nothing_here(tmp_path: Path) -> None:
    world = await opened(tmp_path, "outside-world")
    await world.apply(REGISTRATION, "k")
    await world.close()
    assert list(tmp_path.iterdir()) == []


def test_the_roster_names_the_services_of_the_text_in_its_order() -> None:
    assert list(ROSTER) == ["email", "analytics", "cache"]


def test_analytics_alone_writes_to_a_database() -> None:
    assert {name for name, kind in ROSTER.items() if kind.destination == "sqlite"} == {"analytics"}


def test_a_service_that_the_roster_does_not_know_acts_on_the_outside_world() -> None:
    kind = kind_of("fraud-check")
    assert kind.name == "fraud-check"
    assert kind.destination == "outside-world"
    assert kind.latency.mean_ms() == 10.0
