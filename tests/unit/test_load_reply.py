"""Replies, as their bytes come in."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.load.http.reply import ReplyError, ReplyParser

LENGTH = b"HTTP/1.1 201 Created\r\nContent-Length: 4\r\n\r\nbody"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"


@pytest.mark.parametrize(("data", "status", "length"), [(LENGTH, 201, 4), (CHUNKED, 200, 5)])
def test_a_reply_is_whole_at_its_last_byte_however_it_is_split(data: bytes, status: int, length: int) -> None:
    for cut in range(1, len(data)):
        reply = ReplyParser()
        assert not reply.feed(data[:cut])
        assert reply.feed(data[cut:])
        assert (reply.status, reply.body_length, reply.reusable) == (status, length, True)


def test_byte_by_byte_only_the_last_one_completes() -> None:
    reply = ReplyParser()
    assert [reply.feed(bytes([byte])) for byte in CHUNKED] == [False] * (len(CHUNKED) - 1) + [True]


def test_one_connection_carries_many_replies() -> None:
    reply = ReplyParser()
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
    reply = ReplyParser()
    assert reply.feed(data)
    assert not reply.reusable


def test_the_first_of_two_replies_counts() -> None:
    reply = ReplyParser()
    reply.feed(LENGTH + b"HTTP/1.1 500 No\r\nContent-Length: 1\r\n\r\nx")
    assert (reply.status, reply.body_length) == (201, 4)


def test_an_interim_reply_is_not_the_reply() -> None:
    reply = ReplyParser()
    assert not reply.feed(b"HTTP/1.1 100 Continue\r\n\r\n")
    assert reply.feed(LENGTH)
    assert reply.status == 201


def test_no_content_has_no_body() -> None:
    reply = ReplyParser()
    assert reply.feed(b"HTTP/1.1 204 No Content\r\n\r\n")
    assert reply.reusable


def test_without_a_length_the_end_of_the_stream_ends_the_reply() -> None:
    reply = ReplyParser()
    assert not reply.feed(b"HTTP/1.1 200 OK\r\n\r\nsome")
    assert reply.end_of_stream()
    assert (reply.status, reply.body_length, reply.reusable) == (200, 4, False)


@pytest.mark.parametrize("data", [b"", b"HTTP/1.1 200 OK\r\n", LENGTH[:-1], CHUNKED[:-1]])
def test_an_early_end_of_the_stream_is_no_reply(data: bytes) -> None:
    reply = ReplyParser()
    if data:
        reply.feed(data)
    assert not reply.end_of_stream()


@pytest.mark.parametrize("data", [b"SSH-2.0-OpenSSH\r\n", b"HTTP/1.1 abc\r\n\r\n", LENGTH.replace(b"\r", b"")])
def test_what_is_no_http_is_an_error(data: bytes) -> None:
    with pytest.raises(ReplyError):
        ReplyParser().feed(data)


def whole(status: int, body: bytes, *lines: str) -> bytes:
    head = "".join(f"{line}\r\n" for line in (f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}", *lines, ""))
    return head.encode() + body


@pytest.mark.parametrize("first", [CHUNKED, LENGTH + b"\r\n"])
def test_what_stands_behind_a_body_is_read_each_time(first: bytes) -> None:
    reply = ReplyParser()
    assert reply.feed(first)
    assert reply.reusable
    reply.reset()
    last = first[:-1] + b"x"
    assert (fed(reply, last) is ReplyError) == (first is CHUNKED)
    assert not reply.reusable


def test_a_connection_that_the_server_closes_carries_no_second_reply() -> None:
    reply = ReplyParser()
    closing = whole(200, b"abcd", "Connection: close")
    assert reply.feed(closing)
    reply.reset()
    assert fed(reply, closing) is ReplyError


HEADS = [
    b"HTTP/1.1 200 X\r\nContent-Length: 4\r\n\r\n",
    b"HTTP/1.1 503 X\r\nContent-Length: 4\r\n\r\n",
    b"HTTP/1.1 200 X\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 204 X\r\n\r\n",
    b"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n",
    b"HTTP/1.1 200 X\r\nConnection: close\r\nContent-Length: 4\r\n\r\n",
    b"HTTP/1.1 200 X\nContent-Length: 4\n\n",
    b"HTTP/1.1 100 X\r\n\r\n",
    b"HTTP/1.1 101 X\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\n",
    b"HTTP/1.1 200 X\r\n\r\n",
]
BODIES = [
    b"",
    b"abcd",
    b"wxyz",
    b"\r\n\r\n",
    b"4\r\nabcd\r\n0\r\n\r\n",
    b"0\r\n\r\n",
    b"abcd\r\n\r\n",
    b"abcdHTTP/1.1 200 X\r\n",
]
PIECES = st.builds(bytes.__add__, st.sampled_from(HEADS), st.sampled_from(BODIES)) | st.binary(max_size=12)


def seen(reply: ReplyParser) -> tuple[int, int, bool, bool]:
    return reply.status, reply.body_length, reply.complete, reply.reusable


def fed(reply: ReplyParser, piece: bytes) -> object:
    try:
        return reply.feed(piece)
    except ReplyError:
        return ReplyError


@settings(max_examples=500)
@given(st.lists(st.lists(PIECES.filter(len), min_size=1, max_size=3), min_size=2, max_size=5))
def test_what_went_before_on_a_connection_changes_nothing(replies: list[list[bytes]]) -> None:
    """Each reply is read as by a parser that has seen nothing before, as long as the connection may be used again."""
    known = ReplyParser()
    for pieces in replies:
        fresh = ReplyParser()
        for piece in pieces:
            result = fed(known, piece)
            assert result == fed(fresh, piece)
            assert seen(known) == seen(fresh)
            if result is ReplyError:
                return
        if not known.reusable:
            return
        known.reset()
