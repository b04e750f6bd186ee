"""The requests on the wire, encoded ahead of their turn so that no hashing delays a send."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice

from benchmarks.load.settings import KeySettings, Settings
from registration import luck
from registration.address import Address
from registration.registration import Registration, body_of, traceparent_of, user_id

LOOK_AHEAD = 20_000
"""How many are encoded before the load: all of most runs, for a quarter of a second and 11 MB at most. Between two
arrivals the same work costs twice as much (cold caches) and falls into what is measured."""

_AT_ONCE = 16
"""How many are encoded in one pause: a tenth of a millisecond. After a burst the look-ahead fills up over several."""


@dataclass(frozen=True, slots=True)
class Payload:
    """What one arrival sends."""

    index: int
    registration_id: str
    request: bytes


def ready_request(address: Address) -> bytes:
    """The question whether a server takes registrations."""
    return f"GET /ready HTTP/1.1\r\nHost: {_host(address)}\r\n\r\n".encode()


def registration_payload(
    block_seed: int, index: int, path: str, address: Address, keys: KeySettings | None = None
) -> Payload:
    """Arrival `index` of a block as one HTTP/1.1 request, head and body. Without `keys` everybody is a new person."""
    id_ = luck.registration_id(block_seed, index)
    key = index if keys is None else luck.key(block_seed, index, keys.distribution, keys.count, keys.s)
    body = body_of(Registration(id_, user_id(block_seed, key), f"user-{key}@example.com"))
    head = (
        f"POST {path} HTTP/1.1\r\n"
        f"Host: {_host(address)}\r\n"
        "Content-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n"
        f"traceparent: {traceparent_of(id_)}\r\n\r\n"
    )
    return Payload(index, str(id_), head.encode() + body)


class Payloads:
    """The requests of the arrivals `indices` in that order, up to `look_ahead` of them encoded in advance.

    Addresses take turns by index, so an arrival meets the same instance whatever happened before it.
    """

    def __init__(self, indices: Iterable[int], settings: Settings, look_ahead: int = LOOK_AHEAD) -> None:
        self._indices = iter(indices)
        self._settings = settings
        self._look_ahead = look_ahead
        self._encoded: deque[Payload] = deque()
        self._refill(look_ahead)

    def take(self) -> Payload:
        """The next request. Raises StopIteration past the end."""
        return self._encoded.popleft() if self._encoded else self._encode(next(self._indices))

    def refill(self) -> None:
        """Encode some of what the look-ahead lacks: for moments in which nothing is due."""
        self._refill(_AT_ONCE)

    def _refill(self, limit: int) -> None:
        missing = min(limit, self._look_ahead - len(self._encoded))
        if missing > 0:
            self._encoded.extend(map(self._encode, islice(self._indices, missing)))

    def _encode(self, index: int) -> Payload:
        settings = self._settings
        address = settings.addresses[index % len(settings.addresses)]
        return registration_payload(settings.block_seed, index, settings.path, address, settings.keys)


def _host(address: Address) -> str:
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
