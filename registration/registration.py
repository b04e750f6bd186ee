"""The registration: who signed up, as the person sent it and as every service gets it."""

from __future__ import annotations

import hashlib
import json
import uuid
from dataclasses import dataclass

from registration import luck

_NOT_ONE = "the registration is not an object of strings"


@dataclass(frozen=True)
class Registration:
    """One person's sign-up. `registration_id` names the request, `user_id` the person."""

    registration_id: uuid.UUID
    user_id: uuid.UUID
    email: str
    traceparent: str = ""

    def as_dict(self) -> dict[str, str]:
        return {
            "registration_id": str(self.registration_id),
            "user_id": str(self.user_id),
            "email": self.email,
        }

    @classmethod
    def from_json(cls, body: bytes, traceparent: str = "") -> Registration:
        """Read what `body_of` wrote. Raises ValueError that says what is missing or malformed."""
        return cls.of(json.loads(body), traceparent)

    @classmethod
    def of(cls, data: object, traceparent: str = "") -> Registration:
        """From the values of `as_dict`, and maybe others. Raises ValueError like `from_json`."""
        if not isinstance(data, dict):
            raise ValueError(_NOT_ONE)  # noqa: TRY004 - what came over a wire is a wrong value, not a wrong call
        try:
            registration_id, user_id, email = data["registration_id"], data["user_id"], data["email"]
            if not isinstance(email, str) or "@" not in email:
                raise ValueError(f"email is not an address: {email!r}")
            return cls(uuid.UUID(registration_id), uuid.UUID(user_id), email, traceparent)
        except KeyError as error:
            raise ValueError(f"the registration has no {error.args[0]}") from error
        except (TypeError, AttributeError) as error:
            raise ValueError(_NOT_ONE) from error


def body_of(registration: Registration) -> bytes:
    """The JSON body of `POST /registrations` and of each service call."""
    return json.dumps(registration.as_dict(), separators=(",", ":")).encode()


def probe(number: int) -> Registration:
    """Nobody: a registration that proves a path. Services report that they heard it, and do nothing."""
    id_ = luck.probe_id(number)
    return Registration(id_, id_, "probe@example.com")


def user_id(block_seed: int, key: int) -> uuid.UUID:
    """The person behind key `key`: with unique keys, the index of the arrival."""
    return uuid.uuid5(uuid.UUID(int=block_seed), f"user/{key}")


def traceparent_of(registration_id: uuid.UUID) -> str:
    """A W3C Trace Context header, version 00, sampled, whose trace id is the registration's id."""
    span = hashlib.blake2b(registration_id.bytes, digest_size=8).hexdigest()
    return f"00-{registration_id.hex}-{span}-01"
