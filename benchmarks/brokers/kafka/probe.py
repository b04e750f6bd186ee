"""One question in the Kafka protocol: who is in this cluster? Asked over a plain socket, without a client library.

It serves as the proof that a broker is ready, and that `--broker host:port` leads to one. The request is Metadata
version 2 (https://kafka.apache.org/protocol#The_Messages_Metadata), which every broker since 0.10.1 answers.
"""

from __future__ import annotations

import asyncio
import ssl
import struct
from dataclasses import dataclass

_METADATA, _VERSION, _CORRELATION_ID = 3, 2, 1
_CLIENT_ID = b"bench"
_MOST_BYTES = 1 << 20


class NotKafka(Exception):  # noqa: N818 - says what the other side is
    """Something answered, but not like a Kafka broker."""


@dataclass(frozen=True)
class Cluster:
    """What a broker says about its cluster. nodes: the advertised (host, port) of each broker."""

    cluster_id: str | None
    nodes: tuple[tuple[str, int], ...]


async def ask(host: str, port: int, timeout_s: float, tls: ssl.SSLContext | None = None) -> Cluster:
    """Ask one broker, over TLS where `tls` is given.

    OSError: nothing listens or the line broke; TimeoutError: no answer; NotKafka: not a broker.
    """
    async with asyncio.timeout(timeout_s):
        reader, writer = await asyncio.open_connection(host, port, ssl=tls)
        try:
            writer.write(request())
            await writer.drain()
            (size,) = struct.unpack(">i", await reader.readexactly(4))
            if not 8 <= size <= _MOST_BYTES:
                raise NotKafka("the answer is not in the Kafka protocol")
            return parse(await reader.readexactly(size))
        except asyncio.IncompleteReadError as error:
            raise NotKafka("it closed the connection without an answer") from error
        finally:
            writer.close()


def request() -> bytes:
    """A Metadata request for no topic at all, with its length in front."""
    header = struct.pack(">hhih", _METADATA, _VERSION, _CORRELATION_ID, len(_CLIENT_ID)) + _CLIENT_ID
    body = header + struct.pack(">i", 0)
    return struct.pack(">i", len(body)) + body


def parse(answer: bytes) -> Cluster:
    """The answer without its length. NotKafka where it is not one."""
    reading = _Reading(answer)
    try:
        if reading.number(">i") != _CORRELATION_ID:
            raise NotKafka("the answer is not in the Kafka protocol")
        nodes: list[tuple[str, int]] = []
        for _ in range(reading.number(">i")):
            reading.number(">i")  # node id
            host = reading.text() or ""
            nodes.append((host, reading.number(">i")))
            reading.text()  # rack
        return Cluster(reading.text(), tuple(nodes))
    except (struct.error, UnicodeDecodeError) as error:
        raise NotKafka("the answer is not in the Kafka protocol") from error


class _Reading:
    """A position in an answer that moves on with each value read."""

    def __init__(self, answer: bytes) -> None:
        self._answer = answer
        self._at = 0

    def number(self, form: str) -> int:
        (value,) = struct.unpack_from(form, self._answer, self._at)
        self._at += struct.calcsize(form)
        return int(value)

    def text(self) -> str | None:
        length = self.number(">h")
        if length < 0:
            return None
        if self._at + length > len(self._answer):
            raise struct.error("text runs past the end of the answer")
        value = self._answer[self._at : self._at + length].decode()
        self._at += length
        return value
