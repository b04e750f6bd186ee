"""Everything that happens once per user: fetch the jars, format a template, train the JVM's ahead-of-time cache.

```
lock → jars (a thread) → template (1 s) → marker → training run (6 s; costs only speed when it fails)
```
The processes are started from the caller's thread, which must be the main one (see `benchmarks.processes.launcher`).
"""

from __future__ import annotations

import asyncio
import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from benchmarks.brokers.broker import BrokerUnavailable, FetchProgress, SilentProgress
from benchmarks.brokers.kafka.cache import CACHE_VARIABLE, Installation, complete, damaged, installation, seal
from benchmarks.brokers.kafka.fetch import Abandoned, fetch_jars
from benchmarks.brokers.kafka.jars import Downloads, MavenCentral, Release, load_release
from benchmarks.brokers.kafka.java import PROFILES, Java, find_java, jvm_environment
from benchmarks.brokers.kafka.node import NodeFailed, NodeFolder, lay_out, spawn
from benchmarks.brokers.kafka.properties import DATA, server_properties
from benchmarks.processes import launcher
from benchmarks.processes.ports import NoFreePort, Ports

_LOCK_POLL_S = 0.1
_FORMAT_WITHIN_S = 60.0
_TRAINING_WITHIN_S = 120.0
_TRAININGS_KEPT = 3  # 65 MB each; several virtual environments may hold different Java runtimes
_TRAINED = PROFILES["quick"]
_WAYS_OUT = "Run `bench broker fetch`, which checks every file, or use one that is already running: --broker host:port."
_ANY_CLUSTER = "AAAAAAAAAAAAAAAAAAAAAA"  # each broker gets one of its own


async def prepare(
    progress: FetchProgress | None = None,
    *,
    downloads: Downloads | None = None,
    release: Release | None = None,
    root: Path | None = None,
    verify: bool = False,
) -> Installation:
    """The installation, complete. Returns at once where nothing is missing.

    verify: hash every jar instead of comparing sizes, fetch again what is damaged, and repeat a training run that
    failed. root: instead of the user's cache folder. BrokerUnavailable where it cannot be completed.
    """
    java = find_java()
    found = installation(release or load_release(), root)
    if not verify and complete(found) and _tried_training(found, java):
        return found
    progress = progress or SilentProgress()
    try:
        async with _locked(found.lock, progress):
            _sweep(found)
            if not complete(found) or (verify and damaged(found)):
                found.marker.unlink(missing_ok=True)
                await _fetch(found, downloads or MavenCentral(), progress)
                progress.step("formatting a data directory")
                await _format(found, java)
                seal(found)
            if not _tried_training(found, java, again=verify):
                progress.step("preparing fast starts (once, a few seconds)")
                await _train(found, java)
    except OSError as error:
        if complete(found):  # such as a cache made elsewhere and mounted read-only: it starts, only slower
            return found
        raise BrokerUnavailable(
            f"The cache folder {found.home.parent} cannot be used: {error.strerror or error}",
            f"Make it writable or set {CACHE_VARIABLE} to a folder that can be written to.",
        ) from error
    return found


@asynccontextmanager
async def _locked(path: Path, progress: FetchProgress) -> AsyncIterator[None]:
    """One process at a time. The system gives the lock back when its holder dies."""
    from filelock import FileLock, Timeout

    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path)
    told = False
    while True:
        try:
            lock.acquire(blocking=False)
            break
        except Timeout:
            if not told:
                progress.step("another run is fetching Kafka: waiting for it")
                told = True
            await asyncio.sleep(_LOCK_POLL_S)
    try:
        yield
    finally:
        lock.release()


def _sweep(found: Installation) -> None:
    """Remove what a killed run left behind."""
    for left_over in [*found.home.glob("format-*"), *found.home.glob("training-*")]:
        shutil.rmtree(left_over, ignore_errors=True)


async def _fetch(found: Installation, downloads: Downloads, progress: FetchProgress) -> None:
    called_off = threading.Event()
    fetching = asyncio.ensure_future(asyncio.to_thread(fetch_jars, found, downloads, progress, called_off))
    try:
        await asyncio.shield(fetching)
    except asyncio.CancelledError:
        called_off.set()
        # The lock is held until the threads are out of the staging folder.
        with suppress(Abandoned, BrokerUnavailable):
            await fetching
        raise


async def _format(found: Installation, java: Java) -> None:
    """Let Kafka's own tool write the template into a folder aside, then move it into place."""
    with tempfile.TemporaryDirectory(dir=found.home, prefix="format-") as name:
        folder = Path(name)
        (folder / "server.properties").write_text(server_properties(9092, 9093), encoding="utf-8")
        command = java.command(
            PROFILES["quick"],
            main_class="kafka.tools.StorageTool",
            arguments=["format", "-t", _ANY_CLUSTER, "-c", "server.properties"],
        )
        process = await asyncio.create_subprocess_exec(
            *launcher.command(command),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=folder,
            env=jvm_environment(found.jars),
            start_new_session=True,
        )
        try:
            async with asyncio.timeout(_FORMAT_WITHIN_S):
                output, _ = await process.communicate()
        except TimeoutError as error:
            raise BrokerUnavailable(f"Kafka's format tool took over {_FORMAT_WITHIN_S:.0f} s", _WAYS_OUT) from error
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        if process.returncode != 0:
            words = output.decode(errors="replace").strip()[-2000:]
            raise BrokerUnavailable(
                f"Kafka's format tool failed with exit code {process.returncode}:\n{words}", _WAYS_OUT
            )
        shutil.rmtree(found.template, ignore_errors=True)
        (folder / DATA).replace(found.template)


def _tried_training(found: Installation, java: Java, *, again: bool = False) -> bool:
    """Whether this Java runtime was trained, or the training failed (which does not count with `again`)."""
    cache = found.training(java.training_name(_TRAINED))
    return cache.exists() or (not again and cache.with_suffix(".failed").exists())


async def _train(found: Installation, java: Java) -> None:
    """Start a broker once and let the JVM record the classes it loads. A failure is noted, and costs only speed."""
    cache = found.training(java.training_name(_TRAINED))
    cache.parent.mkdir(parents=True, exist_ok=True)
    failed = cache.with_suffix(".failed")
    with tempfile.TemporaryDirectory(dir=found.home, prefix="training-") as name:
        folder = Path(name)
        recorded = folder / cache.name
        try:
            ports = Ports()
            node_folder = NodeFolder(folder / "node", folder / "training.log", ports.take(), ports.take())
            lay_out(found, node_folder)
            node_folder.properties.write_text(
                server_properties(node_folder.port, node_folder.controller_port), encoding="utf-8"
            )
            node = spawn(found, java, _TRAINED, node_folder, f"-XX:AOTCacheOutput={recorded}")
            try:
                await node.ready()
                await node.end(signal.SIGTERM, _TRAINING_WITHIN_S)  # the cache is written on the way out
            finally:
                node.kill()
            recorded.replace(cache)
            failed.unlink(missing_ok=True)
        except (NodeFailed, NoFreePort, OSError) as error:
            failed.write_text(f"{error}\n", encoding="utf-8")
    newest_first = sorted(cache.parent.glob("*.aot"), key=lambda path: path.stat().st_mtime, reverse=True)
    for old in newest_first[_TRAININGS_KEPT:]:
        old.unlink(missing_ok=True)
