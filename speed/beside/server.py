"""The server that every generator is measured against: answers 201 after a fixed time and remembers when requests came.

    python server.py DELAY_MS STAMPS_FILE

Prints its port, then `first` when the first POST is whole. `GET` is answered at once and not counted. At the end of
standard input it writes the receive times (CLOCK_MONOTONIC ns, int64) and ends. It parses no more than the length of a
body, so that one core of it carries more than the generators ask for (wrk excepted). Linux only (epoll, timerfd).
"""

from __future__ import annotations

import ctypes
import gc
import os
import resource
import select
import socket
import struct
import sys
import time
from array import array
from collections import deque
from pathlib import Path

REPLY = b"HTTP/1.1 201 Created\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok"
READY = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"

_READ_BYTES = 65_536
_WAITING = 4_096
"""Connections that may wait to be accepted: those that are opened while the server is frozen."""

_CLOCK_MONOTONIC = 1
_TFD_TIMER_ABSTIME = 1
_SPEC = struct.Struct("llll")


class Alarm:
    """A kernel timer as a file descriptor: epoll's own timeouts are whole milliseconds."""

    def __init__(self) -> None:
        self._libc = ctypes.CDLL(None)
        self.fd: int = self._libc.timerfd_create(_CLOCK_MONOTONIC, os.O_NONBLOCK | os.O_CLOEXEC)

    def set(self, at_ns: int) -> None:
        spec = _SPEC.pack(0, 0, at_ns // 1_000_000_000, at_ns % 1_000_000_000)
        self._libc.timerfd_settime(self.fd, _TFD_TIMER_ABSTIME, spec, None)

    def clear(self) -> None:
        os.read(self.fd, 8)


class Server:
    """One epoll loop. Replies are due in the order of the requests, since all take the same time."""

    def __init__(self, delay_ns: int) -> None:
        self.stamps = array("q")
        self._delay_ns = delay_ns
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=_WAITING)
        self._listener.setblocking(False)
        self.port: int = self._listener.getsockname()[1]
        self._connections: dict[int, socket.socket] = {}
        self._halves: dict[int, bytes] = {}
        self._due: deque[tuple[int, socket.socket]] = deque()
        self._alarm = Alarm()
        self._epoll = select.epoll()
        for fd in (self._listener.fileno(), self._alarm.fd, 0):
            self._epoll.register(fd, select.EPOLLIN)

    def serve(self) -> None:
        """Until the end of standard input."""
        listener, alarm = self._listener.fileno(), self._alarm.fd
        while True:
            for fd, _events in self._epoll.poll():
                connection = self._connections.get(fd)
                if connection is not None:
                    self._read(fd, connection)
                elif fd == alarm:
                    self._answer_due()
                elif fd == listener:
                    self._accept()
                elif not os.read(0, _READ_BYTES):
                    return

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except BlockingIOError:
                return
            connection.setblocking(False)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._connections[connection.fileno()] = connection
            self._epoll.register(connection.fileno(), select.EPOLLIN)

    def _read(self, fd: int, connection: socket.socket) -> None:
        try:
            data = connection.recv(_READ_BYTES)
        except OSError:
            data = b""
        if not data:
            del self._connections[fd]
            self._halves.pop(fd, None)
            connection.close()
            return
        if self._halves:
            data = self._halves.pop(fd, b"") + data
        if not is_whole(data):
            self._halves[fd] = data
            return
        if not data.startswith(b"POST"):
            _send(connection, READY)
            return
        now_ns = time.monotonic_ns()
        self.stamps.append(now_ns)
        if len(self.stamps) == 1:
            os.write(1, b"first\n")
        if self._delay_ns == 0:
            _send(connection, REPLY)
            return
        self._due.append((now_ns + self._delay_ns, connection))
        if len(self._due) == 1:
            self._alarm.set(self._due[0][0])

    def _answer_due(self) -> None:
        self._alarm.clear()
        while self._due and self._due[0][0] <= time.monotonic_ns():
            _send(self._due.popleft()[1], REPLY)
        if self._due:
            self._alarm.set(self._due[0][0])


def is_whole(data: bytes) -> bool:
    """Whether `data`, one request without pipelining, has its body."""
    end = data.find(b"\r\n\r\n")
    if end < 0:
        return False
    at = data.find(b"ontent-", 0, end)
    while at >= 0:
        if data[at + 7 : at + 14].lower() == b"length:":
            return len(data) - end - 4 >= int(data[at + 14 : data.find(b"\r\n", at)])
        at = data.find(b"ontent-", at + 7, end)
    return True


def _send(connection: socket.socket, reply: bytes) -> None:
    """A reply fits the socket's buffer; who has gone gets none."""
    try:
        connection.send(reply)
    except OSError:
        return


def main() -> None:
    delay_ms, path = float(sys.argv[1]), Path(sys.argv[2])
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    gc.disable()  # nothing here has cycles, and a collection would look like a late request
    server = Server(round(delay_ms * 1e6))
    os.write(1, f"{server.port}\n".encode())
    server.serve()
    path.write_bytes(server.stamps.tobytes())


if __name__ == "__main__":
    main()
