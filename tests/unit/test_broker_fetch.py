import errno
import hashlib
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.brokers.broker import BrokerUnavailable, SilentProgress
from benchmarks.brokers.kafka.cache import Installation, complete, damaged, installation, seal
from benchmarks.brokers.kafka.fetch import Abandoned, fetch_jars
from benchmarks.brokers.kafka.jars import Jar, Release

CONTENTS = {f"org/example/{name}/1/{name}-1.jar": name.encode() * 500 for name in ("one", "two", "three")}


class ShelfOfJars:
    """Jars from memory; `broken` maps a path to what happens instead, once for each entry of its list."""

    def __init__(self, broken: dict[str, list[bytes | OSError]] | None = None) -> None:
        self.asked: list[str] = []
        self._broken = broken or {}

    def download(self, jar: Jar, repository: Path, arrived: Callable[[int], None]) -> None:
        self.asked.append(jar.path)
        instead = self._broken.get(jar.path)
        content: bytes | OSError = instead.pop(0) if instead else CONTENTS[jar.path]
        target = repository / jar.path
        target.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, OSError):
            target.write_bytes(b"half of")
            arrived(7)
            raise content
        target.write_bytes(content)
        arrived(len(content))


class Notes:
    """Progress, written down."""

    def __init__(self) -> None:
        self.begun: tuple[int, int] | None = None
        self.bytes_of: dict[str, int] = {}
        self.ended = False

    def begin(self, total_files: int, total_bytes: int) -> None:
        self.begun = (total_files, total_bytes)

    def advance(self, name: str, done_bytes: int) -> None:
        self.bytes_of[name] = self.bytes_of.get(name, 0) + done_bytes

    def step(self, message: str) -> None:
        pass

    def end(self) -> None:
        self.ended = True


@pytest.fixture
def empty(tmp_path: Path) -> Installation:
    jars = tuple(Jar(path, hashlib.sha256(content).hexdigest()) for path, content in CONTENTS.items())
    total_bytes = sum(len(content) for content in CONTENTS.values())
    return installation(Release("9.9.9", jars, total_bytes, "digest"), tmp_path)


def fetch(into: Installation, shelf: ShelfOfJars, notes: Notes | None = None) -> None:
    fetch_jars(into, shelf, notes or SilentProgress(), threading.Event(), pause_s=0)


def sealed(found: Installation) -> Installation:
    fetch(found, ShelfOfJars())
    found.template.mkdir()
    (found.template / "meta.properties").write_text("version=1\n")
    seal(found)
    return found


def test_a_first_fetch_brings_every_jar_and_leaves_nothing_else(empty: Installation) -> None:
    fetch(empty, ShelfOfJars())
    assert [path.read_bytes() for path in empty.jars] == list(CONTENTS.values())
    assert damaged(empty) == []
    assert not empty.partial.exists()


def test_progress_tells_every_byte_and_its_end(empty: Installation) -> None:
    notes = Notes()
    fetch(empty, ShelfOfJars(), notes)
    assert notes.begun == (3, sum(map(len, CONTENTS.values())))
    assert notes.bytes_of == {Path(path).name: len(content) for path, content in CONTENTS.items()}
    assert notes.ended


def test_jars_alone_do_not_make_a_cache_complete_the_marker_does(empty: Installation) -> None:
    fetch(empty, ShelfOfJars())
    assert not complete(empty)
    sealed(empty)
    assert complete(empty)


def test_a_wrong_sum_is_refused_by_name_and_deleted(empty: Installation) -> None:
    path = next(iter(CONTENTS))
    with pytest.raises(BrokerUnavailable, match=r"one-1\.jar has the wrong checksum") as caught:
        fetch(empty, ShelfOfJars({path: [b"something else"]}))
    assert "bench broker fetch" in caught.value.next_step
    assert not (empty.partial / "repository" / path).exists()
    assert not empty.home.exists()


