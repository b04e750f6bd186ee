"""`--broker host:port`, when what is there is not what was hoped for."""

import asyncio
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from benchmarks.brokers import BrokerUnavailable, external
from benchmarks.brokers.external import connect
from benchmarks.processes.ports import Ports

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def listener(handler: Handler) -> AsyncIterator[str]:
    server = await asyncio.start_server(handler, "127.0.0.1", 0)
    async with server:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"


def answers(body: bytes) -> Handler:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1024)
        writer.write(body)
        writer.close()

    return handle


def metadata(*nodes: tuple[str, int]) -> bytes:
    listed = b"".join(
        struct.pack(">ih", 1, len(host)) + host.encode() + struct.pack(">ih", port, -1) for host, port in nodes
    )
    body = struct.pack(">ii", 1, len(nodes)) + listed + struct.pack(">hii", -1, 1, 0)
    return struct.pack(">i", len(body)) + body


async def refusal(bootstrap: str) -> BrokerUnavailable:
    with pytest.raises(BrokerUnavailable) as caught:
        await connect(bootstrap)
    return caught.value


async def test_nobody_listens() -> None:
    port = Ports().take()
    refused = await refusal(f"127.0.0.1:{port}")
    assert f"127.0.0.1:{port} cannot be reached" in refused.message
    assert "leave --broker out" in refused.next_step


async def test_a_name_that_does_not_exist() -> None:
    assert "no-such-host.invalid:9092 cannot be reached" in (await refusal("no-such-host.invalid:9092")).message


async def test_a_web_server_is_not_kafka() -> None:
    async with listener(answers(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")) as bootstrap:
        assert "is not a plaintext Kafka listener" in (await refusal(bootstrap)).message


async def test_a_listener_that_hangs_up_wants_tls_or_a_password() -> None:
    async with listener(answers(b"")) as bootstrap:
        refused = await refusal(bootstrap)
    assert "closed the connection without an answer" in refused.message
    assert "whether the listener wants TLS or SASL (BENCH_KAFKA_SECURITY_PROTOCOL" in refused.next_step


async def test_silence_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(external, "_TIMEOUT_S", 0.2)

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async with listener(silent) as bootstrap:
        assert "gave no answer" in (await refusal(bootstrap)).message


async def test_an_advertised_address_that_leads_nowhere_is_named() -> None:
    async with listener(answers(metadata(("kafka.invalid", 9092)))) as bootstrap:
        refused = await refusal(bootstrap)
    assert "it advertises kafka.invalid:9092, which cannot be reached from here" in refused.message
    assert "advertised.listeners" in refused.next_step


async def test_the_second_address_serves_when_the_first_is_down() -> None:
    down = f"127.0.0.1:{Ports().take()}"
    async with listener(answers(b"")) as advertised:
        host, port = advertised.split(":")
        async with listener(answers(metadata((host, int(port))))) as bootstrap:
            broker = await connect(f"{down},{bootstrap}")
    assert broker.info.bootstrap == f"{down},{bootstrap}"
    assert broker.info.description["brokers"] == 1
