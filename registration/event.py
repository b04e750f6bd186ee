"""The event `user-registered`: versioned JSON, keyed by the user's id, with CloudEvents headers.

The headers are the Kafka protocol binding of CloudEvents 1.0 in binary content mode, and a W3C `traceparent`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from registration.registration import Registration

TYPE = "user-registered"
SCHEMA_VERSION = 1
SOURCE = "/registration-api"


@dataclass(frozen=True)
class UserRegistered:
    """Somebody registered. What happens next is not the publisher's business."""

    registration: Registration

    def key(self) -> bytes:
        """The user's id: events of one user keep their order."""
        return self.registration.user_id.bytes

    def value(self) -> bytes:
        body = {"version": SCHEMA_VERSION, **self.registration.as_dict()}
        return json.dumps(body, separators=(",", ":")).encode()

    def headers(self) -> list[tuple[str, bytes]]:
        registration = self.registration
        return [
            ("ce_specversion", b"1.0"),
            ("ce_id", str(registration.registration_id).encode()),
            ("ce_type", TYPE.encode()),
            ("ce_source", SOURCE.encode()),
            ("content-type", b"application/json"),
            ("traceparent", registration.traceparent.encode()),
        ]


def parse(value: bytes, headers: Sequence[tuple[str, bytes]]) -> UserRegistered:
    """The event in a message. Raises ValueError where it is not one that this version can read."""
    fields: Mapping[str, bytes] = dict(headers)
    if fields.get("ce_type", TYPE.encode()) != TYPE.encode():
        raise ValueError(f"not a {TYPE} event: {fields['ce_type']!r}")
    traceparent = fields.get("traceparent", b"").decode("ascii", "replace")
    data = json.loads(value)
    event = UserRegistered(Registration.of(data, traceparent))
    version = data.get("version")
    if version != SCHEMA_VERSION:
        raise ValueError(f"{TYPE} version {version!r}; this consumer reads version {SCHEMA_VERSION}")
    return event
