"""Several load workers send what one process would have sent, arrival by arrival, from here and from elsewhere."""

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_load_generator import LIMIT_S, SEED, Server, serving, unused_port

from benchmarks.load.rows import SCHEDULE_DTYPE, Outcome, read
from benchmarks.load.shares import deal, path_of, split
from registration.address import this_host
from registration.luck import registration_id

ROOT = Path(__file__).parents[2]
ARRIVALS, WARM, EVERY_NS = 211, 31, 2_000_000
SHIFTED = ("unshare", "--user", "--map-root-user", "--time", "--monotonic", "1000", "--fork", "--kill-child")
"""A time namespace: its processes have a clock of their own, 1,000 s ahead, as those of another host have."""


RENAMED = (
    *("unshare", "--user", "--map-root-user", "--uts"),
    *("sh", "-c", 'echo away > /proc/sys/kernel/hostname && exec "$@"', "sh"),
)
"""A namespace whose processes find another host name, as those of another host do."""


def can_run(prefix: tuple[str, ...]) -> bool:
    if shutil.which(prefix[0]) is None:
        return False
    return subprocess.run([*prefix, "true"], capture_output=True, check=False).returncode == 0


def can_shift_a_clock() -> bool:
    return can_run(SHIFTED)


class Talk:
    """A process of the load generator and what it says."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    def say(self, **message: object) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(message).encode() + b"\n")

    async def hear(self, kind: str) -> dict[str, Any]:
        """The next message that is no progress, which must be of this kind."""
        assert self.process.stdout is not None
        while True:
            line = await asyncio.wait_for(self.process.stdout.readline(), LIMIT_S)
            assert line, "it ended"
            message: dict[str, Any] = json.loads(line)
            if message["type"] != "progress":
                assert message["type"] == kind, message
                return message


@asynccontextmanager
async def talking(role: str, settings: dict[str, object], prefix: tuple[str, ...] = ()) -> AsyncIterator[Talk]:
    process = await asyncio.create_subprocess_exec(
        *prefix,
        *(sys.executable, "-P", "-m", "benchmarks.load"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    talk = Talk(process)
    talk.say(role=role, settings=settings)
    try:
        yield talk
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def schedule() -> np.ndarray:
    arrivals = np.zeros(ARRIVALS, SCHEDULE_DTYPE)
    arrivals["index"] = np.arange(ARRIVALS) - WARM
    arrivals["intended_ns"] = arrivals["index"] * EVERY_NS
    return arrivals


def settings(server: Server, directory: Path, **more: object) -> dict[str, object]:
    np.save(directory / "schedule.npy", schedule())
    return {
        "addresses": [["127.0.0.1", server.port]],
        "path": "/registrations",
        "executor": "open",
        "keys": None,
        "block_seed": str(SEED),
        "timeout_ms": 5_000,
        "max_in_flight": 1_001,
        "schedule": str(directory / "schedule.npy"),
        "rows": str(directory / "load.rows"),
        **more,
    }


async def begin(talks: list[Talk], lead_s: float = 0.3) -> None:
    for talk in talks:
        await talk.hear("ready")
    for talk in talks:
        talk.say(type="start", start_ns=time.monotonic_ns() + round(lead_s * 1e9))


async def by_one(server: Server, directory: Path) -> dict[str, Any]:
    async with talking("load", settings(server, directory)) as talk:
        await begin([talk])
        return await talk.hear("done")


async def by_two_here(server: Server, directory: Path) -> dict[str, Any]:
    async with AsyncExitStack() as stack:
        talks, most = [], split(1_001, 2)
        for worker, share in enumerate(deal(schedule(), 2)):
            mine = settings(server, directory, max_in_flight=most[worker])
            mine["rows"] = str(path_of(directory / "load.rows", worker))
            mine["schedule"] = str(directory / f"schedule-{worker}.npy")
            np.save(directory / f"schedule-{worker}.npy", share)
            talks.append(await stack.enter_async_context(talking("load", mine)))
        await begin(talks)
        return [await talk.hear("done") for talk in talks][-1]


@asynccontextmanager
async def elsewhere(
    server: Server,
    directory: Path,
    *prefixes: tuple[str, ...],
    port: int = 0,
    workers: int = 2,
    join_limit_s: float = LIMIT_S,
) -> AsyncIterator[tuple[Talk, list[Talk]]]:
    """A master and a worker for each of `prefixes`."""
    port = port or unused_port()
    listen = ["127.0.0.1", port]
    mine = settings(server, directory, listen=listen, workers=workers, join_limit_s=join_limit_s)
    async with AsyncExitStack() as stack:
        # The workers first: they wait for their master.
        talks = [
            await stack.enter_async_context(talking("load-worker", {"master": listen}, prefix)) for prefix in prefixes
        ]
        yield await stack.enter_async_context(talking("load-master", mine)), talks


@asynccontextmanager
async def commanded(port: int) -> AsyncIterator[asyncio.subprocess.Process]:
    """`bench load-worker`, as a person starts it on the other host."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", "cli", "load-worker", f"127.0.0.1:{port}"),
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def by_two_elsewhere(server: Server, directory: Path) -> dict[str, Any]:
    port = unused_port()
    async with commanded(port) as command, elsewhere(server, directory, (), port=port) as (master, workers):
        await begin([master])
        done = await master.hear("done")
        assert done["rows"] == ARRIVALS
        assert done["hosts"] == [this_host()] * 2
        clock = done["clock"]
        assert clock["same_host"] is True
        # One clock: an honest exchange contains the truth, which is 0.
        assert abs(clock["offset_ms"]) <= clock["error_ms"]
        for worker in workers:
            await worker.hear("joined")
            assert (await worker.hear("done"))["clock"]["same_host"] is True
            assert await asyncio.wait_for(worker.process.wait(), LIMIT_S) == 0
        assert command.stdout is not None
        said = [(await asyncio.wait_for(command.stdout.readline(), LIMIT_S)).decode() for _ in range(2)]
        assert said[0] == f"waiting for a run that makes its load with --load-master 127.0.0.1:{port}\n"
        assert said[1] in [
            f"trial 1: {len(share)} arrivals, on the clock of the API\n" for share in deal(schedule(), 2)
        ]
        command.send_signal(signal.SIGINT)
        assert await asyncio.wait_for(command.wait(), LIMIT_S) == 105
        return done


