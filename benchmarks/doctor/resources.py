"""What a run takes up: open files, processes, memory, and room in the folders that it writes to. Writes nothing."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from benchmarks.doctor.examination import Finding, missing, note, ok

# What a process of a run has open besides one connection for each registration in flight.
_FILES_RESERVED = 64
_FILES_NEEDED = 256
_FILES_ENOUGH = 4096
_LIFT = f"have the hard limit raised to {_FILES_ENOUGH} (`ulimit -Hn` shows it, limits.conf sets it)"
# Threads count as processes: a broker has about 100, every other process a few.
_PROCESSES_NEEDED = 250


@dataclass(frozen=True)
class LimitFacts:
    """Limits, None where there is none. files: the hard one, to which a run lifts each of its processes.

    processes: threads of this user that are running already; None if not known.
    """

    files: int | None
    processes_limit: int | None
    processes: int | None


def look_at_limits() -> LimitFacts:
    import resource  # there is none on Windows

    def bounded(limit: int) -> int | None:
        return None if limit == resource.RLIM_INFINITY else limit

    files = bounded(resource.getrlimit(resource.RLIMIT_NOFILE)[1])
    return LimitFacts(files, bounded(resource.getrlimit(resource.RLIMIT_NPROC)[0]), _threads_of_user())


def _threads_of_user() -> int | None:
    import psutil

    if os.getuid() == 0:
        return None  # the limit does not hold for root
    mine = psutil.process_iter(["uids", "num_threads"])
    return sum(
        process.info["num_threads"] or 0
        for process in mine
        if process.info["uids"] and process.info["uids"].real == os.getuid()
    )


def judge_limits(facts: LimitFacts) -> list[Finding]:
    return [_files(facts), _processes(facts)]


def _files(facts: LimitFacts) -> Finding:
    if facts.files is None:
        return ok("open files", "no limit")
    words = f"{facts.files:,} per process"
    if facts.files < _FILES_NEEDED:
        return missing("open files", f"{words}: too few for a run", _LIFT)
    if facts.files < _FILES_ENOUGH:
        return note(
            "open files",
            f"{words}: enough for {facts.files - _FILES_RESERVED:,} registrations in flight at each API",
            f"for heavier load: {_LIFT}",
        )
    return ok("open files", words)


def _processes(facts: LimitFacts) -> Finding:
    if facts.processes_limit is None or facts.processes is None:
        return ok("processes", "no limit for this user")
    left = facts.processes_limit - facts.processes
    words = f"{facts.processes_limit:,} allowed, threads included; {facts.processes:,} are in use"
    if left < _PROCESSES_NEEDED:
        return missing(
            "processes", f"{words}; a run needs about {_PROCESSES_NEEDED}", "end some, or raise the limit: ulimit -u"
        )
    return ok("processes", words)


# Eight Python processes and a broker of 256 MB heap.
_MEMORY_NEEDED_MB = 800
_MEMORY_ENOUGH_MB = 2_000
_CONTROL_GROUP = Path("/sys/fs/cgroup")


@dataclass(frozen=True)
class MemoryFacts:
    """available_mb: what is free without swapping. group_left_mb: what the control group leaves; None: no limit."""

    total_mb: float
    available_mb: float
    group_left_mb: float | None


def look_at_memory() -> MemoryFacts:
    import psutil

    found = psutil.virtual_memory()
    left = None
    with suppress(OSError, ValueError):  # "max" is no number
        limit = int((_CONTROL_GROUP / "memory.max").read_text(encoding="ascii"))
        left = (limit - int((_CONTROL_GROUP / "memory.current").read_text(encoding="ascii"))) / 2**20
    return MemoryFacts(found.total / 2**20, found.available / 2**20, left)


def judge_memory(facts: MemoryFacts) -> list[Finding]:
    left_mb = min(facts.available_mb, facts.group_left_mb if facts.group_left_mb is not None else facts.available_mb)
    words = f"{left_mb:,.0f} MB are free, of {facts.total_mb:,.0f} MB"
    if left_mb < _MEMORY_NEEDED_MB:
        return [
            missing("memory", f"{words}; a run with a broker needs about {_MEMORY_NEEDED_MB} MB", "end other programs")
        ]
    if left_mb < _MEMORY_ENOUGH_MB:
        return [note("memory", f"{words}: enough for one instance of each service", "end other programs for more")]
    return [ok("memory", words)]


_RESULTS_NEEDED_MB = 100  # a run of some minutes: raw traces, tables and charts
_CACHE_NEEDED_MB = 300  # jars, the template, and an ahead-of-time cache
_TEMPORARY_NEEDED_MB = 200  # the broker's log of messages
_AMPLE = 5  # times what is needed


@dataclass(frozen=True)
class Folder:
    """A folder that exists or will be made. obstacle: why it cannot be written; empty where it can."""

    subject: str
    path: Path
    free_mb: float
    needed_mb: float
    obstacle: str
    remedy: str


@dataclass(frozen=True)
class DiskFacts:
    """latest_in_the_way: `results/latest` is something of the user's, and no link that can be moved on."""

    folders: Sequence[Folder]
    latest_in_the_way: bool = False


