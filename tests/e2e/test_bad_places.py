"""Places that cannot hold results: each is told in a sentence with the next step, and nothing measured is lost."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import psutil
import pytest
from one_trial import one_trial

TREE = Path(__file__).resolve().parents[2]
BOUND_S = 300.0
QUICK = one_trial("sync")
ENVIRONMENT, USAGE, NOT_A_SCENARIO = 111, 2, 104
# Whether this machine is quick enough for a valid run is not what is asked here.
DONE = (0, 110)

only_root = pytest.mark.skipif(os.getuid() != 0, reason="only root may mount a file system")


def command(*arguments: str | bytes) -> list[str | bytes]:
    return [sys.executable, "-P", "-m", "cli", *arguments]


def environment(**variables: str) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(TREE), "COLUMNS": "200", "NO_COLOR": "1", **variables}


def bench(here: Path, *arguments: str | bytes, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*arguments),
        cwd=here,
        env=environment(**variables),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=BOUND_S,
        check=False,
    )


def told(done: subprocess.CompletedProcess[str], code: int, *words: str) -> None:
    """It ended with this code, said these words and a next step, and showed no traceback."""
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    for word in (*words, "next:"):
        assert word in done.stderr


def contents(directory: Path) -> dict[str, bytes]:
    return {str(path.relative_to(directory)): path.read_bytes() for path in directory.rglob("*") if path.is_file()}


def until(condition: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + BOUND_S
    while not condition():
        assert time.monotonic() < deadline_s, "it did not happen in time"
        time.sleep(0.02)


def mounted(folder: Path, options: str) -> None:
    folder.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        pytest.skip(f"cannot mount here: {done.stderr.strip()}")


def unmounted(folder: Path) -> None:
    subprocess.run(["umount", "--lazy", str(folder)], capture_output=True, check=False)


@pytest.fixture
def read_only(tmp_path: Path) -> Iterator[Path]:
    """A folder that cannot be written to, not even by root."""
    folder = tmp_path / "read-only"
    if os.getuid() == 0:
        mounted(folder, "ro")
        yield folder
        unmounted(folder)
    else:
        folder.mkdir(mode=0o555)
        yield folder
        folder.chmod(0o755)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 32 MB."""
    folder = tmp_path / "small"
    mounted(folder, "size=32m")
    yield folder
    unmounted(folder)


# ── before a run ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_file_in_the_place_of_the_directory_is_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("a letter")
    told(bench(tmp_path, *QUICK, "--out", "mine"), ENVIRONMENT, "mine is not empty", "--out")
    assert (tmp_path / "mine").read_text() == "a letter"


