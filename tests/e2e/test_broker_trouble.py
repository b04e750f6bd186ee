"""Brokers in trouble, as a person at the command line meets them: the message, the next step, the exit code."""

import asyncio
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from benchmarks.brokers.kafka.cache import installation, seal
from benchmarks.brokers.kafka.jars import load_release
from benchmarks.brokers.kafka.java import PROFILES, find_java
from benchmarks.brokers.kafka.prepare import prepare

TREE = Path(__file__).parents[2]
BOUND_S = 300.0
SCENARIO = """\
version: 1
name: small
workload: {rate: 20, duration: 3s, warmup: 1s}
variants: [events]
blocks: 1
"""


@pytest.fixture
def here(tmp_path: Path) -> Path:
    (tmp_path / "small.yaml").write_text(SCENARIO)
    return tmp_path


def start(here: Path, *arguments: str, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "cli", *arguments],
        cwd=here,
        env={**os.environ, "PYTHONPATH": str(TREE), "COLUMNS": "200", "NO_COLOR": "1", **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def ended(process: subprocess.Popen[str]) -> tuple[int, str]:
    """The exit code, and what stood on standard error."""
    _, said = process.communicate(timeout=BOUND_S)
    return process.returncode, said


def kafka_of(process: subprocess.Popen[str]) -> psutil.Process:
    """The broker among the children of a run, once its load runs."""
    deadline_s = time.monotonic() + BOUND_S
    while time.monotonic() < deadline_s:
        for child in psutil.Process(process.pid).children(recursive=True):
            if "kafka.Kafka" in child.cmdline():
                return child
        time.sleep(0.05)
    raise AssertionError("no broker was started")


def test_a_broker_killed_by_hand_is_111_with_a_next_step_and_nobody_is_left(here: Path) -> None:
    process = start(here, "run", "./small.yaml", "--duration", "20s", "--out", "mine")
    broker = kafka_of(process)
    rows = here / "mine" / "trials" / "01-events" / "raw" / "load.rows"
    while not rows.exists():
        assert process.poll() is None
        time.sleep(0.05)
    others = psutil.Process(process.pid).children(recursive=True)
    broker.kill()
    code, said = ended(process)
    assert code == 111
    assert "The broker died: Kafka was killed by SIGKILL" in said
    assert "next: See its log, broker.log" in said
    assert "Traceback" not in said
    assert not any(child.is_running() for child in others)


def test_a_damaged_jar_of_the_same_size_is_111_and_named(here: Path, tmp_path: Path) -> None:
    real = asyncio.run(prepare())
    found = installation(load_release(), tmp_path / "cache")
    for jar in load_release().jars:  # links, so that the test is quick; the damaged one is a copy
        runtime = found.repository / jar.path
        runtime.parent.mkdir(parents=True)
        runtime.symlink_to(real.repository / jar.path)
    shutil.copytree(real.template, found.template)
    broken = next(path for path in found.jars if path.name.startswith("kafka_2.13"))
    size = broken.stat().st_size
    broken.unlink()
    broken.write_bytes(b"\0" * size)
    seal(found)
    no_training = found.training(find_java().training_name(PROFILES["quick"])).with_suffix(".failed")
    no_training.parent.mkdir()
    no_training.write_text("not tried, so that the test is quick")

    code, said = ended(
        start(here, "run", "./small.yaml", "--out", "mine", SYNC_VS_EVENTS_CACHE=str(tmp_path / "cache"))
    )
    assert code == 111
    assert f"The cached Kafka is damaged ({broken.name})" in said
    assert "next: Run the command again: it downloads the damaged files again." in said
    assert "Traceback" not in said
    assert not found.marker.exists()


@pytest.mark.slow
def test_two_runs_at_once_do_not_meet(here: Path) -> None:
    both = [start(here, "run", "./small.yaml", "--repeat-invalid", "0", "--out", name) for name in ("one", "two")]
    for name, process in zip(("one", "two"), both, strict=True):
        code, said = ended(process)
        # Two runs on one machine may find each other's load too much to be valid; what they count is theirs alone.
        assert code in (0, 110), said
        summary = json.loads((here / name / "summary.json").read_text())
        assert summary["variants"]["events"]["registrations"]["complete"] == 60


def test_embedded_is_labelled_in_every_output(here: Path) -> None:
    process = start(here, "run", "./small.yaml", "--broker", "embedded", "--repeat-invalid", "0", "--out", "mine")
    out, said = process.communicate(timeout=BOUND_S)
    assert process.returncode in (0, 110), said
    assert "Not a real broker" in out
    mine = here / "mine"
    summary = json.loads((mine / "summary.json").read_text())
    events = summary["variants"]["events"]
    assert events["broker"]["kind"] == "embedded"
    assert "not a real broker" in events["broker"]["version"]
    assert events["consumer_lag_max"] is None
    assert events["registrations"]["complete"] == 60
    assert events["cpu_ms_per_registration"]["by_process"]["broker"] > 0
    for output in [mine / "report.html", *(mine / "charts").glob("*.svg")]:
        assert "not a real broker" in output.read_text(), output.name


def test_embedded_is_104_where_it_cannot_show_what_is_asked(here: Path) -> None:
    (here / "small.yaml").write_text(SCENARIO + "services: {email: {instances: 2}}\n")
    code, said = ended(start(here, "run", "./small.yaml", "--broker", "embedded"))
    assert code == 104
    assert "2 instances of email would share a group" in said
    assert not (here / "results").exists()
