"""Replies, as their bytes come in."""

import pytest

from benchmarks.load.reply import Reply, ReplyError

LENGTH = b"HTTP/1.1 201 Created\r\nContent-Length: 4\r\n\r\nbody"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"


@pytest.mark.parametrize(("data", "status", "length"), [(LENGTH, 201, 4), (CHUNKED, 200, 5)])
def test_a_reply_is_whole_at_its_last_byte_however_it_is_split(data: bytes, status: int, length: int) -> None:
    for cut in range(1, len(data)):
        reply = Reply()
        assert not reply.feed(data[:cut])
        assert reply.feed(data[cut:])
        assert (reply.status, reply.body_length, reply.reusable) == (status, length, True)


def test_byte_by_byte_only_the_last_one_completes() -> None:
    reply = Reply()
    assert [reply.feed(bytes([byte])) for byte in CHUNKED] == [False] * (len(CHUNKED) - 1) + [True]


def test_one_connection_carries_many_replies() -> None:
    reply = Reply()
    for data, status in [(LENGTH, 201), (CHUNKED, 200), (LENGTH, 201)]:
        assert reply.feed(data)
        assert (reply.status, reply.reusable) == (status, True)
        reply.reset()


@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n",
        LENGTH + LENGTH,
        LENGTH + b"garbage",
    ],
)
def test_a_connection_is_not_used_again_when_the_server_closes_it_or_says_too_much(data: bytes) -> None:
    reply = Reply()
    assert reply.feed(data)
    assert not reply.reusable


def test_the_first_of_two_replies_counts() -> None:
    reply = Reply()
    reply.feed(LENGTH + b"HTTP/1.1 500 No\r\nContent-Length: 1\r\n\r\nx")
    assert (reply.status, reply.body_length) == (201, 4)


def test_an_interim_reply_is_not_the_reply() -> None:
    reply = Reply()
    assert not reply.feed(b"HTTP/1.1 100 Continue\r\n\r\n")
    assert reply.feed(LENGTH)
    assert reply.status == 201


def test_no_content_has_no_body() -> None:
    reply = Reply()
    assert reply.feed(b"HTTP/1.1 204 No Content\r\n\r\n")
    assert reply.reusable


def test_without_a_length_the_end_of_the_stream_ends_the_reply() -> None:
    reply = Reply()
    assert not reply.feed(b"HTTP/1.1 200 OK\r\n\r\nsome")
    assert reply.end_of_stream()
    assert (reply.status, reply.body_length, reply.reusable) == (200, 4, False)


@pytest.mark.parametrize("data", [b"", b"HTTP/1.1 200 OK\r\n", LENGTH[:-1], CHUNKED[:-1]])
def test_an_early_end_of_the_stream_is_no_reply(data: bytes) -> None:
    reply = Reply()
    if data:
        reply.feed(data)
    assert not reply.end_of_stream()


@pytest.mark.parametrize("data", [b"SSH-2.0-OpenSSH\r\n", b"HTTP/1.1 abc\r\n\r\n"])
def test_what_is_no_http_is_an_error(data: bytes) -> None:
    with pytest.raises(ReplyError):
        Reply().feed(data)
