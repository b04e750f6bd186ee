"""Nothing can be reached from outside: every socket of a running trial is on loopback, and only doors listen."""

from __future__ import annotations

import ipaddress
import os
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest
from one_trial import one_trial

from benchmarks.brokers import manage

TREE = Path(__file__).resolve().parents[2]
BOUND_S = 300.0
# How many ports a process may listen on, by the module that it runs. The harness and the load generator: none. A
# service that is called has one, one that consumes has none. The broker: one for clients, one for its controller.
DOORS = {"harness": 0, "benchmarks.load": 0, "sync_impl": 1, "event_impl": 1, "broker": 2}


@dataclass
class Seen:
    """The sockets of all processes, looked at again and again during a run."""

    addresses: set[str] = field(default_factory=set)
    listening: Mapping[tuple[str, int], set[int]] = field(default_factory=lambda: defaultdict(set))
    not_tcp: int = 0

    def look(self, harness: psutil.Process) -> None:
        for process in [harness, *harness.children(recursive=True)]:
            try:
                name = "harness" if process == harness else module_of(process.cmdline())
                sockets = process.net_connections("inet")
            except psutil.Error:
                continue  # it has just ended
            for socket in sockets:
                self.not_tcp += socket.type.name != "SOCK_STREAM"
                self.addresses |= {address.ip for address in (socket.laddr, socket.raddr) if address}
                if socket.status == psutil.CONN_LISTEN:
                    self.listening[name, process.pid].add(socket.laddr.port)


def module_of(words: list[str]) -> str:
    if "java" in Path(words[0] if words else "").name:
        return "broker"
    known = [word for word in words if word in DOORS]
    return known[-1] if known else "other"


@pytest.fixture(scope="module", params=["sync", "events"])
def seen(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Seen:
    if request.param == "events":
        manage.fetch()  # the one thing that a run does not do on loopback
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "cli", *one_trial(request.param, "3s")],
        cwd=tmp_path_factory.mktemp("here"),
        env={**os.environ, "PYTHONPATH": str(TREE)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    found, deadline_s = Seen(), time.monotonic() + BOUND_S
    try:
        while process.poll() is None:
            assert time.monotonic() < deadline_s, "the run did not end in time"
            found.look(psutil.Process(process.pid))
            time.sleep(0.1)
    finally:
        process.kill()
        process.wait(BOUND_S)
    assert process.returncode in (0, 110)
    assert found.listening, "nothing was seen"
    return found


def test_every_socket_is_on_loopback(seen: Seen) -> None:
    outside = {text for text in seen.addresses if not on_loopback(text)}
    assert not outside


def on_loopback(text: str) -> bool:
    address = ipaddress.ip_address(text)
    mapped = getattr(address, "ipv4_mapped", None)  # a JVM's IPv4 sockets
    return (mapped or address).is_loopback


def test_only_doors_listen_and_no_process_can_be_told_what_to_do_through_a_port(seen: Seen) -> None:
    for (module, pid), ports in seen.listening.items():
        assert len(ports) <= DOORS.get(module, 0), f"{module} ({pid}) listens on {sorted(ports)}"


def test_nothing_but_tcp_is_spoken(seen: Seen) -> None:
    assert seen.not_tcp == 0
