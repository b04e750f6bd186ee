"""The conversation with the harness: JSON lines in on standard input and out on standard output."""

from __future__ import annotations

import json
import os
import select
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # the module brings asyncio and more, which this process does without
    from registration.runtime.harness import ControlMessage

_READ_BYTES = 65_536


class LineBuffer:
    """Whole lines out of pieces."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> Iterator[bytes]:
        *lines, self._rest = (self._rest + data).split(b"\n")
        yield from (line for line in lines if line.strip())


class Parent:
    """The harness at the other end of two pipes.

    `wait_readable` waits until a descriptor can be read without holding up the event loop.
    """

    def __init__(self, input_fd: int, output_fd: int, wait_readable: Callable[[int], None]) -> None:
        self._input_fd = input_fd
        self._output_fd = output_fd
        self._wait_readable = wait_readable

    def messages(self) -> Iterator[object]:
        """Each message as it comes, until the end of input. Raises ValueError where a line is not JSON."""
        lines = LineBuffer()
        while True:
            self._wait_readable(self._input_fd)
            data = os.read(self._input_fd, _READ_BYTES)
            if not data:
                return
            for line in lines.feed(data):
                yield json.loads(line)

    def say(self, message: ControlMessage) -> None:
        """Send a message. Raises OSError where nothing reads any more."""
        data = json.dumps(message).encode() + b"\n"
        while data:
            data = data[os.write(self._output_fd, data) :]

    def mention(self, message: ControlMessage) -> None:
        """Send a message if that needs no waiting, else drop it: for news that is soon old."""
        if select.select([], [self._output_fd], [], 0)[1]:
            self.say(message)
