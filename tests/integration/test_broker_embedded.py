"""The broker inside librdkafka: started, used by the real event side, killed."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
import pytest
from wiring import BOUND_S, wired

from benchmarks.brokers import Broker, start
from benchmarks.scenario.broker import BrokerSpec
from event_impl.brokers.embedded import EmbeddedClient, EventsDroppedError
from event_impl.brokers.port import BrokerError, Message, Publishing, Subscription
from registration import luck

SERVICES = ["analytics", "cache", "email"]
BLOCK_SEED = luck.block_seed(1, 0)


@asynccontextmanager
async def started(tmp_path: Path) -> AsyncIterator[Broker]:
    broker = await start(BrokerSpec(kind="embedded").server, tmp_path, tmp_path / "broker.log")
    try:
        yield broker
    finally:
        await broker.stop()


async def test_it_starts_at_once_on_loopback_alone_and_leaves_nothing_behind(tmp_path: Path) -> None:
    began = time.monotonic()
    async with started(tmp_path) as broker:
        print(f"ready after {time.monotonic() - began:.2f} s")
        assert broker.pid is not None
        sockets = psutil.Process(broker.pid).net_connections("tcp")
        assert {socket.laddr.ip for socket in sockets} == {"127.0.0.1"}
        assert (broker.info.kind, broker.info.ours, broker.info.emulator) == ("embedded", True, True)
        assert "not a real broker" in (broker.info.version or "")
        assert broker.trouble() is None
    assert not psutil.pid_exists(broker.pid)
    assert broker.trouble() is None
    cpu_s = await broker.stop()
    assert cpu_s is not None
    assert cpu_s > 0


async def test_one_that_is_killed_is_noticed(tmp_path: Path) -> None:
    async with started(tmp_path) as broker:
        assert broker.pid is not None
        os.kill(broker.pid, signal.SIGKILL)
        async with asyncio.timeout(2):
            while (trouble := broker.trouble()) is None:
                await asyncio.sleep(0.01)
    assert "The broker died: embedded broker ended by itself (killed by SIGKILL)" in trouble.message


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child that its parent is gone")
async def test_it_dies_with_the_process_that_started_it(tmp_path: Path) -> None:
    program = (
        "import asyncio, sys, pathlib\n"
        "from benchmarks.brokers import start\n"
        "from benchmarks.scenario.broker import BrokerSpec\n"
        "async def main():\n"
        "    home, server = pathlib.Path(sys.argv[1]), BrokerSpec(kind='embedded').server\n"
        "    broker = await start(server, home, home / 'log')\n"
        "    print(broker.pid, flush=True)\n"
        "    await asyncio.Event().wait()\n"
        "asyncio.run(main())\n"
    )
    with subprocess.Popen(  # noqa: ASYNC220 - short, and it must be killed like any other command
        [sys.executable, "-P", "-c", program, str(tmp_path)],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    ) as parent:
        assert parent.stdout is not None
        pid = int(await asyncio.to_thread(parent.stdout.readline))
        broker = psutil.Process(pid)
        os.kill(pid, signal.SIGSTOP)  # it cannot even read that its input has ended
        parent.kill()
    await asyncio.to_thread(broker.wait, 10)


async def test_the_event_side_works_on_it_and_the_drain_sees_what_is_committed(tmp_path: Path) -> None:
    async with started(tmp_path) as broker, wired("events", broker.info, tmp_path) as workflow:
        statuses = [await workflow.register(index) for index in range(5)]
        await workflow.idle()
    assert statuses == [202] * 5
    assert [workflow.story().applied(index) for index in range(5)] == [SERVICES] * 5
    assert sum(workflow.lag[-1].values()) == 0


async def test_a_consumer_that_was_killed_goes_on_where_it_was_and_what_waits_is_pending(tmp_path: Path) -> None:
    async with started(tmp_path) as broker, wired("events", broker.info, tmp_path) as workflow:
        await workflow.register(0)
        await workflow.idle()
        await workflow.children["email/0"].end(signal.SIGKILL, BOUND_S)
        await workflow.register(1)
        waiting = str(luck.registration_id(BLOCK_SEED, 1))
        async with asyncio.timeout(BOUND_S):
            while (await workflow.pending()) != {"email": [waiting], "analytics": [], "cache": []}:
                await asyncio.sleep(0.05)
    assert workflow.story().applied(1) == ["analytics", "cache"]


async def test_events_that_it_threw_away_unread_are_an_error_and_not_a_loss(tmp_path: Path) -> None:
    async with started(tmp_path) as broker:
        client = EmbeddedClient(broker.info.bootstrap)
        admin, publisher = client.admin(), client.publisher("full", Publishing(5.0))
        await admin.open()
        await admin.create_topic("full", 4)
        await publisher.open()
        message = Message(b"k", b"v" * 1000, [])
        for _ in range(12):
            await asyncio.gather(*[await publisher.publish(message) for _ in range(1000)])

        def ignored(_: object) -> None:
            pass

        subscriber = client.subscriber(
            "full", Subscription(10), group="late", member="0", on_committed=ignored, on_revoked=ignored
        )
        await subscriber.open()
        with pytest.raises(EventsDroppedError, match="dropped events that nobody had consumed"):
            async with asyncio.timeout(BOUND_S):
                await anext(subscriber.deliveries())
        with pytest.raises(BrokerError, match="topics of 4 partitions, not of 6"):
            await admin.create_topic("other", 6)
        for part in (subscriber, publisher, admin):
            await part.close()
