"""`bench broker fetch|start|stop|status`, behind the command line."""

import json
import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from benchmarks.brokers import BrokerUnavailable, manage
from benchmarks.brokers.kafka.jars import VERSION
from benchmarks.processes.ports import Ports


@pytest.fixture(autouse=True)
def _own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(manage.STATE_VARIABLE, str(tmp_path))


def start_elsewhere(port: int) -> None:
    """As the command does it: in a process of its own, which ends."""
    program = "import sys; from benchmarks.brokers import manage; manage.start_detached(int(sys.argv[1]))"
    tree = str(Path(manage.__file__).parents[2])
    subprocess.run(
        [sys.executable, "-P", "-W", "error", "-c", program, str(port)],
        check=True,
        env={**os.environ, "PYTHONPATH": tree},
        timeout=120,
    )


def test_fetch_says_what_is_there() -> None:
    fetched = manage.fetch()
    print(f"{fetched.jars} jars, {fetched.total_bytes / 1e6:.0f} MB with the ahead-of-time cache")
    assert fetched.version == VERSION
    assert fetched.fast_start
    assert manage.status().fetched == fetched


def test_a_broker_outlives_the_command_until_it_is_stopped() -> None:
    port = Ports().take()
    start_elsewhere(port)
    try:
        status = manage.status()
        assert status.answers
        assert status.detached is not None
        assert status.detached.bootstrap == f"127.0.0.1:{port}"
        with pytest.raises(BrokerUnavailable, match="is already running") as caught:
            manage.start_detached(port)
        assert f"--broker 127.0.0.1:{port}" in caught.value.next_step
    finally:
        stopped = manage.stop_detached()
    assert stopped == status.detached
    assert not psutil.pid_exists(status.detached.pid)
    assert manage.status().detached is None


def test_stopping_nothing_is_no_error() -> None:
    assert manage.stop_detached() is None


def test_a_process_that_was_given_the_old_pid_is_left_alone(tmp_path: Path) -> None:
    home = tmp_path / "broker"
    home.mkdir()
    stale = {"bootstrap": "127.0.0.1:1", "version": VERSION, "pid": os.getpid(), "started_at_s": 1.0, "log_path": "x"}
    (home / "state.json").write_text(json.dumps(stale))
    assert manage.status().detached is None
    assert manage.stop_detached() is None


def test_before_the_first_fetch_nothing_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYNC_VS_EVENTS_CACHE", str(tmp_path / "empty"))
    status = manage.status()
    assert (status.fetched, status.detached, status.answers) == (None, None, False)
    assert status.cache == tmp_path / "empty"