def look_at_disk() -> DiskFacts:
    from benchmarks.brokers.kafka.cache import CACHE_VARIABLE, cache_root, complete, installation
    from benchmarks.brokers.kafka.jars import load_release

    results, temporary = Path("results").absolute(), Path(tempfile.gettempdir())
    cached = complete(installation(load_release()))
    latest = results / "latest"
    return DiskFacts(
        (
            _look_at_folder(
                "results", results, _RESULTS_NEEDED_MB, "change to a folder of your own, or name one with --out"
            ),
            _look_at_folder(
                "cache",
                cache_root(),
                0 if cached else _CACHE_NEEDED_MB,
                f"set {CACHE_VARIABLE} to a folder with room that can be written to",
            ),
            _look_at_folder("temporary", temporary, _TEMPORARY_NEEDED_MB, "set TMPDIR to another folder"),
        ),
        latest.exists() and not latest.is_symlink(),
    )


def _look_at_folder(subject: str, path: Path, needed_mb: float, remedy: str) -> Folder:
    there = nearest(path)
    obstacle = ""
    if not there.is_dir():
        obstacle = f"{there} is not a folder"
    elif not os.access(there, os.W_OK | os.X_OK):
        obstacle = f"{there} cannot be written to"
    return Folder(subject, path, shutil.disk_usage(there).free / 2**20, needed_mb, obstacle, remedy)


def nearest(path: Path) -> Path:
    """The path itself, or the nearest one above it that exists."""
    while not path.exists() and path != path.parent:
        path = path.parent
    return path


def judge_disk(facts: DiskFacts) -> list[Finding]:
    findings = [_judge_folder(folder) for folder in facts.folders]
    if facts.latest_in_the_way:
        findings.append(
            note(
                "latest",
                "results/latest is not a link that bench made, so it will not follow the newest run",
                "move it away",
            )
        )
    return findings


def _judge_folder(folder: Folder) -> Finding:
    words = f"{folder.path}, {folder.free_mb:,.0f} MB free"
    # A cache that is complete needs neither room nor the right to write.
    if folder.obstacle and folder.needed_mb:
        return missing(folder.subject, f"{folder.path}: {folder.obstacle}", folder.remedy)
    if folder.free_mb < folder.needed_mb:
        return missing(folder.subject, f"{words}, and {folder.needed_mb:,.0f} MB are needed", folder.remedy)
    if folder.free_mb < folder.needed_mb * _AMPLE:
        return note(folder.subject, f"{words}: enough for a few short runs", "make room, or " + folder.remedy)
    return ok(folder.subject, words)
