"""Which Apache Kafka is used: its version, and the SHA-256 sum of every jar that may run.

The sums stand in `kafka-<version>.sha256`, in the format of `sha256sum`, with each jar's path in a Maven repository, so
that a line is coordinate and checksum at once. `pin.py` writes the file; nothing is resolved when a user fetches.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

VERSION = "4.4.0"

# slf4j-simple prints Kafka's own log lines; without a backend a broker that fails would die in silence, and the one of
# Kafka's distribution (log4j) costs start-up time and a configuration file.
ROOTS = ("org.apache.kafka:kafka_2.13:{version}", "org.slf4j:slf4j-simple:1.7.36")

_SIZE_PREFIX = "# total bytes: "


@dataclass(frozen=True)
class Jar:
    """One pinned jar. path: where it lies in a Maven repository; sha256: lower-case hex."""

    path: str
    sha256: str

    @property
    def name(self) -> str:
        return PurePosixPath(self.path).name

    @property
    def coordinate(self) -> tuple[str, str, str]:
        """Group, artifact and version."""
        *group, artifact, version, _name = PurePosixPath(self.path).parts
        return ".".join(group), artifact, version


@dataclass(frozen=True)
class Release:
    """A version of Kafka, all of its jars, and how many bytes they are together.

    digest: SHA-256 of the list itself, so that a cache made from another list is recognised.
    """

    version: str
    jars: tuple[Jar, ...]
    total_bytes: int
    digest: str


def sums_path(version: str = VERSION) -> Path:
    return Path(__file__).with_name(f"kafka-{version}.sha256")


def load(path: Path | None = None, version: str = VERSION) -> Release:
    """Read the list of sums. ValueError names the line that is not `sha256  path`."""
    path = path or sums_path(version)
    text = path.read_text(encoding="utf-8")
    jars: list[Jar] = []
    total_bytes = 0
    for number, line in enumerate(text.splitlines(), start=1):
        if line.startswith(_SIZE_PREFIX):
            total_bytes = int(line.removeprefix(_SIZE_PREFIX))
        if not line or line.startswith("#"):
            continue
        sha256, separator, jar_path = line.partition("  ")
        inside = PurePosixPath(jar_path)
        if not separator or len(sha256) != 64 or len(inside.parts) < 4 or inside.is_absolute() or ".." in inside.parts:
            raise ValueError(f"{path.name}:{number}: expected `sha256  group/artifact/version/a.jar`, found {line!r}")
        jars.append(Jar(jar_path, sha256))
    return Release(version, tuple(jars), total_bytes, hashlib.sha256(text.encode()).hexdigest())


def render(version: str, jars: list[Jar], total_bytes: int) -> str:
    """The text of a list of sums; `load` reads it back."""
    lines = [
        f"# Apache Kafka {version} and what it needs to run, in the layout of a Maven repository.",
        "# Made by `python -m benchmarks.brokers.pin`; check a cache with `sha256sum -c` from its repository folder.",
        f"{_SIZE_PREFIX}{total_bytes}",
    ]
    lines += [f"{jar.sha256}  {jar.path}" for jar in sorted(jars, key=lambda jar: jar.path)]
    return "\n".join(lines) + "\n"
