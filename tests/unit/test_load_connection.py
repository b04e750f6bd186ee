"""Connections and their pool on real sockets: whatever a server does, each exchange has the one end that is its own."""

import contextlib
import select
import socket
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum, auto

from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.load.http.client import Pool
from benchmarks.load.http.exchange import Exchange
from benchmarks.load.http.reply import ReplyError, ReplyParser

LIMIT_S = 5.0


class Watch:
    """A watcher of `SelectLoop`."""

    def __init__(self, watches: dict[int, "Watch"], fd: int, callback: Callable[[], None]) -> None:
        self.watches, self.fd, self.callback = watches, fd, callback
        watches[fd] = self

    def close(self) -> None:
        self.watches.pop(self.fd, None)


class SelectLoop:
    """An event loop that moves only when told. A callback that raises fails the test."""

    def __init__(self) -> None:
        self.readers: dict[int, Watch] = {}
        self.writers: dict[int, Watch] = {}

    def watch_read(self, fd: int, callback: Callable[[], None], *, urgent: bool = False) -> Watch:
        return Watch(self.readers, fd, callback)

    def watch_write(self, fd: int, callback: Callable[[], None]) -> Watch:
        return Watch(self.writers, fd, callback)

    def turn(self) -> bool:
        """One turn without waiting; whether anything was ready."""
        readable, writable, _ = select.select(list(self.readers), list(self.writers), [], 0)
        for watches, ready in ((self.readers, readable), (self.writers, writable)):
            for fd in ready:
                if fd in watches:
                    watches[fd].callback()
        return bool(readable or writable)

    def settle(self) -> None:
        """Turn until nothing is ready: what is sent on loopback is there at once."""
        for _ in range(1_000):
            if not self.turn():
                return
        raise AssertionError("the loop runs hot")


@dataclass
class Witness:
    """An ExchangeListener that keeps everything it is told."""

    told: list[tuple[object, ...]] = field(default_factory=list)
    times_sent: int = 0

    def sent(self, exchange: Exchange) -> None:
        self.times_sent += 1

    def answered(self, exchange: Exchange, status: int, body_length: int, answered_ns: int) -> None:
        self.told.append(("answered", status, body_length))

    def unanswered(self, exchange: Exchange, reason: str) -> None:
        self.told.append(("unanswered",))

    def unsendable(self, exchange: Exchange, reason: str) -> None:
        self.told.append(("unsendable",))


class Ending(Enum):
    """What the server does after its last byte."""

    STAY = auto()
    CLOSE = auto()
    HALF_CLOSE = auto()
    RESET = auto()


@dataclass(frozen=True)
class Script:
    """What the server does with one request: `pieces`, each seen before the next comes, then the ending.

    `joined`: the last piece and the ending come together. `afterwards`: what it still says just before the next
    request, when nobody has looked at the connection since.
    """

    pieces: tuple[bytes, ...]
    ending: Ending
    joined: bool
    afterwards: bytes

    @property
    def bytes_(self) -> bytes:
        return b"".join(self.pieces)


