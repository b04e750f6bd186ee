"""How many files and processes one user may have here."""

from __future__ import annotations

import os
from dataclasses import dataclass

from benchmarks.doctor.examination import Finding, missing, note, ok

# What a process of a run has open besides one connection for each registration in flight.
_FILES_RESERVED = 64
_FILES_NEEDED = 256
_FILES_ENOUGH = 4096
_LIFT = f"have the hard limit raised to {_FILES_ENOUGH} (`ulimit -Hn` shows it, limits.conf sets it)"
# Threads count as processes: a broker has about 100, each of the others a few.
_PROCESSES_NEEDED = 250


@dataclass(frozen=True)
class Facts:
    """Limits, None where there is none. files: the hard one, to which a run lifts each of its processes.

    processes: threads of this user that run already; None if not known.
    """

    files: int | None
    processes_limit: int | None
    processes: int | None


def look() -> Facts:
    import resource  # there is none on Windows

    def bounded(limit: int) -> int | None:
        return None if limit == resource.RLIM_INFINITY else limit

    files = bounded(resource.getrlimit(resource.RLIMIT_NOFILE)[1])
    return Facts(files, bounded(resource.getrlimit(resource.RLIMIT_NPROC)[0]), _threads_of_user())


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


def judge(facts: Facts) -> list[Finding]:
    return [_files(facts), _processes(facts)]


def _files(facts: Facts) -> Finding:
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


def _processes(facts: Facts) -> Finding:
    if facts.processes_limit is None or facts.processes is None:
        return ok("processes", "no limit for this user")
    left = facts.processes_limit - facts.processes
    words = f"{facts.processes_limit:,} allowed, threads included; {facts.processes:,} are in use"
    if left < _PROCESSES_NEEDED:
        return missing(
            "processes", f"{words}; a run needs about {_PROCESSES_NEEDED}", "end some, or raise the limit: ulimit -u"
        )
    return ok("processes", words)
