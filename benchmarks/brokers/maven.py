"""jgo as this package uses it: resolve Maven coordinates, and download one artifact into a given folder.

`jgo.build` is left aside on purpose: to sort jars into class path and module path it downloads a whole JDK 11, and it
writes to the user's `~/.m2`. The resolver below it does neither, and reports bytes as they arrive. Importing jgo takes
a while, so it happens only when something must be downloaded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from benchmarks.brokers.release import Jar

_TIMEOUT_S = 15


class Downloads(Protocol):
    """Where jars come from."""

    def download(self, jar: Jar, repository: Path, arrived: Callable[[int], None]) -> None:
        """Write the jar to `repository / jar.path`, telling `arrived` how many bytes came. Any error is an OSError."""


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


def resolve(coordinate: str, repository: Path) -> list[Path]:
    """Resolve a coordinate and all that it needs at run time; the paths of the downloaded jars."""
    from jgo.maven import MavenContext, PythonResolver

    context = MavenContext(resolver=PythonResolver(), repo_cache=repository, timeout=_TIMEOUT_S)
    inputs, transitive = context.resolver.resolve([context.create_dependency(coordinate)])
    needed = [*inputs, *(dependency for dependency in transitive if dependency.scope in {"compile", "runtime"})]
    return [Path(dependency.artifact.resolve()) for dependency in needed]
