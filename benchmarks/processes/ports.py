"""Free TCP ports for the processes of a run.

Taken from below the kernel's ephemeral range: a port of that range can be handed to any outgoing connection between
our look and the child's own bind. The child binds for itself, since a listening socket handed to it would let
connections wait where they should be refused.
"""

from __future__ import annotations

import random
import socket
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

HOST = "127.0.0.1"
_LOWEST = 20_000
_STRETCH = 64
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
    """The ports from which a run takes its own."""
    end = ephemeral_start()
    # A machine may have widened its ephemeral range over ours; then the ports below are as good as any.
    return range(_LOWEST, end) if end > _LOWEST + 1000 else range(2_000, 10_000)


class Ports:
    """Hands out ports, none of them twice, and none that another run hands out at the same time.

    Each has a stretch of the range for itself: a socket bound to its first port keeps others away, from our look at a
    port until the child has bound it and beyond. `rng` decides at which stretch the search begins.
    """

    def __init__(self, rng: random.Random | None = None) -> None:
        self._range = port_range()
        begins = range(self._range.start, self._range.stop, _STRETCH)
        first = (rng or random.Random()).randrange(len(begins))  # noqa: S311 - not a secret
        self._free = _free([*begins[first:], *begins[:first]], self._range.stop)

    def take(self) -> int:
        """A port that could be bound just now. Raises NoFreePort."""
        for port in self._free:
            return port
        raise NoFreePort(f"no free port between {self._range.start} and {self._range.stop}")


def _free(begins: Sequence[int], end: int) -> Iterator[int]:
    """The free ports of each stretch in turn. The guards stay for as long as the iterator lives."""
    with ExitStack() as guards:
        for begin in begins:
            guard = guards.enter_context(socket.socket())
            try:
                guard.bind((HOST, begin))
            except OSError:  # the stretch is another run's
                guard.close()
                continue
            yield from (port for port in range(begin + 1, min(begin + _STRETCH, end)) if bindable(port))


def bindable(port: int) -> bool:
    """Whether the port could be bound just now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True
