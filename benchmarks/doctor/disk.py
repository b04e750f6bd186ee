"""The folders that a run writes to: whether they can be written, and how much room there is. Writes nothing."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.doctor.examination import Finding, missing, note, ok

_RESULTS_NEEDED_MB = 100  # a run of some minutes: raw traces, tables and charts
_CACHE_NEEDED_MB = 300  # jars, the template, and an ahead-of-time cache
_TEMPORARY_NEEDED_MB = 200  # the broker's log of messages
_AMPLE = 5  # times what is needed


@dataclass(frozen=True)
class Folder:
    """A folder, there or to be made. obstacle: why it cannot be written; empty where it can."""

    subject: str
    path: Path
    free_mb: float
    needed_mb: float
    obstacle: str
    remedy: str


@dataclass(frozen=True)
class Facts:
    """latest_in_the_way: `results/latest` is something of the user's, and no link that can be moved on."""

    places: Sequence[Folder]
    latest_in_the_way: bool = False


def look() -> Facts:
    from benchmarks.brokers.kafka.cache import CACHE_VARIABLE, cache_root, complete, installation
    from benchmarks.brokers.kafka.jars import load_release

    results, temporary = Path("results").absolute(), Path(tempfile.gettempdir())
    cached = complete(installation(load_release()))
    latest = results / "latest"
    return Facts(
        (
            _place("results", results, _RESULTS_NEEDED_MB, "go to a folder of yours, or name one with --out"),
            _place(
                "cache",
                cache_root(),
                0 if cached else _CACHE_NEEDED_MB,
                f"set {CACHE_VARIABLE} to a folder with room that can be written to",
            ),
            _place("temporary", temporary, _TEMPORARY_NEEDED_MB, "set TMPDIR to another folder"),
        ),
        latest.exists() and not latest.is_symlink(),
    )


def _place(subject: str, path: Path, needed_mb: float, remedy: str) -> Folder:
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


def judge(facts: Facts) -> list[Finding]:
    findings = [_judge_place(place) for place in facts.places]
    if facts.latest_in_the_way:
        findings.append(
            note(
                "latest", "results/latest is not a link of bench, so it will not follow the newest run", "move it away"
            )
        )
    return findings


def _judge_place(place: Folder) -> Finding:
    words = f"{place.path}, {place.free_mb:,.0f} MB free"
    # A cache that is complete needs neither room nor the right to write.
    if place.obstacle and place.needed_mb:
        return missing(place.subject, f"{place.path}: {place.obstacle}", place.remedy)
    if place.free_mb < place.needed_mb:
        return missing(place.subject, f"{words}, and {place.needed_mb:,.0f} MB are needed", place.remedy)
    if place.free_mb < place.needed_mb * _AMPLE:
        return note(place.subject, f"{words}: enough for a few short runs", "make room, or " + place.remedy)
    return ok(place.subject, words)
