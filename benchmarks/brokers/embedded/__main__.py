"""The process of the embedded broker: a producer that never produces, around the broker that librdkafka keeps in it."""

from __future__ import annotations

from collections.abc import Mapping

from registration.runtime.harness import Harness, Role, main
from registration.runtime.role import RoleError

_ANSWERS_WITHIN_S = 10.0


async def run(_settings: bytes, harness: Harness) -> None:
    """Keep the broker alive until the harness closes the pipe."""
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


ROLES: Mapping[str, Role] = {"broker": run}

if __name__ == "__main__":
    main(ROLES)
