"""`--broker embedded`: the broker inside librdkafka, in a process of its own. Not a real broker, and labelled so.

It is ready in a tenth of a second, without a download, and keeps everything in memory. It is good for trying a
scenario; its latencies, its guarantees and its cost are not those of a broker in production.
"""

from __future__ import annotations

from pathlib import Path

from benchmarks.brokers.broker import Broker, ServerSpec
from benchmarks.brokers.child_broker import ROLE, start_child
from registration.runtime.harness import Harness, main
from registration.runtime.role import RoleError

_ANSWERS_WITHIN_S = 10.0


async def start(server: ServerSpec, _directory: Path, log_path: Path) -> Broker:
    """Start one. BrokerUnavailable: confluent-kafka is not installed, or the process failed."""
    return await start_child(server, log_path, __name__, {"consumer_groups": "no"})


async def run(_settings: bytes, harness: Harness) -> None:
    """The process: a producer that never produces, around the broker that librdkafka keeps in it."""
    try:
        from confluent_kafka import KafkaException, Producer, libversion
    except ImportError as error:
        raise RoleError(
            f"--broker embedded needs the package confluent-kafka, which cannot be imported ({error})",
            "pip install 'sync-vs-events[embedded]', or leave --broker out: bench then starts a real Kafka",
        ) from error
    # It makes its own bootstrap address, on a free port of loopback.
    producer = Producer({"test.mock.num.brokers": 1, "log_level": 3})
    try:
        listed = producer.list_topics(timeout=_ANSWERS_WITHIN_S)
    except KafkaException as error:
        raise RoleError(
            f"the embedded broker does not answer: {error}", "look at broker.log in the run's logs"
        ) from error
    (broker,) = listed.brokers.values()
    version = f"librdkafka {libversion()[0]}, not a real broker"
    harness.send(type="ready", bootstrap=f"{broker.host}:{broker.port}", version=version)
    async for _ in harness.questions():
        pass


if __name__ == "__main__":
    main({ROLE: run})
