"""What happens once per user, with the jars of the real cache in place of the network."""

import asyncio
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.brokers import SilentProgress
from benchmarks.brokers.kafka.cache import CACHE_VARIABLE, Installation, complete, damaged, installation, sha256_of
from benchmarks.brokers.kafka.jars import Jar, MavenCentral, load_release
from benchmarks.brokers.kafka.java import PROFILES, find_java
from benchmarks.brokers.kafka.prepare import prepare
from benchmarks.brokers.kafka.server import start_kafka


class FromTheRealCache:
    """Jars that this machine has already."""

    def __init__(self, real: Installation) -> None:
        self._real = real
        self.asked: list[str] = []

    def download(self, jar: Jar, repository: Path, arrived: Callable[[int], None]) -> None:
        self.asked.append(jar.name)
        target = repository / jar.path
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(self._real.repository / jar.path, target)
        arrived(target.stat().st_size)


class Steps(SilentProgress):
    def __init__(self) -> None:
        self.messages: list[str] = []

    def step(self, message: str) -> None:
        self.messages.append(message)


class Unreachable:
    def download(self, jar: Jar, repository: Path, arrived: Callable[[int], None]) -> None:
        raise AssertionError("the network was touched")


def lend_training(real: Installation, root: Path) -> None:
    """Give the cache at `root` what the JVM has recorded for the real one, so that a test is quick."""
    name = find_java().training_name(PROFILES["quick"])
    lent = installation(load_release(), root).training(name)
    lent.parent.mkdir(parents=True)
    lent.symlink_to(real.training(name))


@pytest.mark.slow
async def test_two_first_runs_at_once_fetch_once_and_a_third_touches_no_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    downloads = FromTheRealCache(await prepare())
    steps = Steps()
    began = time.monotonic()
    first, second = await asyncio.gather(
        prepare(steps, downloads=downloads, root=tmp_path), prepare(steps, downloads=downloads, root=tmp_path)
    )
    print(f"prepared in {time.monotonic() - began:.1f} s without the network")
    assert first == second
    assert complete(first)
    assert sorted(downloads.asked) == sorted(jar.name for jar in load_release().jars)
    assert steps.messages.count("formatting a data directory") == 1
    assert "another run is fetching Kafka: waiting for it" in steps.messages
    assert first.training(find_java().training_name(PROFILES["quick"])).exists()
    assert sorted(path.name for path in first.home.iterdir()) == ["aot", "complete.json", "repository", "template"]

    assert await prepare(downloads=Unreachable(), root=tmp_path) == first
    assert await prepare(downloads=Unreachable(), root=tmp_path, verify=True) == first

    # A cache that the JVM does not accept costs speed, and not the run.
    os.utime(first.jars[0], (0, 0))
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path))
    broker = await start_kafka(tmp_path / "kafka-1", tmp_path / "kafka.log")
    await broker.stop()
    assert broker.info.description["ahead_of_time_cache"] == "no"
    assert "refused it" in next(first.home.glob("aot/*.failed")).read_text()


@pytest.mark.slow
async def test_a_fetch_that_is_called_off_gives_the_lock_back_and_can_be_repeated(tmp_path: Path) -> None:
    begun = asyncio.Event()
    loop = asyncio.get_running_loop()

    class Slow(FromTheRealCache):
        def download(self, jar: Jar, repository: Path, arrived: Callable[[int], None]) -> None:
            loop.call_soon_threadsafe(begun.set)
            time.sleep(0.01)
            super().download(jar, repository, arrived)

    real = await prepare()
    lend_training(real, tmp_path)
    downloads = Slow(real)
    task = asyncio.create_task(prepare(downloads=downloads, root=tmp_path))
    await asyncio.wait_for(begun.wait(), 10)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    asked = len(downloads.asked)
    assert asked < len(load_release().jars)
    found = await prepare(downloads=downloads, root=tmp_path)
    assert complete(found)
    assert damaged(found) == []


async def test_a_fetch_that_was_killed_goes_on_with_what_is_whole(tmp_path: Path) -> None:
    real = await prepare()
    lend_training(real, tmp_path)
    program = (
        "import asyncio, pathlib, shutil, sys, time\n"
        "from benchmarks.brokers.kafka.prepare import prepare\n"
        "class Slow:\n"
        "    def download(self, jar, repository, arrived):\n"
        "        target = repository / jar.path\n"
        "        target.parent.mkdir(parents=True, exist_ok=True)\n"
        "        shutil.copyfile(pathlib.Path(sys.argv[2]) / jar.path, target)\n"
        "        print(jar.name, flush=True)\n"
        "        target.open('ab').write(b'half of something')\n"
        "        time.sleep(60)\n"
        "asyncio.run(prepare(downloads=Slow(), root=pathlib.Path(sys.argv[1])))\n"
    )
    tree = str(Path(__file__).parents[2])
    with subprocess.Popen(  # noqa: ASYNC220 - short, and it must be killed like any other command
        [sys.executable, "-P", "-c", program, str(tmp_path), str(real.repository)],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": tree},
    ) as fetching:
        assert fetching.stdout is not None
        await asyncio.to_thread(fetching.stdout.readline)
        fetching.kill()
    downloads = FromTheRealCache(real)
    async with asyncio.timeout(60):  # the lock of the dead is free
        found = await prepare(downloads=downloads, root=tmp_path)
    assert complete(found)
    assert damaged(found) == []
    assert not found.partial.exists()


@pytest.mark.slow
async def test_a_damaged_jar_of_the_same_size_is_fetched_again_and_no_other(tmp_path: Path) -> None:
    real = await prepare()
    lend_training(real, tmp_path)
    downloads = FromTheRealCache(real)
    found = await prepare(downloads=downloads, root=tmp_path)
    broken = found.jars[0]
    broken.write_bytes(b"\0" * broken.stat().st_size)
    downloads.asked.clear()
    assert await prepare(downloads=downloads, root=tmp_path, verify=True) == found
    assert downloads.asked == [broken.name]
    assert damaged(found) == []


def test_maven_central_has_what_the_list_of_sums_says(tmp_path: Path) -> None:
    jar = min((jar for jar in load_release().jars), key=lambda jar: "jspecify" not in jar.name)  # the smallest: 4 kB
    arrived: list[int] = []
    MavenCentral().download(jar, tmp_path, arrived.append)
    assert sha256_of(tmp_path / jar.path) == jar.sha256
    assert sum(arrived) == (tmp_path / jar.path).stat().st_size
