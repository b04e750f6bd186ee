"""Apache Kafka, started by the harness: one KRaft node on loopback, alive as long as the run.

```
cached? ──no──→ prepare (once per user)
   └─→ template copied → JVM with the ahead-of-time cache → answers metadata → Broker
```
"""

from __future__ import annotations

import signal
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from benchmarks.brokers.broker import BrokerInfo, BrokerUnavailable, FetchProgress, ServerSpec
from benchmarks.brokers.kafka.cache import Installation, damaged
from benchmarks.brokers.kafka.java import PROFILES, REFUSED, Java, Profile, find_java
from benchmarks.brokers.kafka.node import Node, NodeFailed, NodeFolder, lay_out, spawn
from benchmarks.brokers.kafka.prepare import prepare
from benchmarks.brokers.kafka.properties import DESCRIPTION, server_properties
from benchmarks.processes.ports import HOST, NoFreePort, Ports, bindable

_ATTEMPTS = 3


class KafkaBroker:
    """A Kafka of ours that answers. Its process may change; directory, ports and cluster id stay."""

    def __init__(self, setup: _Setup, node: Node, info: BrokerInfo) -> None:
        self._setup = setup
        self._node = node
        self._ended_by_us = False
        self._earlier_cpu_s = 0.0
        self.info = info

    @property
    def pid(self) -> int | None:
        return self._node.pid

    def alive(self) -> bool:
        """Whether its process still runs."""
        return self._node.alive()

    def trouble(self) -> BrokerUnavailable | None:
        """What to report when it has died under a run."""
        if self._ended_by_us or self.alive():
            return None
        return BrokerUnavailable(
            f"The broker died: Kafka {self._node.how_it_ended()}",
            f"See its log, {self._node.log_name}, in the run's logs; then run again.",
        )

    def signal(self, number: int) -> None:
        self._node.signal(number)

    async def end(self, number: int) -> float:
        self._ended_by_us = True
        return await self._node.end(number)

    async def respawn(self) -> None:
        self._earlier_cpu_s += self._node.cpu_s
        try:
            self._node, _ = await self._setup.start(fresh=False)
        except NodeFailed as failure:
            raise self._setup.unavailable(failure) from failure
        self._ended_by_us = False

    async def stop(self) -> float | None:
        """End it (SIGTERM, SIGKILL after 10 s); the CPU seconds that it used in all. Again: the same figure."""
        self._ended_by_us = True
        return self._earlier_cpu_s + await self._node.end(signal.SIGTERM)

    def release(self) -> None:
        """Leave it running after this process. `stop` is of no use afterwards."""
        self._node.release()


async def start(server: ServerSpec, directory: Path, log_path: Path) -> KafkaBroker:
    """The Kafka of a run. See `benchmarks.brokers.start` and `start_kafka`."""
    assert server.profile is not None, "Kafka has profiles"
    return await start_kafka(directory, log_path, profile=server.profile, durability=server.durability)


async def start_kafka(
    directory: Path,
    log_path: Path,
    *,
    profile: str = "quick",
    durability: str = "os",
    progress: FetchProgress | None = None,
    port: int | None = None,
    die_with_parent: bool = True,
) -> KafkaBroker:
    """Start a Kafka with all of its files in `directory`; it answers when this returns.

    Call it from the main thread. What it prints goes to `log_path`. port: else a free one is picked. profile: `quick`
    or `full` (`java.PROFILES`). durability: `os` or `fsync`. BrokerUnavailable: not fetched and offline, port taken, it
    exited early or hung.
    """
    chosen = PROFILES[profile]
    java = find_java()
    installation = await prepare(progress)
    directory, log_path = directory.absolute(), log_path.absolute()
    attempt = 1
    while True:
        folder = _node_folder(directory, log_path, port)
        setup = _Setup(installation, java, chosen, durability, folder, die_with_parent)
        try:
            node, trained = await setup.start(fresh=True)
        except NodeFailed as failure:
            # Another program may have taken a port between the choice and the bind.
            lost_a_port = not (bindable(folder.port) and bindable(folder.controller_port))
            if lost_a_port and port is None and attempt < _ATTEMPTS:
                attempt += 1
                continue
            raise setup.unavailable(failure) from failure
        return KafkaBroker(setup, node, setup.info(trained=trained))


@dataclass(frozen=True)
class _Setup:
    """All that a node is started with, each time."""

    installation: Installation
    java: Java
    profile: Profile
    durability: str
    folder: NodeFolder
    die_with_parent: bool

    async def start(self, *, fresh: bool) -> tuple[Node, bool]:
        """A node that answers, and whether it uses the ahead-of-time cache. Raises NodeFailed.

        fresh: on an empty directory with a new cluster id; else on what the node before it has left.
        """
        cache = self.installation.training(self.java.training_name(self.profile))
        trained = self.profile.trained and cache.exists()
        flags = [f"-XX:AOTCache={cache}"] if trained else []
        if fresh:
            lay_out(self.installation, self.folder)
        properties = server_properties(
            self.folder.port, self.folder.controller_port, self.durability, successor=not fresh
        )
        self.folder.properties.write_text(properties, encoding="utf-8")
        node = spawn(
            self.installation, self.java, self.profile, self.folder, *flags, die_with_parent=self.die_with_parent
        )
        try:
            await node.ready()
        except BaseException as failure:
            node.kill()
            if not (trained and isinstance(failure, NodeFailed) and failure.signalled):
                raise
            _distrust(cache, str(failure))  # a JVM that crashes on its cache must not do so for ever
            return await self.start(fresh=fresh)
        if trained and node.log_says(REFUSED):
            _distrust(cache, "the JVM refused it, see the broker's log; `bench broker fetch` makes a new one")
            trained = False
        return node, trained

    def info(self, *, trained: bool) -> BrokerInfo:
        description = DESCRIPTION | {
            "profile": self.profile.name,
            "compiler": self.profile.compiler,
            "heap_mb": self.profile.heap_mb,
            "java": self.java.version,
            "ahead_of_time_cache": "yes" if trained else "no",
        }
        return BrokerInfo(
            "kafka",
            self.installation.release.version,
            f"{HOST}:{self.folder.port}",
            ours=True,
            description=description,
            profile=self.profile.name,
            durability=self.durability,
            hit_by_faults=True,
        )

    def unavailable(self, failure: NodeFailed) -> BrokerUnavailable:
        broken = damaged(self.installation)
        if broken:
            self.installation.marker.unlink(missing_ok=True)  # the next start fetches what is damaged
            return BrokerUnavailable(
                f"The cached Kafka is damaged ({', '.join(broken)}): {failure}",
                "Run the command again: it downloads the damaged files again.",
            )
        return BrokerUnavailable(str(failure), f"See its log, {self.folder.log_path}, or use --broker host:port.")


def _node_folder(directory: Path, log_path: Path, port: int | None) -> NodeFolder:
    if port is not None and not bindable(port):
        raise BrokerUnavailable(
            f"Port {port} is taken on {HOST}", "Stop what listens there, choose another port, or let bench pick one."
        )
    ports = Ports()
    try:
        return NodeFolder(directory, log_path, port or ports.take(), ports.take())
    except NoFreePort as error:
        raise BrokerUnavailable(
            f"Kafka cannot listen: {error}", "Stop what listens on those ports, or use --broker host:port."
        ) from error


def _distrust(cache: Path, reason: str) -> None:
    """Start without this ahead-of-time cache from now on. Where the folder is read-only it is tried each time."""
    with suppress(OSError):
        cache.with_suffix(".failed").write_text(f"{reason}\n", encoding="utf-8")
        cache.unlink(missing_ok=True)
