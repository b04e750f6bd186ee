import struct

import pytest

from benchmarks.brokers.broker import BrokerUnavailable
from benchmarks.brokers.external import parse_bootstrap
from benchmarks.brokers.kafka.probe import Cluster, NotKafka, parse, request


def text(value: str | None) -> bytes:
    return struct.pack(">h", -1) if value is None else struct.pack(">h", len(value)) + value.encode()


def answer(cluster_id: str | None, *nodes: tuple[str, int]) -> bytes:
    listed = b"".join(struct.pack(">i", 1) + text(host) + struct.pack(">i", port) + text(None) for host, port in nodes)
    return struct.pack(">ii", 1, len(nodes)) + listed + text(cluster_id) + struct.pack(">ii", 1, 0)


def test_the_request_says_its_own_length() -> None:
    asked = request()
    assert struct.unpack(">i", asked[:4]) == (len(asked) - 4,)
    assert struct.unpack(">hh", asked[4:8]) == (3, 2)


def test_an_answer_names_the_cluster_and_its_brokers() -> None:
    assert parse(answer("abc", ("127.0.0.1", 9092), ("other", 9093))) == Cluster(
        "abc", (("127.0.0.1", 9092), ("other", 9093))
    )


def test_a_cluster_may_have_no_id_and_no_brokers() -> None:
    assert parse(answer(None)) == Cluster(None, ())


@pytest.mark.parametrize("garbage", [b"", b"HTTP/1.1 400 Bad Request\r\n", answer("abc", ("h", 1))[:-14]])
def test_what_is_not_the_kafka_protocol_is_called_so(garbage: bytes) -> None:
    with pytest.raises(NotKafka, match="not in the Kafka protocol"):
        parse(garbage)


def test_bootstrap_addresses_are_split() -> None:
    assert parse_bootstrap("a:1, b.example:9092,[::1]:3") == [("a", 1), ("b.example", 9092), ("::1", 3)]


@pytest.mark.parametrize("bad", ["", "localhost", "localhost:", ":9092", "a:b", "a:0", "a:65536", "a:1,"])
def test_a_bootstrap_that_is_no_address_is_quoted(bad: str) -> None:
    with pytest.raises(BrokerUnavailable, match="is not host:port") as caught:
        parse_bootstrap(bad)
    assert "127.0.0.1:9092" in caught.value.next_step