@pytest.mark.parametrize("send", [by_one, by_two_here, by_two_elsewhere])
async def test_the_same_arrivals_reach_the_api_once_each_whoever_sends_them(
    tmp_path: Path, send: Callable[[Server, Path], Awaitable[dict[str, Any]]]
) -> None:
    async with serving() as server:
        await send(server, tmp_path)
    rows, planned = read(tmp_path / "load.rows"), schedule()
    assert rows["index"].tolist() == planned["index"].tolist()
    assert rows["intended_ns"].tolist() == planned["intended_ns"].tolist()
    assert set(rows["outcome"]) == {Outcome.ACKED}
    assert (rows["intended_ns"] <= rows["sent_ns"]).all()
    assert (rows["sent_ns"] < rows["answered_ns"]).all()
    came = sorted(registration.registration_id for registration in server.registrations)
    assert came == sorted(registration_id(SEED, int(index)) for index in planned["index"])


@pytest.mark.skipif(not can_shift_a_clock(), reason="needs a time namespace (unshare --time)")
async def test_another_clock_is_measured_and_its_times_are_brought_to_the_masters(tmp_path: Path) -> None:
    arrived_ns: list[int] = []

    async def reply(_index: int, writer: asyncio.StreamWriter) -> None:
        arrived_ns.append(time.monotonic_ns())
        writer.write(b"HTTP/1.1 201 X\r\nContent-Length: 2\r\n\r\nok")

    async with serving(reply) as server, elsewhere(server, tmp_path, SHIFTED, workers=1) as (master, _workers):
        await master.hear("ready")
        start_ns = time.monotonic_ns() + 400_000_000
        master.say(type="start", start_ns=start_ns)
        clock = (await master.hear("done"))["clock"]
    assert clock["same_host"] is False
    assert abs(clock["offset_ms"] + 1_000_000) <= clock["error_ms"]
    rows, error_ns = read(tmp_path / "load.rows"), clock["error_ms"] * 1e6
    assert len(arrived_ns) == len(rows) == ARRIVALS
    # By this process's clock, which is the master's: nothing came before it was sent, nor long after.
    lateness_ns = np.sort(np.array(arrived_ns) - start_ns) - np.sort(rows["sent_ns"])
    assert (lateness_ns >= -error_ns).all()
    assert np.median(lateness_ns) < 1e9


@pytest.mark.skipif(not can_run(RENAMED), reason="needs a UTS namespace (unshare --uts)")
async def test_a_worker_says_on_which_host_it_made_the_load(tmp_path: Path) -> None:
    async with serving() as server, elsewhere(server, tmp_path, RENAMED, workers=1) as (master, _workers):
        await begin([master])
        assert (await master.hear("done"))["hosts"] == ["away"]


async def test_a_worker_that_dies_or_never_comes_ends_the_load_with_its_reason(tmp_path: Path) -> None:
    (tmp_path / "lonely").mkdir()
    async with (
        serving() as server,
        elsewhere(server, tmp_path, (), ()) as (master, workers),
        elsewhere(server, tmp_path / "lonely", (), join_limit_s=2) as (lonely, _workers),
    ):
        await master.hear("ready")
        master.say(type="start", start_ns=time.monotonic_ns() + 3_600_000_000_000)
        workers[1].process.send_signal(signal.SIGKILL)
        alone = await lonely.hear("error")
        error = await master.hear("error")
        assert await asyncio.wait_for(master.process.wait(), LIMIT_S) == 1
    assert "1 of 2 load workers came to 127.0.0.1:" in alone["message"]
    assert alone["next_step"].startswith("on each of the other hosts run: bench load-worker 127.0.0.1:")
    assert "has gone away" in error["message"]
    assert "bench load-worker 127.0.0.1:" in error["next_step"]
