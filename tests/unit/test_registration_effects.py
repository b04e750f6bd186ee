"""Effects and users: what is in the databases, and that starting together does no harm."""

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from registration import luck
from registration.effects import Database, OutsideWorld
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


def test_an_effect_is_a_row_that_others_see_at_once(tmp_path: Path) -> None:
    database = Database(tmp_path)
    database.apply(REGISTRATION)
    assert rows(tmp_path / "analytics.db", "signups") == [ROW]
    database.close()


def test_an_effect_applied_twice_is_there_twice(tmp_path: Path) -> None:
    database = Database(tmp_path)
    database.apply(REGISTRATION)
    database.apply(REGISTRATION)
    assert rows(tmp_path / "analytics.db", "signups") == [ROW, ROW]
    database.close()


def test_an_effect_that_could_not_be_written_leaves_the_database_usable(tmp_path: Path) -> None:
    database = Database(tmp_path)
    broken = Registration(REGISTRATION.registration_id, REGISTRATION.user_id, None)  # type: ignore[arg-type]
    with pytest.raises(sqlite3.IntegrityError):
        database.apply(broken)
    database.apply(REGISTRATION)
    assert rows(tmp_path / "analytics.db", "signups") == [ROW]
    database.close()


def test_two_instances_write_to_one_database(tmp_path: Path) -> None:
    one, other = Database(tmp_path), Database(tmp_path)
    one.apply(REGISTRATION)
    other.apply(REGISTRATION)
    assert len(rows(tmp_path / "analytics.db", "signups")) == 2
    one.close()
    other.close()


def test_instances_that_start_at_the_same_moment_all_open_the_database(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from registration.effects import Database\n"
        "print('here', flush=True); sys.stdin.readline()\n"
        "for round in range(20):\n"
        "    place = Path(sys.argv[1], str(round)); place.mkdir(exist_ok=True); Database(place).close()\n"
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


def test_the_outside_world_keeps_nothing_here(tmp_path: Path) -> None:
    world = OutsideWorld(tmp_path)
    world.apply(REGISTRATION)
    world.close()
    assert list(tmp_path.iterdir()) == []


def test_the_roster_names_the_services_of_the_text_in_its_order() -> None:
    assert list(ROSTER) == ["email", "analytics", "cache"]


def test_analytics_alone_writes_to_a_database() -> None:
    assert {name for name, kind in ROSTER.items() if kind.destination is Database} == {"analytics"}


def test_a_service_that_the_roster_does_not_know_acts_on_the_outside_world() -> None:
    kind = kind_of("fraud-check")
    assert kind.name == "fraud-check"
    assert kind.destination is OutsideWorld
    assert kind.latency.mean_ms() == 10.0