def test_a_broken_download_is_tried_again_and_counted_once(empty: Installation) -> None:
    path = next(iter(CONTENTS))
    notes = Notes()
    fetch(empty, ShelfOfJars({path: [ConnectionResetError("reset"), TimeoutError("slow")]}), notes)
    assert damaged(empty) == []
    assert notes.bytes_of["one-1.jar"] == len(CONTENTS[path])


def test_offline_says_what_failed_and_the_ways_out(empty: Installation) -> None:
    path = next(iter(CONTENTS))
    trouble: list[bytes | OSError] = [OSError("Name or service not known")] * 3
    notes = Notes()
    with pytest.raises(BrokerUnavailable, match="Name or service not known") as caught:
        fetch(empty, ShelfOfJars({path: trouble}), notes)
    assert "bench broker fetch" in caught.value.next_step
    assert "--broker host:port" in caught.value.next_step
    assert notes.ended


def test_an_interrupted_fetch_goes_on_where_it_stopped(empty: Installation) -> None:
    whole, truncated, _missing = CONTENTS
    for path, content in ((whole, CONTENTS[whole]), (truncated, CONTENTS[truncated][:-1])):
        staged = empty.partial / "repository" / path
        staged.parent.mkdir(parents=True)
        staged.write_bytes(content)
    shelf = ShelfOfJars()
    fetch(empty, shelf)
    assert whole not in shelf.asked
    assert truncated in shelf.asked
    assert damaged(empty) == []


def test_jars_that_nobody_listed_are_dropped(empty: Installation) -> None:
    stranger = empty.partial / "repository/org/evil/evil/1/evil-1.jar"
    stranger.parent.mkdir(parents=True)
    stranger.write_bytes(b"boo")
    fetch(empty, ShelfOfJars())
    assert sorted(empty.repository.rglob("*.jar")) == sorted(empty.jars)


def test_a_truncated_jar_in_the_cache_is_noticed_and_only_it_is_fetched_again(empty: Installation) -> None:
    found = sealed(empty)
    found.jars[0].write_bytes(b"short")
    assert not complete(found)
    assert damaged(found) == ["one-1.jar"]
    shelf = ShelfOfJars()
    fetch(found, shelf)
    assert shelf.asked == [next(iter(CONTENTS))]
    assert damaged(found) == []


def test_a_changed_jar_of_the_same_size_is_found_by_its_sum(empty: Installation) -> None:
    found = sealed(empty)
    found.jars[1].write_bytes(b"x" * found.jars[1].stat().st_size)
    assert complete(found)
    assert damaged(found) == ["two-1.jar"]


def test_a_cache_made_from_another_list_of_sums_is_not_complete(empty: Installation) -> None:
    found = sealed(empty)
    other = Installation(Release("9.9.9", found.release.jars, 0, "another digest"), found.home)
    assert not complete(other)


@pytest.mark.parametrize("text", ["", "{}", "[]", "null", '{"digest": "digest", "sizes": 3}'])
def test_a_marker_that_cannot_be_read_is_no_marker(empty: Installation, text: str) -> None:
    found = sealed(empty)
    found.marker.write_text(text)
    assert not complete(found)


def test_calling_it_off_ends_it_and_keeps_what_is_whole(empty: Installation) -> None:
    called_off = threading.Event()

    class CallsOff(Notes):
        def advance(self, name: str, done_bytes: int) -> None:
            super().advance(name, done_bytes)
            called_off.set()

    with pytest.raises(Abandoned):
        fetch_jars(empty, ShelfOfJars(), CallsOff(), called_off, pause_s=0)
    assert not empty.home.exists()


def test_a_full_disk_is_said_at_once(empty: Installation) -> None:
    path = next(iter(CONTENTS))
    shelf = ShelfOfJars({path: [OSError(errno.ENOSPC, "No space left on device")]})
    with pytest.raises(BrokerUnavailable, match=r"cannot be kept in .*No space left on device") as caught:
        fetch(empty, shelf)
    assert "SYNC_VS_EVENTS_CACHE" in caught.value.next_step
    assert shelf.asked.count(path) == 1
