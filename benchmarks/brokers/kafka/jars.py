"""Which Apache Kafka is used, by the SHA-256 sum of every jar that may run, and how to get them from Maven Central.

The sums are in `kafka-<version>.sha256`, in the format of `sha256sum`, with each jar's path in a Maven repository, so
that a line is coordinate and checksum at once. Nothing is resolved when a user fetches. Maintenance writes the list:

    python -m benchmarks.brokers.kafka.jars 4.5.0

`jgo.build` is avoided on purpose: to sort jars into class path and module path it downloads a whole JDK 11, and it
writes to the user's `~/.m2`. The resolver below it does neither, and reports bytes as they arrive. Importing jgo takes
a while, so it happens only when something must be downloaded.
"""

from __future__ import annotations

import hashlib
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Protocol

VERSION = "4.4.0"

# slf4j-simple prints Kafka's own log lines; without a backend a broker that fails would die in silence, and the one of
# Kafka's distribution (log4j) costs start-up time and a configuration file.
ROOTS = ("org.apache.kafka:kafka_2.13:{version}", "org.slf4j:slf4j-simple:1.7.36")

_TIMEOUT_S = 15
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


def load_release(path: Path | None = None, version: str = VERSION) -> Release:
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
    """The text of a list of sums; `load_release` reads it back."""
    lines = [
        f"# Apache Kafka {version} and what it needs to run, in the layout of a Maven repository.",
        f"# Made by `python -m benchmarks.brokers.kafka.jars {version}`; check a cache with `sha256sum -c` from its "
        "repository folder.",
        f"{_SIZE_PREFIX}{total_bytes}",
    ]
    lines += [f"{jar.sha256}  {jar.path}" for jar in sorted(jars, key=lambda jar: jar.path)]
    return "\n".join(lines) + "\n"


class Downloads(Protocol):
    """Where jars come from."""

    def download(self, jar: Jar, repository: Path, arrived: Callable[[int], None]) -> None:
        """Write the jar to `repository / jar.path`; `arrived` gets the number of bytes. Any error is an OSError."""


class MavenCentral:
    """Jars from Maven Central through jgo. Safe to use from several threads."""

    def download(self, jar: Jar, repository: Path, arrived: Callable[[int], None]) -> None:
        from jgo.maven import MavenContext, PythonResolver

        @contextmanager
        def progress(_name: str, _total_bytes: int) -> Iterator[Callable[[int], None]]:
            yield arrived

        group, artifact, version = jar.coordinate
        context = MavenContext(
            resolver=PythonResolver(progress_callback=progress), repo_cache=repository, timeout=_TIMEOUT_S
        )
        try:
            context.project(group, artifact).at_version(version).artifact().resolve()
        except RuntimeError as error:  # how jgo says "no repository has it"
            raise OSError(str(error)) from error


def _resolve(coordinate: str, repository: Path) -> list[Path]:
    """Resolve a coordinate and all that it needs at run time; the paths of the downloaded jars."""
    from jgo.maven import MavenContext, PythonResolver

    context = MavenContext(resolver=PythonResolver(), repo_cache=repository, timeout=_TIMEOUT_S)
    inputs, transitive = context.resolver.resolve([context.create_dependency(coordinate)])
    needed = [*inputs, *(dependency for dependency in transitive if dependency.scope in {"compile", "runtime"})]
    return [Path(dependency.artifact.resolve()) for dependency in needed]


def pin(version: str, repository: Path) -> str:
    """The list of sums for this version. `repository` receives the jars."""
    jars: dict[str, Jar] = {}
    total_bytes = 0
    # Each root on its own: resolved together, the dependency management of one would change the versions of the other.
    for root in ROOTS:
        for path in _resolve(root.format(version=version), repository):
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