def test_a_file_on_the_way_to_the_directory_is_told(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("a letter")
    told(bench(tmp_path, *QUICK, "--out", "mine/run"), ENVIRONMENT, "mine/run cannot be written", "--out")


def test_a_file_named_results_is_told(tmp_path: Path) -> None:
    (tmp_path / "results").write_text("a letter")
    told(bench(tmp_path, *QUICK), ENVIRONMENT, "results/baseline", "cannot be written", "--out")
    assert (tmp_path / "results").read_text() == "a letter"


def test_a_directory_inside_a_read_only_place_is_told(tmp_path: Path, read_only: Path) -> None:
    told(bench(tmp_path, *QUICK, "--out", str(read_only / "run")), ENVIRONMENT, "cannot be written", "--out")


def test_a_working_directory_that_is_read_only_is_told(read_only: Path) -> None:
    told(bench(read_only, *QUICK), ENVIRONMENT, "results/baseline", "cannot be written", "--out")


def test_of_several_runs_each_is_told_and_no_index_is_missed(tmp_path: Path, read_only: Path) -> None:
    done = bench(tmp_path, "run", "baseline", "flaky-downstream", *QUICK[2:], "--out", str(read_only / "runs"))
    told(done, ENVIRONMENT, "runs/baseline cannot be written", "runs/flaky-downstream cannot be written")


def test_a_name_that_is_not_utf_8_is_told(tmp_path: Path) -> None:
    told(bench(tmp_path, *QUICK, "--out", b"caf\xe9"), ENVIRONMENT, "not UTF-8", r"caf\xe9", "--out")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("verb", ["run", "validate", "show", "plan", "report"])
def test_a_scenario_or_a_run_whose_name_is_not_utf_8_and_is_not_there_is_told(tmp_path: Path, verb: str) -> None:
    done = bench(tmp_path, verb, b"caf\xe9.yaml")
    assert done.returncode == USAGE
    assert "Traceback" not in done.stderr
    assert "caf" in done.stderr


def test_a_working_directory_whose_name_is_not_utf_8_does_no_harm(tmp_path: Path) -> None:
    here = os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9")
    Path(here).mkdir()
    done = bench(Path(here), *QUICK)
    assert done.returncode in DONE, done.stderr
    assert (Path(here) / "results" / "latest" / "report.html").is_file()


# ── at the end of a run ───────────────────────────────────────────────────────────────────────────────────────────────


def test_a_folder_named_latest_is_left_as_it_is_and_the_run_is_told_where_it_is(tmp_path: Path) -> None:
    latest = tmp_path / "results" / "latest"
    latest.mkdir(parents=True)
    (latest / "letter").write_text("mine")
    done = bench(tmp_path, *QUICK)
    assert done.returncode in DONE, done.stderr
    assert "results/latest is not a link that bench can move" in done.stderr
    assert sorted(path.name for path in (tmp_path / "results").iterdir()) == ["baseline", "latest"]
    assert [path.name for path in latest.iterdir()] == ["letter"]
    (run,) = (tmp_path / "results" / "baseline").iterdir()
    assert (run / "report.html").is_file()


def test_files_that_may_not_grow_end_the_run_with_a_sentence(tmp_path: Path) -> None:
    """As with a full disk: writing fails in every process, in the middle of what it does."""
    process = subprocess.Popen(
        command(*QUICK, "--out", "mine"),
        cwd=tmp_path,
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (12_000, 12_000))
    started: set[psutil.Process] = set()
    while process.poll() is None:
        try:
            started |= set(psutil.Process(process.pid).children(recursive=True))
            process.wait(0.1)
        except (subprocess.TimeoutExpired, psutil.NoSuchProcess):
            continue
    _, err = process.communicate(timeout=BOUND_S)
    assert process.returncode == ENVIRONMENT, err
    assert "Traceback" not in err
    assert "next:" in err
    until(lambda: not any(child.is_running() for child in started))


TWO_TRIALS = """\
version: 1
name: two
workload: {rate: 20, duration: 3s, warmup: 1s}
variants: [sync, sync-concurrent]
blocks: 1
"""


@only_root
def test_a_disk_that_is_full_in_mid_run_loses_no_finished_trial(tmp_path: Path, small_disk: Path) -> None:
    (tmp_path / "two.yaml").write_text(TWO_TRIALS)
    out = small_disk / "run"
    process = subprocess.Popen(
        command("run", "./two.yaml", "--repeat-invalid", "0", "--out", str(out)),
        cwd=tmp_path,
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        until(lambda: bool(list(out.glob("trials/02-*/raw/load.rows"))))
        started = psutil.Process(process.pid).children(recursive=True)
        fill(small_disk / "filler")
        _, err = process.communicate(timeout=BOUND_S)
    finally:
        process.kill()
    assert process.returncode == ENVIRONMENT, err
    assert "Traceback" not in err
    assert "next:" in err
    until(lambda: not any(child.is_running() for child in started))
    (first,) = out.glob("trials/01-*")
    saved = contents(first)
    assert {"trial.json", "history.parquet", "effects.parquet"} <= set(saved)

    (small_disk / "filler").unlink()
    reported = bench(tmp_path, "report", str(out))
    assert reported.returncode == 0, reported.stderr
    summary = json.loads((out / "summary.json").read_text())
    assert [variant for variant, found in summary["variants"].items() if found["trials"]] == [first.name[3:]]
    assert not summary["valid"]
    assert contents(first) == saved


def fill(path: Path) -> None:
    """Write until there is no room left, not even for one byte."""
    with path.open("wb", buffering=0) as file:
        for size in (1 << 16, 1):
            while True:
                try:
                    file.write(bytes(size))
                except OSError:
                    break


# ── a report of what is damaged ───────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    here = tmp_path_factory.mktemp("run")
    done = bench(here, *QUICK, "--out", "mine")
    assert done.returncode in DONE, done.stderr
    return here / "mine"


@pytest.mark.parametrize(
    ("file", "words"),
    [
        ("trials/01-sync/history.parquet", ("trials/01-sync cannot be read", "move that folder away")),
        ("trials/01-sync/trial.json", ("trials/01-sync cannot be read", "move that folder away")),
        ("run.json", ("run.json cannot be read", "move it away")),
    ],
)
def test_a_damaged_file_of_a_run_is_named(run: Path, file: str, words: Sequence[str]) -> None:
    whole = (run / file).read_bytes()
    (run / file).write_bytes(b"{")
    try:
        told(bench(run.parent, "report", "mine"), ENVIRONMENT, *words)
    finally:
        (run / file).write_bytes(whole)


def test_a_damaged_scenario_of_a_run_is_named_with_its_line(run: Path) -> None:
    whole = (run / "scenario.yaml").read_bytes()
    (run / "scenario.yaml").write_bytes(b"version: 1\nname: [\n")
    try:
        done = bench(run.parent, "report", "mine")
    finally:
        (run / "scenario.yaml").write_bytes(whole)
    assert done.returncode == NOT_A_SCENARIO
    assert "Traceback" not in done.stderr
    assert "scenario.yaml:" in done.stderr


@only_root
def test_a_report_where_nothing_can_be_written_is_told(run: Path, tmp_path: Path) -> None:
    place = tmp_path / "bound"
    place.mkdir()
    if subprocess.run(["mount", "--bind", "-o", "ro", str(run), str(place)], check=False).returncode != 0:
        pytest.skip("cannot mount here")
    try:
        before = contents(run)
        told(bench(tmp_path, "report", "bound"), ENVIRONMENT, "the report cannot be written", "Read-only")
        assert contents(run) == before
    finally:
        unmounted(place)


# ── where the words go ────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("verb", [("list",), ("show", "baseline"), ("doctor",), ("plan", "baseline", "--json")])
def test_output_to_a_full_disk_is_told(tmp_path: Path, verb: Sequence[str]) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            command(*verb),
            cwd=tmp_path,
            env=environment(),
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=BOUND_S,
            check=False,
        )
    told(subprocess.CompletedProcess([], done.returncode, "", done.stderr), ENVIRONMENT, "No space left")
    assert "Exception ignored" not in done.stderr


@pytest.mark.parametrize("verb", [("list",), ("doctor",), ("plan", "baseline"), ("--help",)])
def test_a_terminal_that_lacks_letters_gets_escapes(tmp_path: Path, verb: Sequence[str]) -> None:
    done = bench(tmp_path, *verb, PYTHONIOENCODING="ascii", PYTHONUTF8="0")
    assert done.returncode == 0, done.stderr
    assert done.stdout.isascii()


def test_json_stays_json_where_letters_are_lacking(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("version: 1\nname: mine\ntitle: 登録は速い\n", encoding="utf-8")
    done = bench(tmp_path, "plan", "./mine.yaml", "--json", PYTHONIOENCODING="ascii", PYTHONUTF8="0")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)


def test_a_reader_that_leaves_early_sees_no_traceback(tmp_path: Path) -> None:
    process = subprocess.Popen(
        command("show", "slow-downstream"),
        cwd=tmp_path,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    err = process.stderr.read().decode()
    process.stderr.close()
    process.wait(BOUND_S)
    assert "Traceback" not in err
    assert "Exception ignored" not in err
