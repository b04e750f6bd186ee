"""The replies on one connection, parsed as their bytes come in (HTTP/1.1, RFC 9112)."""

from __future__ import annotations

import httptools


class ReplyError(Exception):
    """What came is not an HTTP reply."""


class ReplyParser:
    """One reply at a time; `reset` before the next on the same connection.

    A reply is whole after its length, its last chunk or, where it declares neither, the end of the stream.
    """

    def __init__(self) -> None:
        self._parser: httptools.HttpResponseParser | None = httptools.HttpResponseParser(self)
        self.reset()

    def reset(self) -> None:
        self.status = 0
        self.body_length = 0
        self.complete = False
        self.reusable = False
        self._head_complete = False
        self._delimited = False

    def feed(self, data: bytes) -> bool:
        """Take the next bytes; true once the reply is whole. Raises ReplyError where they are not an HTTP reply."""
        assert self._parser is not None
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            if not self.complete:
                raise ReplyError(f"not an HTTP reply: {error}") from error
            self.reusable = False  # the reply was whole; what came after it was not one
        return self.complete

    def end_of_stream(self) -> bool:
        """The other side sends no more; true if that makes the reply whole."""
        self.reusable = False
        if self._head_complete and not self._delimited:
            self.complete = True
        return self.complete

    def release(self) -> None:
        """Release the parser, which refers back here: the garbage collector is off under load."""
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
