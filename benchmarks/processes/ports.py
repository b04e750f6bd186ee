"""Free TCP ports for the processes of a run.

Taken from below the kernel's ephemeral range: a port of that range can be handed to any outgoing connection between
our look and the child's own bind. The child binds for itself, since a listening socket handed to it would let
connections wait where they should be refused.
"""

from __future__ import annotations

import random
import socket
from pathlib import Path

HOST = "127.0.0.1"
_LOWEST = 20_000
_EPHEMERAL_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")
_USUAL_EPHEMERAL_START = 32_768


class NoFreePort(Exception):  # noqa: N818 - reads as the state of the machine
    """No port is left in the range."""


def ephemeral_start() -> int:
    """The first port that the kernel gives to outgoing connections."""
    try:
        return int(_EPHEMERAL_RANGE.read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return _USUAL_EPHEMERAL_START


def port_range() -> range:
    """The ports that a run takes its own from."""
    end = ephemeral_start()
    # A machine may have widened its ephemeral range over ours; then the ports below are as good as any.
    return range(_LOWEST, end) if end > _LOWEST + 1000 else range(2_000, 10_000)


class Ports:
    """Hands out ports, none of them twice. `rng` decides where the search begins, so that two runs rarely meet."""

    def __init__(self, rng: random.Random | None = None) -> None:
        self._range = port_range()
        self._offset = (rng or random.Random()).randrange(len(self._range))  # noqa: S311 - not a secret
        self._tried = 0

    def take(self) -> int:
        """A port that could be bound just now. Raises NoFreePort."""
        while self._tried < len(self._range):
            port = self._range[(self._offset + self._tried) % len(self._range)]
            self._tried += 1
            if bindable(port):
                return port
        raise NoFreePort(f"no free port between {self._range.start} and {self._range.stop}")


def bindable(port: int) -> bool:
    """Whether the port could be bound just now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True
