"""The load generator as the harness sees it: a process that speaks JSON lines, sends on time and keeps rows.

The servers are small ones in this process. Locust never is: importing it would patch pytest.
"""

import asyncio
import json
import os
import signal
import socket
import struct
import sys
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from benchmarks.load.rows import NO_TIME, SCHEDULE_DTYPE, Outcome, read
from registration.luck import key, registration_id
from registration.registration import Registration, traceparent_of, user_id

ROOT = Path(__file__).parents[2]
SEED = 2**63 + 5
LIMIT_S = 60.0

Reply = Callable[[int, asyncio.StreamWriter], Awaitable[None]]


def http(status: int, body: bytes = b"ok", *headers: str) -> bytes:
    head = "".join(f"{line}\r\n" for line in (f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}", *headers))
    return head.encode() + b"\r\n" + body


async def accept(_index: int, writer: asyncio.StreamWriter) -> None:
    writer.write(http(201))


@dataclass
class Server:
    """Answers `/ready` itself, hands registrations to `reply`, and remembers what came."""

    reply: Reply = accept
    port: int = 0
    ready_status: int = 200
    registrations: list[Registration] = field(default_factory=list)
    connections: int = 0
    sockets_used: set[int] = field(default_factory=set)
    ready_asked: int = 0
    writers: set[asyncio.StreamWriter] = field(default_factory=set)
    listener: asyncio.Server = field(init=False)

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        number = self.connections
        self.writers.add(writer)
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                lines = dict(line.lower().split(": ", 1) for line in head.split("\r\n")[1:] if line)
                if head.startswith("GET /ready "):
                    self.ready_asked += 1
                    writer.write(http(self.ready_status))
                    continue
                assert head.startswith("POST /registrations ")
                body = await reader.readexactly(int(lines["content-length"]))
                registration = Registration.from_json(body)
                assert lines["traceparent"] == traceparent_of(registration.registration_id)
                self.registrations.append(registration)
                self.sockets_used.add(number)
                await self.reply(int(registration.email.split("@")[0].removeprefix("user-")), writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self.writers.discard(writer)
            writer.close()

    def close_connections(self) -> None:
        for writer in self.writers:
            writer.close()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(LIMIT_S):
        while not condition():
            await asyncio.sleep(0.005)


async def until_time(monotonic_ns: int) -> None:
    await asyncio.sleep(max(0.0, (monotonic_ns - time.monotonic_ns()) / 1e9))


@asynccontextmanager
async def serving(reply: Reply = accept, ready_status: int = 200) -> AsyncIterator[Server]:
    server = Server(reply, ready_status=ready_status)
    server.listener = await asyncio.start_server(server.handle, "127.0.0.1", 0, backlog=1024)
    server.port = server.listener.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        server.listener.close()


@dataclass
class Generator:
    """One generator process and its files."""

    process: asyncio.subprocess.Process
    rows_path: Path
    progress: list[dict[str, object]] = field(default_factory=list)

    def say(self, message: dict[str, object]) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(message).encode() + b"\n")

    async def hear(self, kind: str) -> dict[str, object]:
        """The next message that is no progress, which must be of this kind."""
        assert self.process.stdout is not None
        while True:
            line = await asyncio.wait_for(self.process.stdout.readline(), LIMIT_S)
            assert line, "the generator ended"
            message: dict[str, object] = json.loads(line)
            if message["type"] == "progress":
                self.progress.append(message)
                continue
            assert message["type"] == kind, message
            return message

    async def run(self, lead_ms: float = 150) -> dict[str, object]:
        """From ready to done."""
        await self.hear("ready")
        self.say({"type": "start", "start_ns": time.monotonic_ns() + round(lead_ms * 1e6)})
        return await self.hear("done")

    async def end(self) -> int:
        """Close its input; the exit code."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        return await asyncio.wait_for(self.process.wait(), LIMIT_S)

    @property
    def rows(self) -> np.ndarray:
        return read(self.rows_path)

    @property
    def outcomes(self) -> list[Outcome]:
        return [Outcome(code) for code in self.rows["outcome"]]


@asynccontextmanager
async def generating(
    tmp_path: Path,
    ports: list[int],
    intended_ms: list[float],
    *,
    timeout_ms: float = 5_000,
    max_in_flight: int = 1_000,
    environment: dict[str, str] | None = None,
    arguments: tuple[str, ...] = (),
    limit: str = "",
    keys: dict[str, object] | None = None,
    closed: dict[str, object] | None = None,
) -> AsyncIterator[Generator]:
    """`limit` are arguments of the shell's ulimit. `closed` are the settings of a closed loop instead of a schedule."""
    schedule = np.zeros(len(intended_ms), SCHEDULE_DTYPE)
    warm = sum(at_ms < 0 for at_ms in intended_ms)
    schedule["index"] = np.arange(len(intended_ms)) - warm
    schedule["intended_ns"] = [round(at_ms * 1e6) for at_ms in intended_ms]
    np.save(tmp_path / "schedule.npy", schedule)
    process = await asyncio.create_subprocess_exec(
        *(["sh", "-c", f'ulimit {limit} && exec "$@"', "sh"] if limit else []),
        sys.executable,
        "-P",
        "-m",
        "benchmarks.load",
        *arguments,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT), **(environment or {})},
        cwd=tmp_path,
    )
    generator = Generator(process, tmp_path / "load.rows")
    generator.say(
        {
            "role": "load",
            "settings": {
                "addresses": [["127.0.0.1", port] for port in ports],
                "path": "/registrations",
                **({"executor": "open", "schedule": str(tmp_path / "schedule.npy")} if closed is None else closed),
                "keys": keys,
                "block_seed": str(SEED),
                "timeout_ms": timeout_ms,
                "max_in_flight": max_in_flight,
                "rows": str(generator.rows_path),
            },
        }
    )
    try:
        yield generator
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def users(vus: int, *, warmup_ms: float, duration_ms: float) -> dict[str, object]:
    """The settings of a closed loop."""
    return {"executor": "constant-vus", "vus": vus, "warmup_ms": warmup_ms, "duration_ms": duration_ms}


