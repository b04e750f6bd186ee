"""The event as a message: what goes into a log, whatever publishes it."""

from __future__ import annotations

from collections.abc import Mapping

from event_impl.brokers.port import Message
from registration.event import UserRegistered


def message_of(happened: UserRegistered, headers: Mapping[str, str] | None = None) -> Message:
    """The message of an event; `headers` go behind its own."""
    more = [(name, value.encode()) for name, value in (headers or {}).items()]
    return Message(happened.key(), happened.value(), [*happened.headers(), *more])
