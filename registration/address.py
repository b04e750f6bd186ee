"""Where a process listens, and on which host it runs."""

from __future__ import annotations

import functools
import hashlib
import socket
from typing import NamedTuple

LOOPBACK = "127.0.0.1"


class Address(NamedTuple):
    """An IPv4 address or a name, and a port."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


@functools.cache
def this_host() -> str:
    """This host's name in the rows that it writes: a digest of its real one, since results are made to be shared."""
    return hashlib.blake2b(socket.gethostname().encode(), digest_size=4).hexdigest()
