"""A process that a variant declares beside the API and the services, such as the relay of an outbox."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class OwnProcess:
    """It runs `role` of its side's processes, and can be hit by a fault under its name.

    after: names of further processes that are ready before it is told its role; broker and topics always are.
    drains: it answers `idle` with how much it has in hand. tells_pending: it answers `pending` with the registrations
    that it holds, by service, for the services that the question names.
    """

    name: str
    role: str
    after: tuple[str, ...] = ()
    drains: bool = True
    tells_pending: bool = False
