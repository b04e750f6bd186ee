"""What `bench broker fetch|start|stop|status` do; the command line prints what they return.

A broker started in this way lives on after the command, for use with `--broker host:port`. One per user at a time:

```
<state>/broker/lock
<state>/broker/state.json     pid and start time (a pid can be given to another process), address, version
<state>/broker/kafka/  kafka.log
```
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from benchmarks.brokers.broker import BrokerUnavailable, FetchProgress
from benchmarks.brokers.kafka.cache import cache_root, complete, installation
from benchmarks.brokers.kafka.jars import load_release
from benchmarks.brokers.kafka.java import PROFILES, find_java
from benchmarks.brokers.kafka.node import STOP_WITHIN_S
from benchmarks.brokers.kafka.prepare import prepare
from benchmarks.brokers.kafka.probe import NotKafka, ask
from benchmarks.brokers.kafka.server import start_kafka
from benchmarks.processes.ports import HOST

STATE_VARIABLE = "SYNC_VS_EVENTS_STATE"
DEFAULT_PORT = 9092

_ANSWER_WITHIN_S = 2.0
_LOCK_WITHIN_S = 120.0
_CLOCK_SLACK_S = 2.0  # start times are relative to the boot, whose time moves when the clock is set


@dataclass(frozen=True)
class Fetched:
    """A Kafka in the cache. fast_start: the ahead-of-time cache of this Java runtime is there."""

    version: str
    directory: Path
    jars: int
    total_bytes: int
    java: str
    fast_start: bool


@dataclass(frozen=True)
class Detached:
    """A broker left running. started_at_s: seconds since the epoch, as the system has it."""

    bootstrap: str
    version: str
    pid: int
    started_at_s: float
    log_path: Path


@dataclass(frozen=True)
class Status:
    """fetched: None before the first fetch. detached: None where none runs. answers: it speaks Kafka at the moment."""

    cache: Path
    fetched: Fetched | None
    detached: Detached | None
    answers: bool


def fetch(progress: FetchProgress | None = None) -> Fetched:
    """Make the cache complete and check every sum in it. BrokerUnavailable where that fails."""
    asyncio.run(prepare(progress, verify=True))
    fetched = _fetched()
    assert fetched is not None, "prepare completes the cache or raises"
    return fetched


def start_detached(
    port: int = DEFAULT_PORT, *, profile: str = "quick", progress: FetchProgress | None = None
) -> Detached:
    """Start a broker that outlives this process. BrokerUnavailable: one is already running, or as in `start_kafka`."""
    with _locked() as home:
        running = _read(home)
        if running:
            raise BrokerUnavailable(
                f"A broker of bench is already running at {running.bootstrap} (process {running.pid})",
                f"Use it with --broker {running.bootstrap}, or end it with `bench broker stop`.",
            )
        _clear(home)
        return asyncio.run(_start(home, port, profile, progress))


async def _start(home: Path, port: int, profile: str, progress: FetchProgress | None) -> Detached:
    log_path = home / "kafka.log"
    broker = await start_kafka(
        home / "kafka", log_path, profile=profile, progress=progress, port=port, die_with_parent=False
    )
    try:
        assert broker.pid is not None
        started_at_s = psutil.Process(broker.pid).create_time()
        detached = Detached(broker.info.bootstrap, broker.info.version or "", broker.pid, started_at_s, log_path)
        _write(home, detached)
    except BaseException:
        await broker.stop()
        raise
    broker.release()
    return detached


def stop_detached() -> Detached | None:
    """End the broker that `start_detached` left running and remove its files; None where none runs."""
    with _locked() as home:
        running = _read(home)
        if running:
            with suppress(psutil.NoSuchProcess):
                process = psutil.Process(running.pid)
                process.terminate()
                process.resume()  # a paused one would not see the request
                try:
                    process.wait(STOP_WITHIN_S)
                except psutil.TimeoutExpired:
                    process.kill()
                    process.wait(STOP_WITHIN_S)
        _clear(home)
        return running


def status() -> Status:
    """What is cached and what runs. Touches no network but loopback."""
    detached = _read(_home())
    answers = False
    if detached:
        host, _, port = detached.bootstrap.rpartition(":")
        answers = asyncio.run(_answers(host or HOST, int(port)))
    return Status(cache_root(), _fetched(), detached, answers)


def running() -> Detached | None:
    """The broker that was left running, whether it answers or not."""
    return _read(_home())


async def _answers(host: str, port: int) -> bool:
    try:
        await ask(host, port, _ANSWER_WITHIN_S)
    except (OSError, NotKafka):
        return False
    return True


def _fetched() -> Fetched | None:
    found = installation(load_release())
    if not complete(found):
        return None
    java = find_java()
    trained = found.training(java.training_name(PROFILES["quick"])).exists()
    total_bytes = sum(path.stat().st_size for path in found.home.rglob("*") if path.is_file())
    return Fetched(found.release.version, found.home, len(found.jars), total_bytes, java.version, trained)


def _home() -> Path:
    chosen = os.environ.get(STATE_VARIABLE)
    if chosen:
        return Path(chosen).expanduser().absolute() / "broker"
    from platformdirs import user_state_path

    return user_state_path("sync-vs-events", appauthor=False) / "broker"


@contextmanager
def _locked() -> Iterator[Path]:
    from filelock import FileLock, Timeout

    home = _home()
    try:
        home.mkdir(parents=True, exist_ok=True)
        with FileLock(home / "lock", timeout=_LOCK_WITHIN_S):
            yield home
    except Timeout as error:
        raise BrokerUnavailable(
            "Another `bench broker` command is under way", "Wait for it, then try again."
        ) from error
    except PermissionError as error:
        raise BrokerUnavailable(
            f"The folder {home} cannot be used: {error.strerror}",
            f"Make it writable or set {STATE_VARIABLE} to a folder that can be written to.",
        ) from error


def _write(home: Path, detached: Detached) -> None:
    aside = home / "state.new"
    aside.write_text(json.dumps(asdict(detached) | {"log_path": str(detached.log_path)}, indent=1), encoding="utf-8")
    aside.replace(home / "state.json")


def _read(home: Path) -> Detached | None:
    """The broker of the state file, if that very process still runs."""
    try:
        state = json.loads((home / "state.json").read_text(encoding="utf-8"))
        detached = Detached(
            bootstrap=str(state["bootstrap"]),
            version=str(state["version"]),
            pid=int(state["pid"]),
            started_at_s=float(state["started_at_s"]),
            log_path=Path(state["log_path"]),
        )
        process = psutil.Process(detached.pid)
        same = abs(process.create_time() - detached.started_at_s) < _CLOCK_SLACK_S
        return detached if same and process.status() != psutil.STATUS_ZOMBIE else None
    except (OSError, ValueError, KeyError, TypeError, psutil.Error):
        return None


def _clear(home: Path) -> None:
    (home / "state.json").unlink(missing_ok=True)
    shutil.rmtree(home / "kafka", ignore_errors=True)
    (home / "kafka.log").unlink(missing_ok=True)