def evenly(count: int, every_ms: float, first_ms: float = 0) -> list[float]:
    return [first_ms + number * every_ms for number in range(count)]


def unused_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def test_every_arrival_is_sent_once_with_its_own_body(tmp_path: Path) -> None:
    async with serving() as server, generating(tmp_path, [server.port], evenly(400, 2.5, first_ms=-100)) as generator:
        done = await generator.run(lead_ms=250)
        assert await generator.end() == 0
    assert (done["rows"], done["gc_collections"]) == (400, 0)
    assert done["pacer"] == ("timerfd" if sys.platform == "linux" else "loop")
    assert set(generator.outcomes) == {Outcome.ACKED}
    expected = [
        Registration(registration_id(SEED, index), user_id(SEED, index), f"user-{index}@example.com")
        for index in range(-40, 360)
    ]
    by_id = lambda registration: registration.registration_id.int  # noqa: E731
    assert sorted(server.registrations, key=by_id) == sorted(expected, key=by_id)
    rows = generator.rows
    assert (rows["intended_ns"] <= rows["sent_ns"]).all()
    assert (rows["sent_ns"] < rows["answered_ns"]).all()
    assert (rows["status"] == 201).all()
    delay_ms = (rows["sent_ns"] - rows["intended_ns"]) / 1e6  # how well it is paced is for a quiet machine to say
    print(f"schedule delay p50 {np.percentile(delay_ms, 50):.3f} ms, p99 {np.percentile(delay_ms, 99):.3f} ms")
    assert generator.progress
    assert set(generator.progress[0]) >= {"sent", "answered"}


async def test_instances_take_turns(tmp_path: Path) -> None:
    async with (
        serving() as first,
        serving() as second,
        generating(tmp_path, [first.port, second.port], evenly(11, 2)) as generator,
    ):
        await generator.run()
    assert (len(first.registrations), len(second.registrations)) == (6, 5)


