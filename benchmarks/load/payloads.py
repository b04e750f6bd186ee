"""The requests on the wire, encoded ahead of their turn so that no hashing stands between an arrival and its send."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.load.settings import Address
from registration import luck
from registration.registration import Registration, body_of, traceparent_of, user_id

LOOK_AHEAD = 1_000


@dataclass(frozen=True, slots=True)
class Payload:
    """What one arrival sends."""

    registration_id: str
    request: bytes


def ready_request(address: Address) -> bytes:
    """The question whether a server takes registrations."""
    return f"GET /ready HTTP/1.1\r\nHost: {_host(address)}\r\n\r\n".encode()


def registration_payload(block_seed: int, index: int, path: str, address: Address) -> Payload:
    """Arrival `index` of a block as one HTTP/1.1 request, head and body."""
    id_ = luck.registration_id(block_seed, index)
    body = body_of(Registration(id_, user_id(block_seed, index), f"user-{index}@example.com"))
    head = (
        f"POST {path} HTTP/1.1\r\n"
        f"Host: {_host(address)}\r\n"
        "Content-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n"
        f"traceparent: {traceparent_of(id_)}\r\n\r\n"
    )
    return Payload(str(id_), head.encode() + body)


class Payloads:
    """The requests of a schedule in order, up to `look_ahead` of them encoded in advance.

    Addresses take turns by place in the schedule, so an arrival meets the same instance whatever happened before it.
    """

    def __init__(
        self,
        indices: Sequence[int],
        block_seed: int,
        path: str,
        addresses: Sequence[Address],
        look_ahead: int = LOOK_AHEAD,
    ) -> None:
        self._indices = indices
        self._block_seed = block_seed
        self._path = path
        self._addresses = addresses
        self._look_ahead = look_ahead
        self._encoded: deque[Payload] = deque()
        self._next = 0
        self.refill()

    def take(self) -> Payload:
        """The next request of the schedule. Raises IndexError past the end."""
        if not self._encoded:
            self._encode()
        return self._encoded.popleft()

    def refill(self) -> None:
        """Encode until the look-ahead is full again: for moments in which nothing is due."""
        while self._next < len(self._indices) and len(self._encoded) < self._look_ahead:
            self._encode()

    def _encode(self) -> None:
        address = self._addresses[self._next % len(self._addresses)]
        index = self._indices[self._next]
        self._encoded.append(registration_payload(self._block_seed, index, self._path, address))
        self._next += 1


def _host(address: Address) -> str:
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
