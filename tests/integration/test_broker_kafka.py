"""A real Apache Kafka, started and stopped. The first run on a machine fetches it."""

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from benchmarks.brokers import BrokerUnavailable
from benchmarks.brokers.external import connect
from benchmarks.brokers.kafka import server as kafka_module
from benchmarks.brokers.kafka.cache import Installation, installation
from benchmarks.brokers.kafka.jars import VERSION, load_release
from benchmarks.brokers.kafka.java import PROFILES, find_java
from benchmarks.brokers.kafka.node import Node, NodeFailed, NodeFolder, lay_out, spawn
from benchmarks.brokers.kafka.prepare import prepare
from benchmarks.brokers.kafka.probe import ask
from benchmarks.brokers.kafka.properties import server_properties
from benchmarks.brokers.kafka.server import start_kafka
from benchmarks.processes.ports import Ports

GONE_WITHIN_S = 10.0


async def publish(bootstrap: str) -> None:
    """One message into a new topic."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    await admin.create_topics([NewTopic("registrations", 6, 1)])
    await admin.close()
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all", enable_idempotence=True)
    await producer.start()
    await (await producer.send("registrations", b"hello"))
    await producer.stop()


async def messages(bootstrap: str) -> list[bytes | None]:
    """All messages of that topic."""
    consumer = AIOKafkaConsumer("registrations", bootstrap_servers=bootstrap, auto_offset_reset="earliest")
    await consumer.start()
    try:
        found = await consumer.getmany(timeout_ms=10_000)
    finally:
        await consumer.stop()
    return [record.value for records in found.values() for record in records]


def gone(pid: int) -> bool:
    """Whether the process ends within a bounded time."""
    try:
        psutil.Process(pid).wait(GONE_WITHIN_S)
    except psutil.NoSuchProcess:
        return True
    except psutil.TimeoutExpired:
        return False
    return True


@contextlib.contextmanager
def taken_port() -> Iterator[int]:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", Ports().take()))
        holder.listen()
        yield holder.getsockname()[1]


def node_at(tmp_path: Path, found: Installation, port: int | None = None) -> Node:
    ports = Ports()
    place = NodeFolder(tmp_path / "kafka", tmp_path / "kafka.log", port or ports.take(), ports.take())
    lay_out(found, place)
    place.properties.write_text(server_properties(place.port, place.controller_port))
    return spawn(found, find_java(), PROFILES["quick"], place)


async def test_it_starts_takes_a_message_and_leaves_nothing_behind(tmp_path: Path) -> None:
    await prepare()  # what happens once per user is not part of a start
    began = time.monotonic()
    broker = await start_kafka(tmp_path / "kafka", tmp_path / "kafka.log")
    ready_s = time.monotonic() - began
    try:
        await publish(broker.info.bootstrap)
        published_s = time.monotonic() - began
        assert broker.alive()
        assert broker.pid is not None
        connections = psutil.Process(broker.pid).net_connections("tcp")
        rss_mb = psutil.Process(broker.pid).memory_info().rss / 2**20
    finally:
        cpu_s = await broker.stop()
    print(
        f"ready after {ready_s:.2f} s, first publish after {published_s:.2f} s, {rss_mb:.0f} MB, {cpu_s:.2f} s of CPU"
    )
    assert {connection.laddr.ip.removeprefix("::ffff:") for connection in connections} == {"127.0.0.1"}
    assert not psutil.pid_exists(broker.pid)
    assert cpu_s is not None
    assert cpu_s > 0.1
    assert await broker.stop() == cpu_s
    assert sorted(path.name for path in tmp_path.iterdir()) == ["kafka", "kafka.log"]


async def test_what_it_is_goes_into_the_record(tmp_path: Path) -> None:
    broker = await start_kafka(tmp_path / "kafka", tmp_path / "kafka.log", profile="full")
    await broker.stop()
    assert (broker.info.kind, broker.info.version, broker.info.ours) == ("kafka", VERSION, True)
    assert broker.info.description["compiler"] == "C1 and C2"
    assert broker.info.description["group_coordinator_append_linger_ms"] == -1


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM], ids=["killed", "restarted"])
async def test_one_that_was_ended_comes_back_with_its_messages_and_its_address(
    tmp_path: Path, number: signal.Signals
) -> None:
    broker = await start_kafka(tmp_path / "kafka", tmp_path / "kafka.log")
    try:
        await publish(broker.info.bootstrap)
        host, _, port = broker.info.bootstrap.partition(":")
        cluster, first = await ask(host, int(port), 5.0), broker.pid
        ended_cpu_s = await broker.end(number)
        assert broker.trouble() is None  # it was asked to
        began = time.monotonic()
        await broker.respawn()
        print(f"back after {time.monotonic() - began:.2f} s")
        assert broker.pid != first
        assert await ask(host, int(port), 5.0) == cluster
        assert await messages(broker.info.bootstrap) == [b"hello"]
        assert broker.trouble() is None
    finally:
        whole_cpu_s = await broker.stop()
    assert whole_cpu_s is not None
    assert whole_cpu_s > ended_cpu_s > 0.1


async def test_one_that_dies_after_it_came_back_is_reported(tmp_path: Path) -> None:
    broker = await start_kafka(tmp_path / "kafka", tmp_path / "kafka.log")
    try:
        await broker.end(signal.SIGKILL)
        await broker.respawn()
        assert broker.pid is not None
        os.kill(broker.pid, signal.SIGKILL)
        while (trouble := broker.trouble()) is None:
            await asyncio.sleep(0.01)
        assert "killed by SIGKILL" in str(trouble)
    finally:
        await broker.stop()


async def test_what_is_acknowledged_can_be_on_disk(tmp_path: Path) -> None:
    broker = await start_kafka(tmp_path / "kafka", tmp_path / "kafka.log", durability="fsync")
    await broker.stop()
    assert broker.info.durability == "fsync"
    assert "log.flush.interval.messages=1" in (tmp_path / "kafka" / "server.properties").read_text()


async def test_a_paused_one_can_be_stopped(tmp_path: Path) -> None:
    broker = await start_kafka(tmp_path / "kafka", tmp_path / "kafka.log")
    assert broker.pid is not None
    os.kill(broker.pid, signal.SIGSTOP)
    assert await broker.stop() is not None
    assert not psutil.pid_exists(broker.pid)


async def test_a_port_that_is_taken_is_said_before_anything_starts(tmp_path: Path) -> None:
    with taken_port() as port, pytest.raises(BrokerUnavailable, match=f"Port {port} is taken"):
        await start_kafka(tmp_path / "kafka", tmp_path / "kafka.log", port=port)
    assert not (tmp_path / "kafka").exists()


async def test_one_that_exits_early_is_quoted(tmp_path: Path) -> None:
    found = await prepare()
    with taken_port() as port:
        node = node_at(tmp_path, found, port)
        try:
            with pytest.raises(NodeFailed, match=r"(?s)exited with 1 while starting.*Address already in use"):
                await node.ready()
        finally:
            node.kill()


async def test_one_that_is_killed_while_starting_is_noticed(tmp_path: Path) -> None:
    node = node_at(tmp_path, await prepare())
    os.kill(node.pid, signal.SIGKILL)
    with pytest.raises(NodeFailed, match="was killed by SIGKILL"):
        await node.ready()


async def test_one_that_never_answers_is_given_up(tmp_path: Path) -> None:
    node = node_at(tmp_path, await prepare())
    try:
        os.kill(node.pid, signal.SIGSTOP)
        with pytest.raises(NodeFailed, match="did not answer within"):
            await node.ready(within_s=0.3)
    finally:
        node.kill()
    assert not psutil.pid_exists(node.pid)


async def test_a_start_that_is_called_off_leaves_no_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    await prepare()
    spawned: list[Node] = []

    def watched(*arguments: object, **options: object) -> Node:
        node = spawn(*arguments, **options)  # type: ignore[arg-type]
        spawned.append(node)
        return node

    monkeypatch.setattr(kafka_module, "spawn", watched)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await start_kafka(tmp_path / "kafka", tmp_path / "kafka.log")
    assert [node.alive() for node in spawned] == [False]


async def test_a_lost_race_for_a_port_is_run_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with taken_port() as port:
        places = iter([port])
        honest = kafka_module._node_folder

        def unlucky_once(directory: Path, log_path: Path, wanted: int | None) -> NodeFolder:
            place = honest(directory, log_path, wanted)
            return NodeFolder(directory, log_path, next(places, place.port), place.controller_port)

        monkeypatch.setattr(kafka_module, "_node_folder", unlucky_once)
        broker = await start_kafka(tmp_path / "kafka", tmp_path / "kafka.log")
        await broker.stop()
    assert not broker.info.bootstrap.endswith(f":{port}")


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child that its parent is gone")
async def test_it_dies_with_the_process_that_started_it(tmp_path: Path) -> None:
    await prepare()
    program = (
        "import asyncio, sys, pathlib\n"
        "from benchmarks.brokers.kafka.server import start_kafka\n"
        "async def main():\n"
        "    home = pathlib.Path(sys.argv[1])\n"
        "    broker = await start_kafka(home / 'kafka', home / 'kafka.log')\n"
        "    print(broker.pid, flush=True)\n"
        "    await asyncio.Event().wait()\n"
        "asyncio.run(main())\n"
    )
    tree = str(Path(kafka_module.__file__).parents[3])
    with subprocess.Popen(  # noqa: ASYNC220 - short, and it must be killed like any other command
        [sys.executable, "-P", "-c", program, str(tmp_path)],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": tree},
    ) as parent:
        assert parent.stdout is not None
        pid = int(await asyncio.to_thread(parent.stdout.readline))
        parent.kill()
    assert await asyncio.to_thread(gone, pid)


async def test_a_cluster_of_somebody_else_is_recognised_and_left_alone(tmp_path: Path) -> None:
    ours = await start_kafka(tmp_path / "kafka", tmp_path / "kafka.log")
    try:
        theirs = await connect(ours.info.bootstrap)
        assert (theirs.pid, theirs.info.ours, theirs.info.version) == (None, False, None)
        assert theirs.info.description["brokers"] == 1
        assert await theirs.stop() is None
        assert ours.alive()
    finally:
        await ours.stop()


async def test_damage_that_sizes_do_not_show_is_named_when_kafka_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = await prepare()
    found = installation(load_release(), tmp_path / "cache")
    for jar in load_release().jars:  # links, so that the test is quick; the damaged one is a copy
        runtime = found.repository / jar.path
        runtime.parent.mkdir(parents=True)
        runtime.symlink_to(real.repository / jar.path)
    broken = next(path for path in found.jars if path.name.startswith("kafka_2.13"))
    size = broken.stat().st_size
    broken.unlink()
    broken.write_bytes(b"\0" * size)
    found.template.symlink_to(real.template)

    async def already(_progress: object) -> Installation:
        return found

    monkeypatch.setattr(kafka_module, "prepare", already)
    with pytest.raises(BrokerUnavailable, match=r"cached Kafka is damaged \(kafka_2\.13") as caught:
        await start_kafka(tmp_path / "kafka", tmp_path / "kafka.log")
    assert "downloads the damaged files again" in caught.value.next_step