async def test_each_reply_or_lack_of_one_has_its_outcome(tmp_path: Path) -> None:
    async def reply(index: int, writer: asyncio.StreamWriter) -> None:
        transport = writer.transport
        match index:
            case 0 | 13:
                writer.write(http(201))
            case 1:
                writer.write(http(422))
            case 2:
                writer.write(http(503))
            case 3:
                writer.write(http(500))
            case 4:  # no reply at all
                await asyncio.sleep(LIMIT_S)
            case 5:  # reset in the middle of the reply
                writer.write(b"HTTP/1.1 201 Created\r\nContent-Length: 10\r\n\r\nabc")
                await asyncio.sleep(0.05)
                linger = struct.pack("ii", 1, 0)
                transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                transport.abort()
            case 6:  # closed in the middle of the reply
                writer.write(b"HTTP/1.1 201 Created\r\nContent-Length: 10\r\n\r\nabc")
                writer.close()
            case 7:  # half-closed without a reply
                writer.write_eof()
                await asyncio.sleep(LIMIT_S)
            case 8:
                writer.write(b"220 mail.example.com ESMTP\r\n")
            case 9:  # stalls in the middle of the reply, and comes round when nobody waits any more
                writer.write(http(201, b"0123456789")[:-5])
                await asyncio.sleep(2.5)
                writer.write(b"56789")
            case 10:  # no length: the half-closed connection ends the reply
                writer.write(b"HTTP/1.1 201 Created\r\n\r\nabc")
                writer.write_eof()
                await asyncio.sleep(LIMIT_S)
            case 11:  # half-closed behind a whole reply
                writer.write(http(201))
                writer.write_eof()
                await asyncio.sleep(LIMIT_S)
            case 12:  # half-closed in the middle of one
                writer.write(b"HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
                writer.write_eof()
                await asyncio.sleep(LIMIT_S)

    async with (
        serving(reply) as server,
        generating(tmp_path, [server.port], evenly(14, 30), timeout_ms=2_000) as generator,
    ):
        await generator.run()
    assert generator.outcomes == [
        Outcome.ACKED,
        Outcome.REFUSED,
        Outcome.REFUSED,
        Outcome.FAILED,
        *[Outcome.INDETERMINATE] * 6,
        *[Outcome.ACKED] * 2,
        Outcome.INDETERMINATE,
        Outcome.ACKED,
    ]
    rows = generator.rows
    assert rows["status"].tolist() == [201, 422, 503, 500, 0, 0, 0, 0, 0, 0, 201, 201, 0, 201]
    assert ((rows["answered_ns"] == NO_TIME) == (rows["status"] == 0)).all()
    assert (rows["sent_ns"] != NO_TIME).all()


async def test_replies_in_pieces_and_in_chunks_are_whole_at_their_last_byte(tmp_path: Path) -> None:
    async def reply(index: int, writer: asyncio.StreamWriter) -> None:
        if index % 2:
            head, tail = b"HTTP/1.1 201 C\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nab", b"c\r\n0\r\n\r\n"
        else:
            head, tail = http(201)[:30], http(201)[30:]
        writer.write(head)
        await writer.drain()
        await asyncio.sleep(0.1)
        writer.write(tail)

    async with serving(reply) as server, generating(tmp_path, [server.port], evenly(20, 10)) as generator:
        await generator.run()
    assert set(generator.outcomes) == {Outcome.ACKED}
    assert ((generator.rows["answered_ns"] - generator.rows["sent_ns"]) / 1e6 >= 99).all()


async def test_connections_are_used_again_unless_the_server_closes_them(tmp_path: Path) -> None:
    async def close_each(_index: int, writer: asyncio.StreamWriter) -> None:
        writer.write(http(201, b"ok", "Connection: close"))
        writer.close()

    async def close_unannounced(_index: int, writer: asyncio.StreamWriter) -> None:
        writer.write(http(201))
        writer.close()

    one_at_a_time = users(1, warmup_ms=0, duration_ms=300)
    async with serving() as server, generating(tmp_path, [server.port], [], closed=one_at_a_time) as generator:
        await generator.run()
        assert set(generator.outcomes) == {Outcome.ACKED}
        assert len(server.sockets_used) == 1 < len(server.registrations)
    for closing in (close_each, close_unannounced):
        async with serving(closing) as server, generating(tmp_path, [server.port], evenly(50, 5)) as generator:
            await generator.run()
            assert set(generator.outcomes) == {Outcome.ACKED}
            assert len(server.registrations) == len(server.sockets_used) == 50


async def test_a_server_that_is_gone_refuses_and_one_that_comes_back_is_used_again(tmp_path: Path) -> None:
    server = Server()
    listener = await asyncio.start_server(server.handle, "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    intended_ms = [*evenly(5, 10), *evenly(5, 10, 2_000), *evenly(5, 10, 4_000)]
    async with generating(tmp_path, [port], intended_ms) as generator:
        await generator.hear("ready")
        start_ns = time.monotonic_ns() + 100_000_000
        generator.say({"type": "start", "start_ns": start_ns})
        await until_time(start_ns + 1_000_000_000)
        listener.close()
        server.close_connections()
        await until_time(start_ns + 3_000_000_000)
        listener = await asyncio.start_server(server.handle, "127.0.0.1", port)
        await generator.hear("done")
    listener.close()
    assert generator.outcomes == [Outcome.ACKED] * 5 + [Outcome.REFUSED] * 5 + [Outcome.ACKED] * 5
    assert (generator.rows["sent_ns"][5:10] == NO_TIME).all()


async def test_beyond_max_in_flight_arrivals_are_dropped(tmp_path: Path) -> None:
    async def stall(_index: int, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(1)
        writer.write(http(201))

    async with (
        serving(stall) as server,
        generating(tmp_path, [server.port], [*evenly(6, 5), 2_000], max_in_flight=4) as generator,
    ):
        await generator.run()
    assert generator.outcomes == [Outcome.ACKED] * 4 + [Outcome.DROPPED] * 2 + [Outcome.ACKED]
    assert len(server.registrations) == 5


async def test_what_finds_no_file_descriptor_is_dropped_and_the_run_goes_on(tmp_path: Path) -> None:
    async def stall(_index: int, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(1)
        writer.write(http(201))

    async with (
        serving(stall) as server,
        generating(tmp_path, [server.port], [*evenly(100, 1), 2_000], limit="-n 60") as generator,
    ):
        await generator.run()
    assert set(generator.outcomes) == {Outcome.ACKED, Outcome.DROPPED}
    assert generator.outcomes[0] == generator.outcomes[-1] == Outcome.ACKED


async def test_a_frozen_server_counts_from_the_intended_time(tmp_path: Path) -> None:
    """A freeze of 1 s in 2 s leaves latencies evenly spread over 1 s: no sample goes missing."""
    async with serving() as server, generating(tmp_path, [server.port], evenly(400, 5)) as generator:
        await generator.hear("ready")
        start_ns = time.monotonic_ns() + 100_000_000
        generator.say({"type": "start", "start_ns": start_ns})
        await until_time(start_ns + 500_000_000)
        frozen_ns = time.monotonic_ns()
        time.sleep(1)  # noqa: ASYNC251  (the freeze)
        thawed_ns = time.monotonic_ns()
        await generator.hear("done")
    rows = generator.rows
    assert set(generator.outcomes) == {Outcome.ACKED}
    in_the_freeze = (rows["intended_ns"] > frozen_ns - start_ns) & (rows["intended_ns"] < thawed_ns - start_ns)
    assert in_the_freeze.sum() > 100
    answered_ns = rows["answered_ns"][in_the_freeze]
    assert (answered_ns >= thawed_ns - start_ns).all()
    latency_ms = (rows["answered_ns"] - rows["intended_ns"]) / 1e6
    assert (latency_ms > 500).sum() >= 50
    # It went on sending: the server's freeze is not its own.
    assert (rows["sent_ns"][in_the_freeze] < thawed_ns - start_ns).sum() > 50


async def test_users_of_a_closed_loop_wait_for_their_answer_before_they_come_again(tmp_path: Path) -> None:
    async def slowly(_index: int, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.02)
        writer.write(http(201))

    closed = users(4, warmup_ms=200, duration_ms=600)
    async with serving(slowly) as server, generating(tmp_path, [server.port], [], closed=closed) as generator:
        done = await generator.run(lead_ms=300)
        assert await generator.end() == 0
    rows = generator.rows
    assert done["rows"] == len(rows) == len(server.registrations)
    assert set(generator.outcomes) == {Outcome.ACKED}
    warm = int((rows["intended_ns"] < 0).sum())
    assert rows["index"].tolist() == [*range(-1, -warm - 1, -1), *range(len(rows) - warm)]
    assert 4 <= warm <= 4 * 10
    assert 4 < len(rows) - warm <= 4 * 30  # 20 ms each leaves room for no more than thirty a user
    assert (rows["intended_ns"] >= -200_000_000).all()
    assert (rows["intended_ns"] < 600_000_000).all()
    assert (np.diff(rows["intended_ns"]) >= 0).all()
    under_way = [((rows["intended_ns"] <= at) & (rows["answered_ns"] > at)).sum() for at in rows["intended_ns"]]
    assert max(under_way) == 4
    assert {registration.registration_id for registration in server.registrations} == {
        registration_id(SEED, index) for index in rows["index"].tolist()
    }


async def test_a_closed_loop_asks_a_frozen_server_less_and_so_hardly_sees_the_freeze(tmp_path: Path) -> None:
    """The same freeze as above: a second of it, and one slow answer a user is all that is left."""
    closed = users(4, warmup_ms=0, duration_ms=2_000)
    async with serving() as server, generating(tmp_path, [server.port], [], closed=closed) as generator:
        await generator.hear("ready")
        start_ns = time.monotonic_ns() + 100_000_000
        generator.say({"type": "start", "start_ns": start_ns})
        await until_time(start_ns + 500_000_000)
        time.sleep(1)  # noqa: ASYNC251  (the freeze)
        await generator.hear("done")
    rows = generator.rows
    latency_ms = (rows["answered_ns"] - rows["intended_ns"]) / 1e6
    assert 1 <= (latency_ms > 500).sum() <= 4 < len(rows)


async def test_a_closed_loop_goes_on_when_its_server_is_gone(tmp_path: Path) -> None:
    closed = users(3, warmup_ms=0, duration_ms=700)
    async with serving() as server, generating(tmp_path, [server.port], [], closed=closed) as generator:
        await generator.hear("ready")
        server.listener.close()
        server.close_connections()
        generator.say({"type": "start", "start_ns": time.monotonic_ns()})
        await generator.hear("done")
    assert set(generator.outcomes) <= {Outcome.REFUSED, Outcome.INDETERMINATE}
    assert 3 <= len(generator.rows) <= 50


async def test_rows_of_a_closed_loop_survive_a_kill(tmp_path: Path) -> None:
    closed = users(8, warmup_ms=0, duration_ms=60_000)
    async with serving() as server, generating(tmp_path, [server.port], [], closed=closed) as generator:
        await generator.hear("ready")
        generator.say({"type": "start", "start_ns": time.monotonic_ns()})
        await until(lambda: len(server.registrations) >= 200)
        generator.process.send_signal(signal.SIGKILL)
        await generator.process.wait()
    rows = generator.rows
    assert len(server.registrations) <= len(rows) <= len(server.registrations) + 8
    assert rows["index"].tolist() == list(range(len(rows)))
    assert (rows["outcome"] == Outcome.PENDING).sum() <= 8
    acked = rows[rows["outcome"] == Outcome.ACKED]
    assert len(acked) >= 200 - 8
    assert (acked["answered_ns"] > acked["sent_ns"]).all()


async def test_with_keys_people_come_again(tmp_path: Path) -> None:
    keys: dict[str, object] = {"distribution": "zipf", "count": 10, "s": 1.1}
    async with serving() as server, generating(tmp_path, [server.port], evenly(50, 2), keys=keys) as generator:
        await generator.run()
    expected = [user_id(SEED, key(SEED, index, "zipf", 10, 1.1)) for index in range(50)]
    assert sorted(r.user_id.int for r in server.registrations) == sorted(id_.int for id_ in expected)
    assert len({registration.registration_id for registration in server.registrations}) == 50


async def test_a_step_of_the_wall_clock_changes_nothing(tmp_path: Path) -> None:
    """Forward by an hour, then back by two, in the middle of the load."""
    (tmp_path / "plugin_clock.py").write_text(
        "import time\n"
        "true, calls = time.time, [0]\n"
        "def stepping():\n"
        "    calls[0] += 1\n"
        "    return true() + (3_600 if calls[0] % 2 else -3_600)\n"
        "time.time = stepping\n"
    )
    environment = {"BENCH_LOCUST_PLUGINS": "plugin_clock", "PYTHONPATH": f"{ROOT}{os.pathsep}{tmp_path}"}
    async with (
        serving() as server,
        generating(tmp_path, [server.port], evenly(120, 10), environment=environment) as generator,
    ):
        await generator.run()
        assert await generator.end() == 0
    assert set(generator.outcomes) == {Outcome.ACKED}
    rows = generator.rows
    assert ((rows["answered_ns"] - rows["intended_ns"]) < 2_000_000_000).all()
    assert generator.progress


async def test_it_is_ready_once_the_last_server_is(tmp_path: Path) -> None:
    port = unused_port()
    async with serving() as server, generating(tmp_path, [server.port, port], [0]) as generator:
        await until(lambda: server.ready_asked > 0)
        late = Server(ready_status=503)
        listener = await asyncio.start_server(late.handle, "127.0.0.1", port)
        await until(lambda: late.ready_asked > 1)
        late.ready_status = 200
        await generator.hear("ready")
        listener.close()


async def test_it_gives_up_on_a_server_that_never_is_ready(tmp_path: Path) -> None:
    async with serving(ready_status=503) as server, generating(tmp_path, [server.port], [0]) as generator:
        error = await generator.hear("error")
        assert await asyncio.wait_for(generator.process.wait(), LIMIT_S) == 1
    assert f"127.0.0.1:{server.port}" in str(error["message"])
    assert "503" in str(error["message"])
    assert error["next_step"]


@pytest.mark.parametrize("moment", ["before its settings", "before start", "under load"])
async def test_the_end_of_input_ends_it_at_once(tmp_path: Path, moment: str) -> None:
    async with serving() as server, generating(tmp_path, [server.port], evenly(20_000, 3)) as generator:
        if moment != "before its settings":
            await generator.hear("ready")
        if moment == "under load":
            generator.say({"type": "start", "start_ns": time.monotonic_ns()})
            await until(lambda: len(server.registrations) >= 100)
        assert await generator.end() == 0
    # The load would have gone on for a minute: what was not yet sent never is.
    assert moment != "under load" or {Outcome.ACKED, Outcome.PENDING} <= set(generator.outcomes)


async def test_rows_survive_a_kill(tmp_path: Path) -> None:
    async with serving() as server, generating(tmp_path, [server.port], evenly(20_000, 1)) as generator:
        await generator.hear("ready")
        generator.say({"type": "start", "start_ns": time.monotonic_ns()})
        await until(lambda: len(server.registrations) >= 200)
        generator.process.send_signal(signal.SIGKILL)
        await generator.process.wait()
    rows = generator.rows
    assert len(rows) == 20_000
    acked = rows[rows["outcome"] == Outcome.ACKED]
    assert len(acked) > 0
    assert (acked["answered_ns"] > acked["sent_ns"]).all()


async def test_it_leaves_ctrl_c_to_the_harness_and_arguments_alone(tmp_path: Path) -> None:
    async with (
        serving() as server,
        generating(tmp_path, [server.port], evenly(50, 10), arguments=("--headless", "--no-such-option")) as generator,
    ):
        await generator.hear("ready")
        generator.say({"type": "start", "start_ns": time.monotonic_ns()})
        generator.process.send_signal(signal.SIGINT)
        await generator.hear("done")
    assert set(generator.outcomes) == {Outcome.ACKED}


async def test_it_says_how_much_is_under_way(tmp_path: Path) -> None:
    answered = asyncio.Event()

    async def stall(_index: int, writer: asyncio.StreamWriter) -> None:
        await answered.wait()
        writer.write(http(201))

    async with serving(stall) as server, generating(tmp_path, [server.port], [0, 0, 0]) as generator:
        await generator.hear("ready")
        generator.say({"type": "start", "start_ns": time.monotonic_ns()})
        await until(lambda: len(server.registrations) >= 3)
        generator.say({"type": "idle"})
        assert await generator.hear("idle") == {"type": "idle", "busy": 3}
        answered.set()
        await generator.hear("done")
        generator.say({"type": "idle"})
        assert await generator.hear("idle") == {"type": "idle", "busy": 0}


PLUGIN = """
import json
from locust import events

calls = []
for name in ("init", "test_start", "spawning_complete", "test_stop", "quitting"):
    getattr(events, name).add_listener(lambda name=name, **arguments: calls.append([name]))

@events.request.add_listener
def on_request(**arguments):
    arguments["exception"] = str(arguments["exception"] or "")
    calls.append(["request", arguments])
    if FAULTY:
        raise FAULT

@events.quit.add_listener
def on_quit(**arguments):
    with open("calls.json", "w") as file:
        json.dump(calls, file)
"""


async def test_locust_plugins_see_the_run(tmp_path: Path) -> None:
    async def reply(index: int, writer: asyncio.StreamWriter) -> None:
        writer.write(http(201 if index else 500, b"12345"))

    (tmp_path / "plugin_seen.py").write_text("FAULTY = False" + PLUGIN)
    environment = {"BENCH_LOCUST_PLUGINS": "plugin_seen", "PYTHONPATH": f"{ROOT}{os.pathsep}{tmp_path}"}
    async with (
        serving(reply) as server,
        generating(tmp_path, [server.port], evenly(3, 20), environment=environment) as generator,
    ):
        await generator.run()
        await generator.end()
    calls = json.loads((tmp_path / "calls.json").read_text())
    assert [name for name, *_ in calls] == [
        "init",
        "test_start",
        "spawning_complete",
        *["request"] * 3,
        "test_stop",
        "quitting",
    ]
    requests = [arguments for name, *rest in calls if name == "request" for arguments in rest]
    rows = generator.rows
    for request, row in zip(requests, rows, strict=True):
        context = request["context"]
        assert (request["request_type"], request["name"]) == ("POST", "/registrations")
        assert request["response_length"] == 5
        assert request["response_time"] == pytest.approx((row["answered_ns"] - row["intended_ns"]) / 1e6)
        assert uuid.UUID(context["registration_id"]) == registration_id(SEED, int(row["index"]))
        assert [context[key] for key in ("intended_ns", "sent_ns", "answered_ns")] == list(row.tolist()[1:4])
    assert [request["exception"] for request in requests] == ["failed: 500", "", ""]


async def test_without_a_listener_no_event_is_made(tmp_path: Path) -> None:
    (tmp_path / "plugin_deaf.py").write_text("from benchmarks.load import recorder\nrecorder.RequestEvent = None\n")
    environment = {"BENCH_LOCUST_PLUGINS": "plugin_deaf", "PYTHONPATH": f"{ROOT}{os.pathsep}{tmp_path}"}
    async with (
        serving() as server,
        generating(tmp_path, [server.port], evenly(3, 20), environment=environment) as generator,
    ):
        await generator.run()  # making one would have ended it
    assert set(generator.outcomes) == {Outcome.ACKED}


@pytest.mark.parametrize(
    ("fault", "survives"), [("ValueError()", True), ("__import__('locust').exception.StopUser()", False)]
)
async def test_a_listener_that_fails_costs_no_row_and_one_that_stops_the_test_is_told(
    tmp_path: Path, fault: str, survives: bool
) -> None:
    (tmp_path / "plugin_faulty.py").write_text("FAULTY = True" + PLUGIN.replace("FAULT\n", f"{fault}\n"))
    environment = {"BENCH_LOCUST_PLUGINS": "plugin_faulty", "PYTHONPATH": f"{ROOT}{os.pathsep}{tmp_path}"}
    async with (
        serving() as server,
        generating(tmp_path, [server.port], evenly(100, 20), environment=environment) as generator,
    ):
        await generator.hear("ready")
        generator.say({"type": "start", "start_ns": time.monotonic_ns()})
        if survives:
            await generator.hear("done")
            assert set(generator.outcomes) == {Outcome.ACKED}
        else:
            error = await generator.hear("error")
            assert "listener" in str(error["message"])


async def test_a_row_that_cannot_be_written_ends_the_run(tmp_path: Path) -> None:
    (tmp_path / "plugin_disk.py").write_text(
        "from benchmarks.load.rows import Rows\n"
        "def settled(self, position, *rest):\n"
        "    if position == 5: raise OSError('the disk has gone')\n"
        "Rows.settled = settled\n"
    )
    environment = {"BENCH_LOCUST_PLUGINS": "plugin_disk", "PYTHONPATH": f"{ROOT}{os.pathsep}{tmp_path}"}
    async with (
        serving() as server,
        generating(tmp_path, [server.port], evenly(20_000, 5), environment=environment) as generator,
    ):
        await generator.hear("ready")
        generator.say({"type": "start", "start_ns": time.monotonic_ns()})
        assert "the disk has gone" in str((await generator.hear("error"))["message"])
        assert await asyncio.wait_for(generator.process.wait(), LIMIT_S) == 1


async def test_what_it_does_not_understand_is_an_error(tmp_path: Path) -> None:
    async with serving() as server, generating(tmp_path, [server.port], [0]) as generator:
        generator.say({"type": "dance"})
        assert "dance" in str((await generator.hear("error"))["message"])
        assert await asyncio.wait_for(generator.process.wait(), LIMIT_S) == 1


async def test_a_full_or_missing_directory_is_an_error_before_ready(tmp_path: Path) -> None:
    async with serving() as server, generating(tmp_path, [server.port], [0]) as generator:
        generator.rows_path.mkdir()
        error = await generator.hear("error")
        assert "load.rows" in str(error["message"])


@pytest.mark.parametrize("moment", ["before the load", "under load"])
async def test_a_full_disk_is_told_with_what_to_do(tmp_path: Path, moment: str) -> None:
    """The limit on a file's size, in blocks of 512 or 1,024 bytes, stands for a full disk."""
    if moment == "before the load":
        intended_ms, closed = evenly(20_000, 1), None
    else:
        intended_ms, closed = [], users(8, warmup_ms=0, duration_ms=60_000)
    limit = "-f 400"
    async with (
        serving() as server,
        generating(tmp_path, [server.port], intended_ms, closed=closed, limit=limit) as generator,
    ):
        if closed is not None:
            await generator.hear("ready")
            generator.say({"type": "start", "start_ns": time.monotonic_ns()})
        error = await generator.hear("error")
        assert await asyncio.wait_for(generator.process.wait(), LIMIT_S) == 1
    assert "disk" in str(error["next_step"])
    assert "File too large" in str(error["message"])
    if closed is not None:
        assert generator.outcomes.count(Outcome.ACKED) > 1_000
