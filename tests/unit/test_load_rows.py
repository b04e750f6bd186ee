"""The rows of the load generator: one per scheduled arrival, readable whatever happens."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks.load.rows import (
    NO_TIME,
    ROW_DTYPE,
    SCHEDULE_DTYPE,
    GrowingRows,
    NoRoomError,
    Outcome,
    Rows,
    read,
    schedule_of,
)


def schedule(*arrivals: tuple[int, int]) -> np.ndarray:
    return np.array(list(arrivals), dtype=SCHEDULE_DTYPE)


def test_a_row_is_forty_bytes() -> None:
    assert ROW_DTYPE.itemsize == 40


def test_every_arrival_has_a_pending_row_before_the_load(tmp_path: Path) -> None:
    Rows(tmp_path / "load.rows", schedule((-1, -500), (0, 10), (1, 20)))
    rows = read(tmp_path / "load.rows")
    assert rows["index"].tolist() == [-1, 0, 1]
    assert rows["intended_ns"].tolist() == [-500, 10, 20]
    assert (rows["sent_ns"] == NO_TIME).all()
    assert (rows["answered_ns"] == NO_TIME).all()
    assert (rows["outcome"] == Outcome.PENDING).all()


def test_what_is_written_lands_in_its_own_row(tmp_path: Path) -> None:
    rows = Rows(tmp_path / "load.rows", schedule((0, 10), (1, 20), (2, 30)))
    rows.sent(1, 21)
    rows.settled(1, Outcome.FAILED, 500, 99)
    rows.settled(2, Outcome.DROPPED, 0, NO_TIME)
    found = read(tmp_path / "load.rows")
    assert found[1].tolist()[:6] == (1, 20, 21, 99, 500, Outcome.FAILED)
    assert found[0].tolist()[:6] == (0, 10, NO_TIME, NO_TIME, 0, Outcome.PENDING)
    assert found[2].tolist()[:6] == (2, 30, NO_TIME, NO_TIME, 0, Outcome.DROPPED)


def test_an_empty_schedule_is_an_empty_file(tmp_path: Path) -> None:
    Rows(tmp_path / "load.rows", schedule())
    assert len(read(tmp_path / "load.rows")) == 0


def test_a_trial_of_before_is_overwritten(tmp_path: Path) -> None:
    Rows(tmp_path / "load.rows", schedule((0, 10), (1, 20))).settled(0, Outcome.ACKED, 200, 5)
    Rows(tmp_path / "load.rows", schedule((7, 70)))
    assert read(tmp_path / "load.rows")["index"].tolist() == [7]
    assert read(tmp_path / "load.rows")["outcome"].tolist() == [Outcome.PENDING]


def test_rows_without_a_schedule_grow_and_only_those_in_use_are_read(tmp_path: Path) -> None:
    path = tmp_path / "load.rows"
    rows = GrowingRows(path)
    assert len(read(path)) == 0
    for position in range(10_000):
        rows.issued(position, position - 2, position * 10)
        if position % 3 == 0:
            rows.make_room(position + 1)
    rows.sent(9_999, 99_991)
    rows.settled(9_999, Outcome.ACKED, 201, 99_999)
    rows.settled(1, Outcome.DROPPED, 0, NO_TIME)
    found = read(path)
    assert found["index"].tolist() == list(range(-2, 9_998))
    assert (found["sent_ns"][:-1] == NO_TIME).all()
    assert found[-1].tolist()[:6] == (9_997, 99_990, 99_991, 99_999, 201, Outcome.ACKED)
    assert found[1]["outcome"] == Outcome.DROPPED
    assert (found["outcome"][2:-1] == Outcome.PENDING).all()


def test_a_row_cut_in_half_by_a_kill_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "load.rows"
    GrowingRows(path).issued(0, 0, 5)
    with path.open("ab") as file:
        file.write(b"\0" * 17)
    assert len(read(path)) == 1


def test_what_was_issued_is_the_schedule_afterwards(tmp_path: Path) -> None:
    path = tmp_path / "load.rows"
    rows = GrowingRows(path)
    for position, (index, intended_ns) in enumerate([(-1, -5), (-2, -5), (0, 3), (1, 4)]):
        rows.issued(position, index, intended_ns)
    found = schedule_of(read(path))
    assert found.dtype == SCHEDULE_DTYPE
    assert found.tolist() == [(-1, -5), (-2, -5), (0, 3), (1, 4)]


@pytest.mark.parametrize("grown", [False, True])
def test_a_full_disk_is_an_error_and_what_is_there_stays_readable(tmp_path: Path, grown: bool) -> None:
    """The limit on a file's size stands for a full disk; in a process of its own, since there is no way back."""
    code = f"""
import resource, sys
from pathlib import Path
import numpy as np
from benchmarks.load.rows import SCHEDULE_DTYPE, GrowingRows, NoRoomError, Rows
path = Path(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, 400_000))
if {grown}:
    rows = GrowingRows(path)
    rows.issued(0, 0, 5)
try:
    if {grown}:
        for position in range(1, 20_000):
            rows.issued(position, position, 5 + position)
    else:
        Rows(path, np.zeros(20_000, SCHEDULE_DTYPE))
except NoRoomError as error:
    print(error.strerror)
"""
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "load.rows"],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert done.stdout.strip()
    if grown:
        assert read(tmp_path / "load.rows")["index"].tolist() == list(range(8_192))


def test_a_missing_directory_is_not_taken_for_a_full_disk(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as caught:
        GrowingRows(tmp_path / "nowhere" / "load.rows")
    assert not isinstance(caught.value, NoRoomError)


def test_the_harness_can_read_rows_without_gevent_and_locust() -> None:
    code = (
        "import sys, benchmarks.load.rows, benchmarks.load.settings\n"
        "sys.exit(bool({'gevent', 'locust', 'httptools'} & set(sys.modules)))"
    )
    root = Path(__file__).parents[2]
    assert subprocess.run([sys.executable, "-c", code], cwd=root, timeout=30, check=False).returncode == 0


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (200, Outcome.ACKED),
        (201, Outcome.ACKED),
        (299, Outcome.ACKED),
        (302, Outcome.FAILED),
        (400, Outcome.REFUSED),
        (422, Outcome.REFUSED),
        (499, Outcome.REFUSED),
        (500, Outcome.FAILED),
        (502, Outcome.FAILED),
        (503, Outcome.REFUSED),
        (504, Outcome.FAILED),
    ],
)
def test_a_status_means_an_outcome(status: int, outcome: Outcome) -> None:
    assert Outcome.of_status(status) is outcome


def test_silence_is_indeterminate_once_a_byte_was_sent_and_a_refusal_before() -> None:
    assert Outcome.of_silence(first_byte_sent=True) is Outcome.INDETERMINATE
    assert Outcome.of_silence(first_byte_sent=False) is Outcome.REFUSED
