"""Bad luck: whatever dies, the person gets a clear word, what was measured stays, and no process is left."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

TREE = Path(__file__).parents[2]
BOUND_S = 300.0
NOBODY_LEFT_WITHIN_S = 30.0
# `kill -9` at random moments: this many here; the seed is printed, so that a failure can be repeated.
KILLS = int(os.environ.get("BENCH_TEST_KILLS", "3"))

SCENARIO = """\
version: 1
name: unlucky
workload: {rate: 20, duration: 2s, warmup: 0s}
services: {email: {latency: 5ms}, analytics: {latency: 5ms}}
blocks: 2
"""


@pytest.fixture
def here(tmp_path: Path) -> Path:
    (tmp_path / "unlucky.yaml").write_text(SCENARIO)
    return tmp_path


def environment(**more: str) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(TREE), "COLUMNS": "200", "NO_COLOR": "1", **more}


class Run:
    """`bench run` under way, and every process that it has ever been seen to have."""

    def __init__(self, here: Path, *arguments: str) -> None:
        self.out = here / "out"
        self.process = subprocess.Popen(
            [
                sys.executable,
                "-P",
                "-m",
                "cli",
                "run",
                "./unlucky.yaml",
                "--repeat-invalid",
                "0",
                "--out",
                str(self.out),
                *arguments,
            ],
            cwd=here,
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.family: dict[int, psutil.Process] = {}

    def look(self) -> None:
        """Remember its children, and theirs."""
        try:
            for child in psutil.Process(self.process.pid).children(recursive=True):
                self.family[child.pid] = child
        except psutil.NoSuchProcess:
            pass

    def child(self, *words: str, within_s: float = BOUND_S) -> psutil.Process:
        """A child whose command line has all the words; waits for it."""
        deadline_s = time.monotonic() + within_s
        while time.monotonic() < deadline_s:
            self.look()
            for child in self.family.values():
                try:
                    line = " ".join(child.cmdline())
                except psutil.Error:
                    continue
                if all(word in line for word in words) and "launcher.py" not in line:
                    return child
            time.sleep(0.02)
        raise AssertionError(f"no child with {words}")

    def until_load(self, label: str) -> None:
        """Wait until the load of a trial has begun: its rows are being written."""
        rows = self.out / "trials" / label / "raw" / "load.rows"
        deadline_s = time.monotonic() + BOUND_S
        while not rows.exists() or not any(rows.read_bytes()[40 * n + 32] for n in range(rows.stat().st_size // 40)):
            self.look()
            assert self.process.poll() is None, self.process.communicate()[1]
            assert time.monotonic() < deadline_s
            time.sleep(0.02)
        self.look()

    def end(self) -> tuple[int, str, str]:
        stdout, stderr = self.process.communicate(timeout=BOUND_S)
        return self.process.returncode, stdout, stderr

    def left(self) -> list[str]:
        """What is still alive of it after half a minute."""
        deadline_s = time.monotonic() + NOBODY_LEFT_WITHIN_S
        while time.monotonic() < deadline_s:
            alive = [child for child in self.family.values() if _alive(child)]
            if not alive:
                return []
            time.sleep(0.05)
        return [" ".join(child.cmdline()) for child in alive]


def _alive(process: psutil.Process) -> bool:
    # `is_running` compares start times, so a pid given to somebody else does not count.
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.fixture
def started(here: Path) -> Iterator[Run]:
    run = Run(here)
    yield run
    if run.process.poll() is None:
        run.process.kill()
        run.process.communicate()


def finished_trials(out: Path) -> list[Path]:
    return sorted(out.glob("trials/*/trial.json"))


def report(out: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-P", "-m", "cli", "report", str(out)],
        env=environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=BOUND_S,
        check=False,
    )


# ── somebody else dies ────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("words", "named"),
    [(("-m", "sync_impl"), ""), (("-m", "benchmarks.load"), "load")],
    ids=["a process under test", "the load generator"],
)
def test_a_process_that_dies_by_itself_ends_the_run_with_its_name(
    started: Run, words: tuple[str, ...], named: str
) -> None:
    started.until_load("01-sync")
    started.child(*words).kill()
    code, _, stderr = started.end()
    assert code == 111, stderr
    assert f"{named}" in stderr
    assert "ended by itself (killed by SIGKILL)" in stderr
    assert "next:" in stderr
    assert "Traceback" not in stderr
    assert started.left() == []


# ── the person, or the system, ends it ────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)])
def test_one_signal_ends_the_run_in_order_and_keeps_what_was_measured(started: Run, number: int) -> None:
    started.until_load("02-events")
    started.process.send_signal(number)
    code, stdout, stderr = started.end()
    assert code == 105, stderr
    assert len(finished_trials(started.out)) == 1
    summary = json.loads((started.out / "summary.json").read_text())
    assert summary["valid"] is False
    assert "interrupted after 1 of 4 trials" in summary["invalid_reasons"]
    assert "interrupted" in stderr
    assert "report.html" in stdout
    assert started.left() == []


def test_a_second_signal_ends_it_at_once(started: Run) -> None:
    started.until_load("02-events")
    started.process.send_signal(signal.SIGINT)
    time.sleep(0.05)  # two signals of one kind that wait together arrive as one
    started.process.send_signal(signal.SIGINT)
    code, _, _ = started.end()
    assert code == 105
    assert len(finished_trials(started.out)) == 1
    assert started.left() == []


# ── kill -9 ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.slow
def test_kill_9_of_bench_at_any_moment_leaves_no_process_and_every_finished_trial(tmp_path: Path) -> None:
    seed = int(os.environ.get("BENCH_TEST_SEED", "") or random.SystemRandom().randrange(10**6))
    print(f"BENCH_TEST_SEED={seed}")
    rng = random.Random(seed)
    for number in range(KILLS):
        here = tmp_path / str(number)
        here.mkdir()
        (here / "unlucky.yaml").write_text(SCENARIO)
        run = Run(here)
        deadline_s = time.monotonic() + rng.uniform(0.3, 22.0)
        while time.monotonic() < deadline_s and run.process.poll() is None:
            run.look()
            time.sleep(0.02)
        run.look()
        run.process.kill()
        run.process.communicate()
        assert run.left() == [], f"kill number {number}"
        if not (run.out / "scenario.yaml").exists():
            continue  # killed before it had begun
        finished = len(finished_trials(run.out))
        reported = report(run.out)
        assert reported.returncode == 0, reported.stderr
        assert len(json.loads((run.out / "summary.json").read_text())["variants"]) == min(finished, 2)
        assert (run.out / "report.html").exists() == (finished > 0)
