"""The first fetch: download the jars into a folder aside, check each against its sum, then move them all at once."""

from __future__ import annotations

import errno
import shutil
import threading
import time
from collections.abc import Callable
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from pathlib import Path

from benchmarks.brokers.broker import BrokerUnavailable, FetchProgress
from benchmarks.brokers.kafka.cache import CACHE_VARIABLE, Installation, sha256_of
from benchmarks.brokers.kafka.jars import Downloads, Jar

_AT_ONCE = 8
_ATTEMPTS = 3
_PAUSE_S = 1.0
_DISK_TROUBLE = {errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EPERM, errno.EROFS, errno.EIO}

WAYS_OUT = (
    "Connect this machine to the internet once and run `bench broker fetch`, "
    "or use a Kafka that is already running: --broker host:port. "
    "Behind a company proxy, set HTTPS_PROXY and REQUESTS_CA_BUNDLE."
)


class Abandoned(Exception):  # noqa: N818 - not an error: the user asked for it
    """The fetch was called off while it was under way."""


def fetch_jars(
    into: Installation,
    downloads: Downloads,
    progress: FetchProgress,
    called_off: threading.Event,
    pause_s: float = _PAUSE_S,
) -> None:
    """Bring every pinned jar into `into.repository`. Blocks; run it in a thread of its own.

    Jars that are whole from an interrupted fetch, or from the installation that this one replaces, are not downloaded
    again. Setting `called_off` makes it raise `Abandoned` soon. BrokerUnavailable: no network, no disk, a wrong sum.
    """
    try:
        staging = into.partial / "repository"
        staging.mkdir(parents=True, exist_ok=True)
        missing = [jar for jar in into.release.jars if not _keep(into, jar, staging)]
        if missing:
            _download_all(missing, staging, into, downloads, progress, called_off, pause_s)
        _drop_unlisted(into, staging)
        shutil.rmtree(into.home, ignore_errors=True)
        into.partial.replace(into.home)
    except OSError as error:
        raise BrokerUnavailable(
            f"Kafka {into.release.version} cannot be kept in {into.home.parent}: {error.strerror or error}",
            f"Free some space or set {CACHE_VARIABLE} to a folder that can be written to.",
        ) from error


def _keep(into: Installation, jar: Jar, staging: Path) -> bool:
    """Whether the jar is whole already, in the staging folder or in the old installation; what is not whole goes."""
    staged = staging / jar.path
    if sha256_of(staged) == jar.sha256:
        return True
    staged.unlink(missing_ok=True)
    installed = into.repository / jar.path
    if sha256_of(installed) != jar.sha256:
        return False
    staged.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(installed, staged)
    return True


def _drop_unlisted(into: Installation, staging: Path) -> None:
    listed = {staging / jar.path for jar in into.release.jars}
    for path in staging.rglob("*"):
        if path.is_file() and path not in listed:
            path.unlink()


def _download_all(
    missing: list[Jar],
    staging: Path,
    into: Installation,
    downloads: Downloads,
    progress: FetchProgress,
    called_off: threading.Event,
    pause_s: float,
) -> None:
    telling = threading.Lock()
    failed = threading.Event()

    def arrived(name: str, done_bytes: int) -> None:
        if called_off.is_set() or failed.is_set():
            raise Abandoned
        with telling:
            progress.advance(name, done_bytes)

    whole = len(missing) == len(into.release.jars)
    # Sizes are known for all jars together only; with a part of them the bar counts files.
    progress.begin(len(missing), into.release.total_bytes if whole else 0)
    try:
        with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="fetch") as pool:
            jobs = [pool.submit(_download_one, jar, staging, downloads, arrived, pause_s) for jar in missing]
            done, _pending = wait(jobs, return_when=FIRST_EXCEPTION)
            errors = [error for job in done if (error := job.exception()) is not None]
            if errors:
                failed.set()
                pool.shutdown(cancel_futures=True)
                # A thread that stopped because another failed has nothing to report.
                raise next((error for error in errors if not isinstance(error, Abandoned)), errors[0])
    finally:
        progress.end()


def _download_one(
    jar: Jar, staging: Path, downloads: Downloads, arrived: Callable[[str, int], None], pause_s: float
) -> None:
    target = staging / jar.path
    for attempt in range(1, _ATTEMPTS + 1):
        arrived(jar.name, 0)  # the fetch may have been called off meanwhile
        done_bytes = 0

        def count(more_bytes: int) -> None:
            nonlocal done_bytes
            done_bytes += more_bytes
            arrived(jar.name, more_bytes)

        try:
            downloads.download(jar, staging, count)
            break
        except OSError as error:
            target.unlink(missing_ok=True)
            if error.errno in _DISK_TROUBLE:
                raise
            if attempt == _ATTEMPTS:
                reason = _cause(error)
                raise BrokerUnavailable(
                    f"Kafka is not on this machine yet; {jar.name} cannot be fetched from Maven Central: {reason}",
                    WAYS_OUT,
                ) from error
            arrived(jar.name, -done_bytes)
            time.sleep(pause_s * attempt)
    found = sha256_of(target)
    if found != jar.sha256:
        target.unlink(missing_ok=True)
        raise BrokerUnavailable(
            f"{jar.name} has the wrong checksum (SHA-256 {found}, expected {jar.sha256}); it was deleted",
            "Something between this machine and Maven Central changes or cuts downloads. Run `bench broker fetch` "
            "again, from another network if it happens twice, or use --broker host:port.",
        )


def _cause(error: BaseException) -> BaseException:
    """The innermost error: the library's own wrap it in a page of text."""
    while (inner := error.__cause__ or error.__context__) is not None:
        error = inner
    return error