class Server:
    """The other end, in the same thread."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.connections: list[socket.socket] = []

    @property
    def address(self) -> tuple[str, int]:
        host, port = self.listener.getsockname()
        return host, port

    def take(self, loop: SelectLoop, request: bytes) -> socket.socket:
        """The connection on which the whole of `request` came, and nothing else."""
        give_up = time.monotonic() + LIMIT_S
        while time.monotonic() < give_up:
            loop.settle()
            for ready in select.select([self.listener, *self.connections], [], [], 0.001)[0]:
                if ready is self.listener:
                    self.connections.append(self.listener.accept()[0])
                    self.connections[-1].setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    continue
                try:
                    data = ready.recv(65_536)
                except ConnectionResetError:
                    data = b""
                if data:
                    assert data == request
                    return ready
                self.connections.remove(ready)
                ready.close()
        raise AssertionError("no request came")

    def close(self) -> None:
        for connection in [*self.connections, self.listener]:
            connection.close()

    def end(self, connection: socket.socket, ending: Ending) -> None:
        match ending:
            case Ending.HALF_CLOSE:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_WR)
            case Ending.CLOSE | Ending.RESET:
                if ending is Ending.RESET:
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                connection.close()
                self.connections.remove(connection)
            case Ending.STAY:
                pass


def play(scripts: list[Script]) -> list[Witness]:
    """Send one request after the other over one pool, each to its script; what became of them."""
    loop, server = SelectLoop(), Server()
    pool = Pool(server.address, loop, time.monotonic_ns, spares=0)
    witnesses = []
    afterwards: Callable[[], None] = lambda: None  # noqa: E731
    try:
        for number, script in enumerate(scripts):
            witness = Witness()
            witnesses.append(witness)
            request = f"POST /{number} HTTP/1.1\r\n\r\n".encode()
            exchange = Exchange(number, number, "", request, 0, 0, listener=witness)
            afterwards()
            pool.dispatch(exchange)
            connection = server.take(loop, request)
            for place, piece in enumerate(script.pieces):
                with contextlib.suppress(OSError):  # the other side had enough
                    connection.send(piece)
                if place < len(script.pieces) - 1 or not script.joined:
                    loop.settle()
            server.end(connection, script.ending)
            loop.settle()
            if not witness.told:  # the engine's deadline
                assert exchange.connection is not None
                exchange.connection.abandon()
                witness.told.append(("overdue",))
            loop.settle()
            afterwards = say_more(connection, script)
        return witnesses
    finally:
        server.close()
        loop.settle()  # every connection hears of the end, and none of it reaches an exchange


def say_more(connection: socket.socket, script: Script) -> Callable[[], None]:
    def say() -> None:
        with contextlib.suppress(OSError):
            connection.send(script.afterwards)

    return say


def whole(script: Script) -> tuple[bool, ReplyParser]:
    """Whether a parser that has seen nothing before finds a whole reply in it, and what it read."""
    reply = ReplyParser()
    try:
        complete = bool(script.bytes_) and reply.feed(script.bytes_)
    except ReplyError:
        return False, reply
    if not complete and script.ending in (Ending.CLOSE, Ending.HALF_CLOSE):
        complete = reply.end_of_stream()
    return complete, reply


def head(status: int, *lines: str) -> bytes:
    return "".join(f"{line}\r\n" for line in (f"HTTP/1.1 {status} X", *lines, "")).encode()


@st.composite
def replies(draw: st.DrawFn) -> bytes:
    """Whole replies of every framing; few statuses and lengths, so that heads come again."""
    status = draw(st.sampled_from([200, 201, 204, 422, 503]))
    body = draw(st.sampled_from([b"", b"abcd", b"wxyz", b"\r\n\r\n", b"HTTP/1.1 500 X\r\n\r\n"]))
    match draw(st.sampled_from(["length", "length", "length", "chunked", "close", "interim", "stream", "old"])):
        case "length":
            return head(status, f"Content-Length: {len(body)}") + body
        case "chunked":
            chunks = b"%x\r\n%s\r\n" % (len(body), body) if body else b""
            return head(status, "Transfer-Encoding: chunked") + chunks + b"0\r\n\r\n"
        case "close":
            return head(status, "Connection: close", f"content-length: {len(body)}") + body
        case "interim":
            return head(100) + head(status, f"Content-Length: {len(body)}") + body
        case "stream":
            return head(status) + body
        case _:
            return head(status, f"Content-Length: {len(body)}").replace(b"1.1", b"1.0") + body


@st.composite
def broken(draw: st.DrawFn) -> bytes:
    """Replies that are cut, doubled, followed by more, changed in a byte, or none at all."""
    reply = draw(replies())
    place = draw(st.integers(0, len(reply) - 1))
    return draw(
        st.sampled_from(
            [
                reply[:place],
                reply + reply,
                reply + b"\r\n",
                reply + b"more",
                reply[:place] + draw(st.binary(min_size=1, max_size=2)) + reply[place + 1 :],
                draw(st.binary(max_size=30)),
            ]
        )
    )


@st.composite
def scripts(draw: st.DrawFn) -> Script:
    data = draw(st.one_of(replies(), replies(), broken()))
    cuts = sorted(draw(st.lists(st.integers(0, len(data)), max_size=3)))
    pieces = [data[start:end] for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True)]
    return Script(
        pieces=tuple(piece for piece in pieces if piece),
        ending=draw(st.sampled_from([Ending.STAY, Ending.STAY, *Ending])),
        joined=draw(st.booleans()),
        afterwards=draw(st.sampled_from([b"", b"", b"late", head(500, "Content-Length: 0")])),
    )


@settings(max_examples=250)
@given(st.lists(scripts(), min_size=1, max_size=5))
def test_whatever_a_server_does_each_exchange_has_one_end_and_its_own(script: list[Script]) -> None:
    """The end is what a parser that has seen nothing before makes of the bytes for this request alone."""
    for one, witness in zip(script, play(script), strict=True):
        complete, reply = whole(one)
        assert witness.times_sent == 1
        if complete:
            expected: tuple[object, ...] = ("answered", reply.status, reply.body_length)
        else:
            expected = witness.told[0]
            assert expected[0] != "answered"
            assert expected[0] != "overdue" or one.ending is Ending.STAY
        if one.ending is Ending.RESET and one.joined:  # a reset may overtake the bytes before it
            assert witness.told in ([expected], [("unanswered",)])
        else:
            assert witness.told == [expected]


LENGTH = head(201, "Content-Length: 4") + b"body"


def script(*pieces: bytes, ending: Ending = Ending.STAY, joined: bool = False, afterwards: bytes = b"") -> Script:
    return Script(pieces, ending, joined, afterwards)


def test_what_a_server_says_between_two_requests_is_no_answer_to_the_second() -> None:
    late = head(500, "Content-Length: 0")
    told = [witness.told for witness in play([script(LENGTH, afterwards=late), script(LENGTH), script(LENGTH)])]
    assert told == [[("answered", 201, 4)]] * 3


def test_a_connection_closed_half_or_whole_since_its_last_answer_is_not_used_again() -> None:
    for ending in (Ending.CLOSE, Ending.HALF_CLOSE, Ending.RESET):
        told = [witness.told for witness in play([script(LENGTH, ending=ending), script(LENGTH)])]
        assert told == [[("answered", 201, 4)]] * 2


def test_a_reply_that_comes_together_with_the_end_of_the_connection_counts() -> None:
    for ending in (Ending.CLOSE, Ending.HALF_CLOSE):
        for reply in (LENGTH, head(201) + b"body"):
            assert [witness.told for witness in play([script(reply, ending=ending, joined=True)])] == [
                [("answered", 201, 4)]
            ]


def test_a_stalled_reply_ends_at_the_deadline_and_its_rest_reaches_nobody() -> None:
    stalled = script(LENGTH[:-1], afterwards=LENGTH[-1:])
    assert [witness.told for witness in play([script(LENGTH), stalled, script(LENGTH)])] == [
        [("answered", 201, 4)],
        [("overdue",)],
        [("answered", 201, 4)],
    ]
