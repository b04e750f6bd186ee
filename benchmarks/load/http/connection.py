"""One connection to a server, with at most one exchange on it; nothing here ever waits."""

from __future__ import annotations

import _socket
import errno
import os
import socket
from collections.abc import Callable
from typing import Protocol

from benchmarks.load.event_loop import Loop, Watcher
from benchmarks.load.http.exchange import Exchange
from benchmarks.load.http.reply import ReplyError, ReplyParser
from registration.address import Address

_READ_BYTES = 65_536

# Limits of this machine rather than an answer of the server.
_LOCAL_ERRORS = (errno.EADDRNOTAVAIL, errno.ENOBUFS, errno.ENOMEM)


class ConnectionOwner(Protocol):
    """What keeps the connections."""

    def idle(self, connection: HttpConnection) -> None:
        """It is open and free."""

    def closed(self, connection: HttpConnection) -> None:
        """It is gone; called once, also for one that never opened."""


class HttpConnection:
    """A TCP connection, opened at once.

    It uses the C socket: Locust's patch puts one in its place that waits in greenlets, and these never wait.
    """

    def __init__(self, address: Address, loop: Loop, clock_ns: Callable[[], int], owner: ConnectionOwner) -> None:
        self._loop = loop
        self._clock_ns = clock_ns
        self._owner = owner
        self._exchange: Exchange | None = None
        self._unsent: memoryview | None = None
        self._reply = ReplyParser()
        self._writing: Watcher | None = None
        self._reading: Watcher | None = None
        self._is_closed = False
        self.answers = 0
        self.turned_away = False  # the server ended it before it gave a single answer
        self.idle_since_ns = 0
        family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self._socket = _socket.socket(family, socket.SOCK_STREAM)
        self._socket.setblocking(False)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        error = self._socket.connect_ex(address)
        # The watcher reports a refusal too, so the owner never hears of an end before it has the connection.
        self._connect_error = 0 if error in (0, errno.EINPROGRESS) else error
        self._writing = loop.watch_write(self._socket.fileno(), self._on_connected)

    def is_alive(self) -> bool:
        """Whether a free connection can still be used: the other side neither closed it nor said anything."""
        try:
            self._socket.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return True
        except OSError:
            return False
        return False

    def carry(self, exchange: Exchange) -> None:
        """Take an exchange: sent now where the connection is open, else as soon as it is."""
        self._exchange = exchange
        exchange.connection = self
        if self._reading is not None:
            self._send(exchange.request)

    def abandon(self) -> None:
        """Close it; its exchange hears nothing."""
        self._exchange = None
        self.close()

    def close(self) -> None:
        """Close it, and notify the owner once. An exchange on it stays unsettled."""
        if self._is_closed:
            return
        self._is_closed = True
        for watcher in (self._writing, self._reading):
            if watcher is not None:
                watcher.close()
        self._writing = self._reading = None
        self._socket.close()
        self._reply.release()
        self._owner.closed(self)

    def _on_connected(self) -> None:
        error = self._connect_error or self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if error in _LOCAL_ERRORS and self._exchange is not None:
            exchange = self._exchange
            self.abandon()
            exchange.listener.unsendable(exchange, f"no way to connect: {os.strerror(error)}")
            return
        if error:
            self._lose(f"not connected: {os.strerror(error)}")
            return
        self._stop_writing()
        self._reading = self._loop.watch_read(self._socket.fileno(), self._on_readable)
        if self._exchange is None:
            self._be_idle(self._clock_ns())
        else:
            self._send(self._exchange.request)

    def _send(self, data: bytes | memoryview) -> None:
        exchange = self._exchange
        assert exchange is not None
        first = exchange.sent_ns == 0
        sent_ns = self._clock_ns()
        try:
            count = self._socket.send(data)
        except BlockingIOError:
            count = 0
        except OSError as error:
            self._lose(f"cut while sending: {error}")
            return
        if count and first:
            exchange.sent_ns = sent_ns
            exchange.listener.sent(exchange)
        if count == len(data):
            self._unsent = None
            self._stop_writing()
        else:
            self._unsent = memoryview(data)[count:]
            if self._writing is None:
                self._writing = self._loop.watch_write(self._socket.fileno(), self._on_writable)

    def _on_writable(self) -> None:
        assert self._unsent is not None
        self._send(self._unsent)

    def _on_readable(self) -> None:
        try:
            data = self._socket.recv(_READ_BYTES)
        except BlockingIOError:
            return
        except OSError as error:
            self._lose(f"cut: {error}")
            return
        now_ns = self._clock_ns()
        exchange = self._exchange
        if exchange is None:  # the end of a free connection, or bytes that nothing asked for
            self._lose("closed while free")
            return
        try:
            complete = self._reply.feed(data) if data else self._reply.end_of_stream()
        except ReplyError as error:
            self._lose(str(error))
            return
        if complete:
            self._answered(exchange, now_ns)
        elif not data:
            self._lose("closed before the whole reply")

    def _answered(self, exchange: Exchange, now_ns: int) -> None:
        reply = self._reply
        status, body_length = reply.status, reply.body_length
        reusable = reply.reusable and self._unsent is None
        self._exchange = None
        exchange.connection = None
        exchange.listener.answered(exchange, status, body_length, now_ns)
        self.answers += 1
        if reusable:
            reply.reset()
            self._be_idle(now_ns)
        else:
            self.close()

    def _lose(self, reason: str) -> None:
        exchange, self._exchange = self._exchange, None
        self.turned_away = self.answers == 0
        self.close()
        if exchange is not None:
            exchange.connection = None
            exchange.listener.unanswered(exchange, reason)

    def _be_idle(self, now_ns: int) -> None:
        self.idle_since_ns = now_ns
        self._owner.idle(self)

    def _stop_writing(self) -> None:
        if self._writing is not None:
            self._writing.close()
            self._writing = None
