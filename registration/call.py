"""A call of the API or of a service, and its reply: what crosses the wire, and the headers that carry it.

registration   JSON body, `traceparent`
attempt        `attempt`: the callee judges the attempt that the caller names, so that a retry meets luck of its own
deadline       `deadline-ns`: an instant of CLOCK_MONOTONIC, which is one clock for all processes of a host
idempotency    `idempotency-key` (IETF draft "The Idempotency-Key HTTP Header Field")
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from registration.registration import Registration, body_of

PATHS = {"api": "/registrations", "service": "/work"}


@dataclass(frozen=True)
class Call:
    """One request. `attempt` counts from 1; `deadline_ns` is when its caller gives up, None where it does not say."""

    registration: Registration
    attempt: int = 1
    deadline_ns: int | None = None
    idempotency_key: str = ""

    def headers(self) -> dict[str, str]:
        headers = {"content-type": "application/json", "traceparent": self.registration.traceparent}
        if self.attempt != 1:
            headers["attempt"] = str(self.attempt)
        if self.deadline_ns is not None:
            headers["deadline-ns"] = str(self.deadline_ns)
        if self.idempotency_key:
            headers["idempotency-key"] = self.idempotency_key
        return headers

    def body(self) -> bytes:
        return body_of(self.registration)

    @classmethod
    def read(cls, body: bytes, headers: Mapping[str, str]) -> Call:
        """The inverse of `body` and `headers`. Raises ValueError that says what is missing or malformed."""
        registration = Registration.from_json(body, headers.get("traceparent", ""))
        attempt = _whole(headers, "attempt")
        if attempt is not None and attempt < 1:
            raise ValueError("attempts count from 1")
        return cls(
            registration,
            1 if attempt is None else attempt,
            _whole(headers, "deadline-ns"),
            headers.get("idempotency-key", ""),
        )


class Reply(NamedTuple):
    """How a call was answered; `status` is an HTTP status."""

    status: int
    body: bytes = b""


# The callee's part. `entered_ns`: when its handler was entered, by its own clock.
Answer = Callable[[Call, int], Coroutine[object, None, Reply]]


def _whole(headers: Mapping[str, str], name: str) -> int | None:
    text = headers.get(name)
    if text is None:
        return None
    if not (text.isascii() and text.isdecimal()):
        raise ValueError(f"the header {name} is not a whole number: {text!r}")
    return int(text)
