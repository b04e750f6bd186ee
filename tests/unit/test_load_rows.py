"""The rows of the load generator: one per scheduled arrival, readable whatever happens."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks.load.rows import NO_TIME, ROW_DTYPE, SCHEDULE_DTYPE, Outcome, Rows, read, watch


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


def test_a_watcher_sees_rows_change_and_cannot_write(tmp_path: Path) -> None:
    rows = Rows(tmp_path / "load.rows", schedule((0, 10)))
    seen = watch(tmp_path / "load.rows")
    rows.settled(0, Outcome.ACKED, 201, 50)
    assert seen["outcome"][0] == Outcome.ACKED
    with pytest.raises(ValueError, match="read-only"):
        seen["outcome"][0] = 0


def test_an_empty_schedule_is_an_empty_file(tmp_path: Path) -> None:
    Rows(tmp_path / "load.rows", schedule())
    assert len(read(tmp_path / "load.rows")) == len(watch(tmp_path / "load.rows")) == 0


def test_a_trial_of_before_is_overwritten(tmp_path: Path) -> None:
    Rows(tmp_path / "load.rows", schedule((0, 10), (1, 20))).settled(0, Outcome.ACKED, 200, 5)
    Rows(tmp_path / "load.rows", schedule((7, 70)))
    assert read(tmp_path / "load.rows")["index"].tolist() == [7]
    assert read(tmp_path / "load.rows")["outcome"].tolist() == [Outcome.PENDING]


def test_the_harness_can_read_rows_without_gevent_and_locust() -> None:
    code = (
        "import sys, benchmarks.load.rows, benchmarks.load.settings\n"
        "sys.exit(bool({'gevent', 'locust', 'httptools'} & set(sys.modules)))"
    )
    root = Path(__file__).parents[2]
    assert subprocess.run([sys.executable, "-c", code], cwd=root, timeout=30, check=False).returncode == 0
