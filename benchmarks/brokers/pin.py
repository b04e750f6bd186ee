"""Maintenance: resolve a version of Kafka through jgo and write its list of sums.

    python -m benchmarks.brokers.pin 4.4.0

Then set `VERSION` in `release.py` and look through the diff: what is written here is what users will run.
"""

from __future__ import annotations

import hashlib
import sys
import tempfile
from pathlib import Path

from benchmarks.brokers.maven import resolve
from benchmarks.brokers.release import ROOTS, VERSION, Jar, render, sums_path


def pin(version: str, repository: Path) -> str:
    """The list of sums for this version. `repository` receives the jars."""
    jars: dict[str, Jar] = {}
    total_bytes = 0
    # Each root by itself: resolved together, the dependency management of one would change the versions of the other.
    for root in ROOTS:
        for path in resolve(root.format(version=version), repository):
            name = path.relative_to(repository).as_posix()
            if name not in jars:
                jars[name] = Jar(name, hashlib.sha256(path.read_bytes()).hexdigest())
                total_bytes += path.stat().st_size
    return render(version, list(jars.values()), total_bytes)


if __name__ == "__main__":
    chosen = sys.argv[1] if len(sys.argv) > 1 else VERSION
    with tempfile.TemporaryDirectory() as folder:
        sums_path(chosen).write_text(pin(chosen, Path(folder)), encoding="utf-8")
    sys.stdout.write(f"wrote {sums_path(chosen).name}\n")
