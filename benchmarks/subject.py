"""What the harness knows of the two sides: their tables, asked here and nowhere else.

Each question imports what it needs when it is asked: a broker's client takes longer to import than `bench list` may.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from event_impl.brokers.port import Capabilities
    from registration.own_process import OwnProcess


def capabilities(kind: str) -> Capabilities:
    """What a kind of broker can do, as its client says. Raises KeyError."""
    from event_impl.brokers import CLIENTS

    return CLIENTS[kind].capabilities


def own_processes(base: str) -> Sequence[OwnProcess]:
    """The processes that a variant declares beside the API and the services. Raises KeyError."""
    from event_impl import variants as events
    from sync_impl import variants as calls

    variant = {**calls.VARIANTS, **events.VARIANTS}[base]
    return getattr(variant, "processes", ())
