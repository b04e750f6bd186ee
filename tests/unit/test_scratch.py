"""Private directories of brokers: those of dead runs are swept, those of living ones stay."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from benchmarks import scratch


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def dead_pid() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_a_directory_is_private_and_names_its_run(temporary: Path) -> None:
    made = scratch.make()
    assert made.parent == temporary
    assert f"-{os.getpid()}-" in made.name
    assert made.stat().st_mode & 0o077 == 0


def test_what_a_dead_run_left_is_swept_and_what_lives_stays(temporary: Path) -> None:
    mine = scratch.make()
    left = temporary / mine.name.replace(str(os.getpid()), str(dead_pid()))
    (left / "log").mkdir(parents=True)
    assert scratch.sweep() == [left]
    assert mine.is_dir()
    assert not left.exists()


def test_directories_of_others_are_not_touched(temporary: Path) -> None:
    for name in ("sync-vs-events-somebody-else", f"other-{dead_pid()}-x", "sync-vs-events-"):
        (temporary / name).mkdir()
    assert scratch.sweep() == []
    assert len(list(temporary.iterdir())) == 3
