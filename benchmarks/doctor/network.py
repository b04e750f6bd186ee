"""Loopback, and the ports below the ephemeral range: all the network that a run needs."""

from __future__ import annotations

import random
import socket
import time
from contextlib import closing
from dataclasses import dataclass

from benchmarks.doctor.examination import Finding, missing, note, ok
from benchmarks.processes.ports import HOST, bindable, port_range

_TRIED = 64
_ROUNDS = 50
_WITHIN_S = 2.0
_SLOW_MS = 1.0


@dataclass(frozen=True)
class NetworkFacts:
    """round_trip_ms: the median of some round trips of a byte over loopback; None where `obstacle` says why not.

    first_port, last_port: where ports are taken from; `free` of `tried` ones, spread over the range, could be bound.
    """

    round_trip_ms: float | None
    obstacle: str
    first_port: int
    last_port: int
    tried: int
    free: int


def look_at_network() -> NetworkFacts:
    round_trip_ms, obstacle = None, ""
    try:
        round_trip_ms = _round_trip_ms()
    except OSError as error:
        obstacle = error.strerror or str(error)
    ports = port_range()
    tried = random.sample(ports, min(_TRIED, len(ports)))
    free = sum(bindable(port) for port in tried)
    return NetworkFacts(round_trip_ms, obstacle, ports.start, ports.stop - 1, len(tried), free)


def _round_trip_ms() -> float:
    """Over TCP, from here to here. Raises OSError."""
    times_ns = []
    with closing(socket.create_server((HOST, 0))) as listener:
        listener.settimeout(_WITHIN_S)
        with closing(socket.create_connection(listener.getsockname(), _WITHIN_S)) as near:
            far, _ = listener.accept()
            with closing(far):
                far.settimeout(_WITHIN_S)
                for _ in range(_ROUNDS):
                    began_ns = time.monotonic_ns()
                    near.sendall(b".")
                    far.sendall(far.recv(1))
                    near.recv(1)
                    times_ns.append(time.monotonic_ns() - began_ns)
    return sorted(times_ns)[_ROUNDS // 2] / 1e6


def judge_network(facts: NetworkFacts) -> list[Finding]:
    return [_loopback(facts), _ports(facts)]


def _loopback(facts: NetworkFacts) -> Finding:
    if facts.round_trip_ms is None:
        return missing(
            "loopback",
            f"{HOST} does not carry a connection: {facts.obstacle}",
            "bring the interface up (ip link set lo up), and look for a firewall or a sandbox",
        )
    words = f"{HOST} carries a byte there and back in {facts.round_trip_ms * 1000:.0f} µs"
    if facts.round_trip_ms > _SLOW_MS:
        return note("loopback", f"{words}, which will show in each latency", "look for a firewall that filters it")
    return ok("loopback", words)


def _ports(facts: NetworkFacts) -> Finding:
    words = f"{facts.first_port} to {facts.last_port}: {facts.free} of {facts.tried} that were tried are free"
    if not facts.free:
        return missing("ports", words, "stop what holds them; `ss -ltn` lists it")
    if facts.free < facts.tried / 2:
        return note("ports", words, "stop what holds them, before a scenario with many instances")
    return ok("ports", words)
