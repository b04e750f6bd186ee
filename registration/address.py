"""Where a process listens."""

from __future__ import annotations

from typing import NamedTuple

LOOPBACK = "127.0.0.1"


class Address(NamedTuple):
    """An IPv4 address or a name, and a port."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"
