"""Apache Kafka, started by the harness: one KRaft node on loopback, alive as long as the run.

```
cached? ──no──→ prepare (once per user)
   └─→ template copied → JVM with the ahead-of-time cache → answers metadata → Broker
```
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from benchmarks.brokers.broker import BrokerInfo, BrokerUnavailable, FetchProgress
from benchmarks.brokers.cache import Installation, damaged
from benchmarks.brokers.java import PROFILES, REFUSED, Java, Profile, find
from benchmarks.brokers.node import Node, NodeFailed, Place, spawn
from benchmarks.brokers.prepare import prepare
from benchmarks.brokers.settings import DESCRIPTION, HOST
from benchmarks.processes.ports import NoFreePort, Ports, bindable

_ATTEMPTS = 3


class KafkaBroker:
    """A Kafka of ours that answers."""

    def __init__(self, node: Node, info: BrokerInfo) -> None:
        self._node = node
        self._stopping = False
        self.info = info

    @property
    def pid(self) -> int | None:
        return self._node.pid

    def alive(self) -> bool:
        """Whether its process still runs."""
        return self._node.alive()

    def trouble(self) -> BrokerUnavailable | None:
        """What to tell when it has died under a run."""
        if self._stopping or self.alive():
            return None
        return BrokerUnavailable(
            f"The broker died: Kafka {self._node.how_it_ended()}",
            f"Look into its log, {self._node.log_name}, in the run's logs; then run again.",
        )

    async def stop(self) -> float | None:
        """End it (SIGTERM, SIGKILL after 10 s); the CPU seconds that it used in all. Again: the same figure."""
        self._stopping = True
        return await self._node.stop()

    def release(self) -> None:
        """Leave it running after this process. `stop` is of no use afterwards."""
        self._node.release()


async def start_kafka(
    directory: Path,
    log_path: Path,
    *,
    profile: str = "quick",
    progress: FetchProgress | None = None,
    port: int | None = None,
    die_with_parent: bool = True,
) -> KafkaBroker:
    """Start a Kafka with all of its files in `directory`; it answers when this returns.

    Call it from the main thread. What it prints goes to `log_path`. port: else a free one is picked. profile: `quick`
    or `full` (`java.PROFILES`). BrokerUnavailable: not fetched and offline, port taken, it exited early or hung.
    """
    chosen = PROFILES[profile]
    java = find()
    installation = await prepare(progress)
    directory, log_path = directory.absolute(), log_path.absolute()
    attempt = 1
    while True:
        place = _place(directory, log_path, port)
        try:
            return await _start_at(place, installation, java, chosen, die_with_parent=die_with_parent)
        except NodeFailed as failure:
            # Somebody else may have taken a port between the choice and the bind.
            lost_a_port = not (bindable(place.port) and bindable(place.controller_port))
            if lost_a_port and port is None and attempt < _ATTEMPTS:
                attempt += 1
                continue
            raise _unavailable(failure, installation, log_path) from failure


def _place(directory: Path, log_path: Path, port: int | None) -> Place:
    if port is not None and not bindable(port):
        raise BrokerUnavailable(
            f"Port {port} is taken on {HOST}", "End what listens there, choose another port, or let bench pick one."
        )
    ports = Ports()
    try:
        return Place(directory, log_path, port or ports.take(), ports.take())
    except NoFreePort as error:
        raise BrokerUnavailable(
            f"Kafka cannot listen: {error}", "End what listens on those ports, or use --broker host:port."
        ) from error


async def _start_at(
    place: Place, installation: Installation, java: Java, profile: Profile, *, die_with_parent: bool
) -> KafkaBroker:
    cache = installation.training(java.training_name(profile))
    trained = profile.trained and cache.exists()
    flags = [f"-XX:AOTCache={cache}"] if trained else []
    node, cluster_id = spawn(installation, java, profile, place, *flags, die_with_parent=die_with_parent)
    try:
        await node.ready(cluster_id)
    except BaseException as failure:
        node.kill()
        if not (trained and isinstance(failure, NodeFailed) and failure.signalled):
            raise
        _distrust(cache, str(failure))  # a JVM that crashes on its cache shall not do so for ever
        return await _start_at(place, installation, java, profile, die_with_parent=die_with_parent)
    if trained and node.log_says(REFUSED):
        _distrust(cache, "the JVM refused it, see the broker's log; `bench broker fetch` makes a new one")
        trained = False
    description = DESCRIPTION | {
        "profile": profile.name,
        "compiler": profile.compiler,
        "heap_mb": profile.heap_mb,
        "java": java.version,
        "ahead_of_time_cache": "yes" if trained else "no",
    }
    info = BrokerInfo("kafka", installation.release.version, f"{HOST}:{place.port}", ours=True, description=description)
    return KafkaBroker(node, info)


def _distrust(cache: Path, reason: str) -> None:
    """Start without this ahead-of-time cache from now on. Where the folder is read-only it is tried each time."""
    with suppress(OSError):
        cache.with_suffix(".failed").write_text(f"{reason}\n", encoding="utf-8")
        cache.unlink(missing_ok=True)


def _unavailable(failure: NodeFailed, installation: Installation, log_path: Path) -> BrokerUnavailable:
    broken = damaged(installation)
    if broken:
        installation.marker.unlink(missing_ok=True)  # the next start fetches what is damaged
        return BrokerUnavailable(
            f"The cached Kafka is damaged ({', '.join(broken)}): {failure}",
            "Run the command again: it fetches the damaged files anew.",
        )
    return BrokerUnavailable(str(failure), f"Look into its log, {log_path}, or use --broker host:port.")
