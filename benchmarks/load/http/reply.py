"""The replies on one connection, parsed as their bytes come in (HTTP/1.1, RFC 9112)."""

from __future__ import annotations

import httptools

_HEAD_END = b"\r\n\r\n"


class ReplyError(Exception):
    """What came is not an HTTP reply."""


class ReplyParser:
    """One reply at a time; `reset` before the next on the same connection.

    A reply is whole after its length, its last chunk or, where it declares neither, the end of the stream.

    A server says the same over and over. So a reply that comes in one piece, begins with the very head (status line and
    headers) of one that the parser has read on this connection, and has its length to the byte, is what that one was:
    nothing in a body of known length is up to the parser. All others are parsed.
    """

    def __init__(self) -> None:
        self._parser: httptools.HttpResponseParser | None = httptools.HttpResponseParser(self)
        self._known_head = b""
        self._known_bytes = -1  # head and body; -1: none known
        self._known_status = 0
        self.reset()

    def reset(self) -> None:
        self.status = 0
        self.body_length = 0
        self.complete = False
        self.reusable = False
        self._begun = False
        self._head_complete = False
        self._delimited = False

    def feed(self, data: bytes) -> bool:
        """Take the next bytes; true once the reply is whole. Raises ReplyError where they are no HTTP reply."""
        if self._begun:
            return self._parse(data)
        self._begun = True
        if len(data) == self._known_bytes and data.startswith(self._known_head):
            self.status = self._known_status
            self.body_length = self._known_bytes - len(self._known_head)
            self.complete = self.reusable = True
            return True
        complete = self._parse(data)
        if complete and self.reusable:
            self._remember(data)
        return complete

    def _parse(self, data: bytes) -> bool:
        assert self._parser is not None
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            if not self.complete:
                raise ReplyError(f"not an HTTP reply: {error}") from error
            self.reusable = False  # the reply was whole; what came after it was not one
        return self.complete

    def _remember(self, data: bytes) -> None:
        """Know this whole reply again, unless it came in chunks: those have to be read each time."""
        head = data[: len(data) - self.body_length]
        # Only where the first empty line ends it: then what follows is the body as it came, and nothing else.
        if data.find(_HEAD_END) + len(_HEAD_END) == len(head):
            self._known_head, self._known_bytes, self._known_status = head, len(data), self.status

    def end_of_stream(self) -> bool:
        """The other side sends no more; true if that makes the reply whole."""
        self.reusable = False
        if self._head_complete and not self._delimited:
            self.complete = True
        return self.complete

    def release(self) -> None:
        """Let go of the parser, which refers back here: the collector is off under load."""
        self._parser = None

    # What httptools calls, in order.

    def on_message_begin(self) -> None:
        if self.complete:  # a second reply to one request
            self.reusable = False

    def on_header(self, name: bytes, _value: bytes) -> None:
        if not self.complete and name.lower() in (b"content-length", b"transfer-encoding"):
            self._delimited = True

    def on_headers_complete(self) -> None:
        if not self.complete and self._parser is not None:
            self.status = self._parser.get_status_code()
            self._head_complete = self.status >= 200

    def on_body(self, body: bytes) -> None:
        if not self.complete:
            self.body_length += len(body)

    def on_message_complete(self) -> None:
        if self.complete or self._parser is None:
            return
        if self.status < 200:  # an interim reply (100 Continue, 103 Early Hints): the real one follows
            self._delimited = False
            return
        self.complete = True
        self.reusable = self._parser.should_keep_alive()
