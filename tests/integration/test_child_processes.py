"""Child processes: ready when they say so, clear when they cannot, and never left behind."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from benchmarks.processes.child import TREE, Child, ChildError
from benchmarks.processes.ports import HOST, Ports
from registration.address import LOOPBACK, Address
from registration.effects.destination import DestinationSettings
from registration.latency import Latency
from registration.runtime.harness import Idle
from registration.work import WorkSettings
from sync_impl.wiring import ServiceWiring

READY_S = 60.0
GONE_S = 20.0
_PORTS = Ports()


def service(directory: Path, port: int, *, latency_ms: float = 1.0) -> ServiceWiring:
    return ServiceWiring(
        name="email/0",
        directory=str(directory),
        block_seed=7,
        variant="sync",
        options={"timeout_s": 2.0},
        work=WorkSettings("email", 0, 7, Latency.fixed(latency_ms)),
        destination=DestinationSettings("outside-world"),
        address=Address(LOOPBACK, port),
    )


@pytest.fixture
async def child(tmp_path: Path) -> AsyncIterator[Child]:
    """A process that has not yet been told what it is."""
    child = await Child.spawn("email/0", "sync_impl", tmp_path / "email.log")
    yield child
    await child.stop(0.0)


async def ready(child: Child, tmp_path: Path) -> int:
    port = _PORTS.take()
    child.begin("service", service(tmp_path, port))
    await child.expect("ready", READY_S)
    return port


def is_running(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


async def gone(pid: int, within_s: float = GONE_S) -> bool:
    deadline_s = time.monotonic() + within_s
    while is_running(pid) and time.monotonic() < deadline_s:
        await asyncio.sleep(0.02)
    return not is_running(pid)


async def test_a_child_that_is_ready_listens(child: Child, tmp_path: Path) -> None:
    port = await ready(child, tmp_path)
    with socket.create_connection((HOST, port), timeout=2):
        pass


async def test_a_child_answers_when_asked(child: Child, tmp_path: Path) -> None:
    await ready(child, tmp_path)
    child.send(Idle(0))
    assert (await child.expect("idle", READY_S))["busy"] == 0


async def test_a_taken_port_is_told_with_its_remedy(child: Child, tmp_path: Path) -> None:
    with socket.socket() as holder:
        port = _PORTS.take()
        holder.bind((HOST, port))
        holder.listen()
        child.begin("service", service(tmp_path, port))
        with pytest.raises(ChildError, match=f"email/0: port {port} is taken") as told:
            await child.expect("ready", READY_S)
    assert "run again" in told.value.next_step
    assert (await child.ended).returncode == 1


async def test_an_error_is_told_also_to_who_asks_after_it_came(child: Child, tmp_path: Path) -> None:
    with socket.socket() as holder:
        port = _PORTS.take()
        holder.bind((HOST, port))
        holder.listen()
        child.begin("service", service(tmp_path, port))
        await child.ended
        with pytest.raises(ChildError, match="is taken"):
            await child.expect("ready", READY_S)


async def test_a_child_that_is_killed_is_reported_with_the_signal(child: Child, tmp_path: Path) -> None:
    await ready(child, tmp_path)
    heard: list[object] = []
    child.on_message = lambda message: heard.append(message["type"])
    os.kill(child.pid, signal.SIGKILL)
    with pytest.raises(ChildError, match="email/0 ended by itself \\(killed by SIGKILL\\)"):
        await child.expect("idle", READY_S)
    assert heard == ["failed"]
    assert (await child.ended).returncode == -signal.SIGKILL


async def test_a_child_that_breaks_is_reported_with_the_end_of_its_log(child: Child, tmp_path: Path) -> None:
    child.begin("no-such-role", {})
    with pytest.raises(ChildError, match=r"exit code 1\)(.|\n)*KeyError: 'no-such-role'"):
        await child.expect("ready", READY_S)


async def test_a_child_that_stays_silent_is_an_error_with_a_next_step(child: Child) -> None:
    with pytest.raises(ChildError, match=r"email/0 did not say 'ready' within 0\.2 s") as told:
        await child.expect("ready", 0.2)
    assert "email.log" in told.value.next_step


async def test_stopping_asks_first_and_tells_the_processor_time(child: Child, tmp_path: Path) -> None:
    await ready(child, tmp_path)
    ended = await child.stop(READY_S)
    assert ended.returncode == 0  # so it was not killed after the grace
    assert ended.cpu_s > 0.01
    assert not is_running(child.pid)


async def test_stopping_is_not_reported_as_a_failure(child: Child, tmp_path: Path) -> None:
    await ready(child, tmp_path)
    heard: list[object] = []
    child.on_message = heard.append
    await child.stop(10.0)
    await asyncio.sleep(0)
    assert heard == []


async def test_a_paused_child_is_killed_after_the_grace(child: Child, tmp_path: Path) -> None:
    await ready(child, tmp_path)
    os.kill(child.pid, signal.SIGSTOP)
    began_s = time.monotonic()
    ended = await child.stop(0.3)
    assert ended.returncode == -signal.SIGKILL
    assert time.monotonic() - began_s >= 0.3


async def test_ctrl_c_is_not_for_children(child: Child, tmp_path: Path) -> None:
    port = await ready(child, tmp_path)
    os.kill(child.pid, signal.SIGINT)
    child.send(Idle(0))
    await child.expect("idle", READY_S)
    with socket.create_connection((HOST, port), timeout=2):
        pass
    assert (await child.stop(10.0)).returncode == 0


PARENT = """
import asyncio, sys
from pathlib import Path
from benchmarks.processes.child import Child

async def main():
    child = await Child.spawn("email/0", "sync_impl", Path(sys.argv[1], "email.log"))
    print(child.pid, flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


@pytest.mark.parametrize("paused", [False, True], ids=["running", "paused"])
async def test_a_child_dies_with_its_parent(tmp_path: Path, paused: bool) -> None:
    parent = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-c", PARENT, str(tmp_path)),
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(TREE)},
    )
    assert parent.stdout is not None
    pid = int(await asyncio.wait_for(parent.stdout.readline(), READY_S))
    # Only what has become the child is tied to its parent's life; before that it notices by itself.
    async with asyncio.timeout(READY_S):
        while any(argument.endswith("launcher.py") for argument in psutil.Process(pid).cmdline()):
            await asyncio.sleep(0.02)
    if paused:  # a stopped process does not notice the end of its input
        os.kill(pid, signal.SIGSTOP)
    parent.kill()
    await parent.wait()
    try:
        assert await gone(pid)
    finally:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


async def test_a_child_whose_parent_is_gone_before_it_starts_ends_at_once(tmp_path: Path) -> None:
    launcher = TREE / "benchmarks" / "processes" / "launcher.py"
    somebody_else = 1
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-S", "-E", "-P", str(launcher), str(somebody_else), sys.executable, "-c", "print('began')"),
        stdout=subprocess.PIPE,
    )
    out, _ = await asyncio.wait_for(process.communicate(), READY_S)
    assert (process.returncode, out) == (1, b"")
