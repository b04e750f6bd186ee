"""One Kafka process: start it in a private directory, wait until it answers, stop it, and count its CPU time."""

from __future__ import annotations

import asyncio
import base64
import os
import shutil
import signal
import subprocess
import time
import uuid
from dataclasses import dataclass
from pathlib import Path

from benchmarks.brokers.kafka.cache import Installation
from benchmarks.brokers.kafka.java import Java, Profile, jvm_environment
from benchmarks.brokers.kafka.probe import NotKafka, ask
from benchmarks.brokers.kafka.properties import DATA
from benchmarks.processes import launcher
from benchmarks.processes.ports import HOST

_READY_WITHIN_S = 30.0
STOP_WITHIN_S = 10.0
_POLL_S = 0.01
_LOG_LINES = 6
_MAIN_CLASS = "kafka.Kafka"
_CLUSTER_ID = "cluster.id="


class NodeFailed(Exception):  # noqa: N818 - says what happened
    """The process ended, or did not become ready. signalled: something killed it, so it did not judge its settings."""

    def __init__(self, reason: str, *, signalled: bool = False) -> None:
        super().__init__(reason)
        self.signalled = signalled


@dataclass(frozen=True)
class NodeFolder:
    """Where a node works: all of its files, its log, and its two ports on loopback."""

    directory: Path
    log_path: Path
    port: int
    controller_port: int

    @property
    def data(self) -> Path:
        return self.directory / DATA

    @property
    def temporary(self) -> Path:
        return self.directory / "tmp"

    @property
    def properties(self) -> Path:
        return self.directory / "server.properties"

    def cluster_id(self) -> str:
        """The one that `lay_out` has given it."""
        (line,) = [line for line in self._meta() if line.startswith(_CLUSTER_ID)]
        return line.removeprefix(_CLUSTER_ID)

    def name_cluster(self, cluster_id: str) -> None:
        lines = [line for line in self._meta() if not line.startswith(_CLUSTER_ID)]
        text = "\n".join([*lines, f"{_CLUSTER_ID}{cluster_id}"]) + "\n"
        (self.data / "meta.properties").write_text(text, encoding="utf-8")

    def _meta(self) -> list[str]:
        return (self.data / "meta.properties").read_text(encoding="utf-8").splitlines()


class Node:
    """A started Kafka process. It is reaped here and nowhere else, so that its CPU time is never lost."""

    def __init__(self, process: subprocess.Popen[bytes], folder: NodeFolder, log_began: int = 0) -> None:
        self._process = process
        self._folder = folder
        self._log_began = log_began
        self._cpu_s: float | None = None
        self.exit_code: int | None = None

    @property
    def pid(self) -> int:
        return self._process.pid

    def alive(self) -> bool:
        """Whether the process still runs; reaps it if it does not."""
        if self._cpu_s is None:
            pid, status, usage = os.wait4(self.pid, os.WNOHANG)
            if pid:
                self._cpu_s = usage.ru_utime + usage.ru_stime
                # Popen must know too, or it would look for a process that is gone.
                self.exit_code = self._process.returncode = os.waitstatus_to_exitcode(status)
        return self._cpu_s is None

    async def ready(self, within_s: float = _READY_WITHIN_S) -> None:
        """Return when this very broker answers a metadata request. NodeFailed says why it does not."""
        deadline = time.monotonic() + within_s
        while True:
            if not self.alive():
                reason = f"Kafka {self.how_it_ended()} while starting{self._last_words()}"
                raise NodeFailed(reason, signalled=(self.exit_code or 0) < 0)
            if time.monotonic() > deadline:
                raise NodeFailed(f"Kafka did not answer within {within_s:.0f} s of its start{self._last_words()}")
            try:
                cluster = await ask(HOST, self._folder.port, timeout_s=1.0)
            except (OSError, NotKafka):  # TimeoutError is an OSError
                pass
            else:
                # Another broker may have taken the port in between; ours will then exit on its own.
                if cluster.cluster_id == self._folder.cluster_id() and cluster.nodes:
                    return
            await asyncio.sleep(_POLL_S)

    @property
    def cpu_s(self) -> float:
        """The CPU seconds that the process used in all; 0 while it runs."""
        return self._cpu_s or 0.0

    def signal(self, number: int) -> None:
        """Send it a signal; one that is gone does not get it."""
        if self.alive():
            os.kill(self.pid, number)

    async def end(self, number: int, within_s: float = STOP_WITHIN_S) -> float:
        """End it with a signal, then with SIGKILL when it takes too long. Its CPU seconds; again: the same figure."""
        try:
            self.signal(number)
            self.signal(signal.SIGCONT)  # a paused process would not see the request
            deadline = time.monotonic() + within_s
            # wait4 is the only way to its CPU time, and has no event to await.
            while self.alive() and time.monotonic() < deadline:  # noqa: ASYNC110
                await asyncio.sleep(_POLL_S)
        finally:
            self.kill()
        return self.cpu_s

    def kill(self) -> None:
        """End it now with what it started, and reap it. Does nothing to one that is gone."""
        if self.alive():
            os.killpg(self.pid, signal.SIGKILL)  # it leads a group of its own, see spawn
            while self.alive():
                time.sleep(_POLL_S)

    def release(self) -> None:
        """Let it run on after this process: nothing here will wait for it."""
        self._process.returncode = 0

    @property
    def log_name(self) -> str:
        return self._folder.log_path.name

    def how_it_ended(self) -> str:
        """In words, for a process that is gone."""
        code = self.exit_code or 0
        return f"was killed by {signal.Signals(-code).name}" if code < 0 else f"exited with {code}"

    def log_says(self, text: str) -> bool:
        """Whether the process has printed this so far."""
        return text in self._log()

    def _log(self) -> str:
        try:
            with self._folder.log_path.open("rb") as log:
                log.seek(self._log_began)  # the file may hold the log of an earlier process
                return log.read().decode(errors="replace")
        except OSError:
            return ""

    def _last_words(self) -> str:
        lines = self._log().splitlines()
        # A stack trace hides the sentences between its frames.
        telling = [line for line in lines if line.strip() and not line.lstrip().startswith(("at ", "... "))]
        return "; its last words:\n  " + "\n  ".join(telling[-_LOG_LINES:]) if telling else "; its log is empty"


def lay_out(installation: Installation, folder: NodeFolder) -> None:
    """An empty data directory as `format` would leave it, with a cluster id of its own."""
    folder.directory.mkdir(parents=True, exist_ok=True)
    for left_over in (folder.data, folder.temporary):
        shutil.rmtree(left_over, ignore_errors=True)
    shutil.copytree(installation.template, folder.data)
    folder.name_cluster(base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("="))
    folder.temporary.mkdir()


def spawn(
    installation: Installation,
    java: Java,
    profile: Profile,
    folder: NodeFolder,
    *flags: str,
    die_with_parent: bool = True,
) -> Node:
    """Start the process on what lies in its directory, from the main thread only."""
    argv = java.command(
        profile,
        f"-Djava.io.tmpdir={folder.temporary}",
        *flags,
        main_class=_MAIN_CLASS,
        arguments=[folder.properties.name],
    )
    folder.log_path.parent.mkdir(parents=True, exist_ok=True)
    with folder.log_path.open("ab") as log:
        log_began = log.tell()
        process = subprocess.Popen(
            launcher.command(argv, die_with_parent=die_with_parent),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=folder.directory,  # where its data goes, and the report of a JVM that crashes
            env=jvm_environment(installation.jars),
            start_new_session=True,  # Ctrl-C goes to the harness alone, which ends the broker after its clients
        )
    return Node(process, folder, log_began)
