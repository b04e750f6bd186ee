"""What is kept per user between runs: Kafka's jars, the formatted template, and the JVM's ahead-of-time caches.

```
<cache>/kafka/4.4.0.lock          one process prepares at a time
<cache>/kafka/4.4.0.partial/      a download under way; after an interruption, what is whole in it is used again
<cache>/kafka/4.4.0/
    repository/…/*.jar            in the layout of a Maven repository
    template/…                    what `format` writes into an empty data directory
    aot/java-….aot                loaded classes of a training run (or `.failed`, with the reason)
    complete.json                 written last: which list of sums this was made from, and the size of every file
```
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path

from benchmarks.brokers.kafka.jars import Release

CACHE_VARIABLE = "SYNC_VS_EVENTS_CACHE"
_APPLICATION = "sync-vs-events"


def cache_root() -> Path:
    """The folder for everything: `SYNC_VS_EVENTS_CACHE`, else the user's cache folder."""
    chosen = os.environ.get(CACHE_VARIABLE)
    if chosen:
        return Path(chosen).expanduser().absolute()
    from platformdirs import user_cache_path

    return user_cache_path(_APPLICATION, appauthor=False)


@dataclass(frozen=True)
class Installation:
    """Where one release of Kafka belongs in the cache, whether it is there yet or not."""

    release: Release
    home: Path

    @property
    def repository(self) -> Path:
        return self.home / "repository"

    @property
    def template(self) -> Path:
        return self.home / "template"

    @property
    def marker(self) -> Path:
        return self.home / "complete.json"

    @property
    def partial(self) -> Path:
        return self.home.with_name(self.home.name + ".partial")

    @property
    def lock(self) -> Path:
        return self.home.with_name(self.home.name + ".lock")

    @property
    def jars(self) -> list[Path]:
        """The class path."""
        return [self.repository / jar.path for jar in self.release.jars]

    def training(self, name: str) -> Path:
        """The ahead-of-time cache of that name (see `java.Java.training_name`)."""
        return self.home / "aot" / name


def installation(release: Release, root: Path | None = None) -> Installation:
    return Installation(release, (root or cache_root()) / "kafka" / release.version)


def complete(found: Installation) -> bool:
    """Whether jars and template are there, judged by the marker and by sizes: under a millisecond, no hashing."""
    try:
        marker = json.loads(found.marker.read_text(encoding="utf-8"))
        if marker["digest"] != found.release.digest:
            return False
        sizes: dict[str, int] = marker["sizes"]
        return all((found.home / name).stat().st_size == size for name, size in sizes.items())
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False


def seal(found: Installation) -> None:
    """Write the marker: from now on the cache counts as complete."""
    kept = [*found.jars, *(path for path in sorted(found.template.rglob("*")) if path.is_file())]
    sizes = {path.relative_to(found.home).as_posix(): path.stat().st_size for path in kept}
    aside = found.marker.with_suffix(".new")
    aside.write_text(json.dumps({"digest": found.release.digest, "sizes": sizes}, indent=1), encoding="utf-8")
    aside.replace(found.marker)


def damaged(found: Installation) -> list[str]:
    """The names of the jars that are missing or whose sum is not the one kept with the code."""
    return [jar.name for jar in found.release.jars if sha256_of(found.repository / jar.path) != jar.sha256]


def sha256_of(path: Path) -> str | None:
    """The SHA-256 of a file in hex; None where there is no such file."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        return None
