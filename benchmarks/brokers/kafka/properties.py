"""The server properties of the one-node broker, as text.

What differs from Kafka's defaults does so because there is one node, because nothing may be reachable from outside, or
because a run is short. What shapes latency (such as `group.coordinator.append.linger.ms`) stays as it is.
"""

from __future__ import annotations

from benchmarks.processes.ports import HOST

DATA = "data"


def server_properties(port: int, controller_port: int, durability: str = "os", *, successor: bool = False) -> str:
    """The text of `server.properties`, for a broker whose working directory holds its data in `data/`.

    It names no path: Kafka splits the list of directories at commas and reads the file as Latin-1. The controllers
    are listed rather than discovered, so that the template of `format` holds no port. successor: for a node that takes
    over what a killed one has left.
    """
    properties = {
        "process.roles": "broker,controller",
        "node.id": "1",
        "controller.quorum.voters": f"1@{HOST}:{controller_port}",
        "listeners": f"PLAINTEXT://{HOST}:{port},CONTROLLER://{HOST}:{controller_port}",
        "advertised.listeners": f"PLAINTEXT://{HOST}:{port}",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "controller.listener.names": "CONTROLLER",
        "log.dirs": DATA,
        # One node.
        "offsets.topic.replication.factor": "1",
        "offsets.topic.num.partitions": "1",
        "transaction.state.log.replication.factor": "1",
        "transaction.state.log.min.isr": "1",
        "transaction.state.log.num.partitions": "1",
        "share.coordinator.state.topic.replication.factor": "1",
        "share.coordinator.state.topic.min.isr": "1",
        "share.coordinator.state.topic.num.partitions": "1",
        # Short runs.
        "group.initial.rebalance.delay.ms": "0",
        "group.min.session.timeout.ms": "1000",
        "auto.create.topics.enable": "false",
        "log.cleaner.dedupe.buffer.size": "2097152",  # 128 MB by default, half of the small heap
    }
    if successor:
        # The controller admits a node's new process only when the old one's session has expired: 9 s by default.
        properties |= {"broker.session.timeout.ms": "1500", "broker.heartbeat.interval.ms": "300"}
    if durability == "fsync":
        properties["log.flush.interval.messages"] = "1"  # each append is on disk before it is acknowledged
    return "".join(f"{name}={value}\n" for name, value in properties.items())


DESCRIPTION: dict[str, str | int | float] = {
    "nodes": 1,
    "replication_factor": 1,
    "offsets_topic_partitions": 1,
    "group_initial_rebalance_delay_ms": 0,
    # Decides how long an offset commit takes. Kafka's default since 4.2: adaptive (it was 5 ms in 4.0 and 4.1).
    "group_coordinator_append_linger_ms": -1,
}
