"""What the harness knows of the two sides: their tables, asked here and nowhere else.

It starts the sides by name, as processes, and no more. A broker's client is imported when its kind is asked about: that
takes longer than `bench list` may.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from event_impl import variants as event_variants
from event_impl.brokers.port import Subscription
from registration.variant import Declared, OwnProcess
from sync_impl import variants as sync_variants

if TYPE_CHECKING:
    from event_impl.brokers.port import Capabilities


@dataclass(frozen=True)
class Listed:
    """A variant and the package that implements it."""

    side: str
    declared: Declared[Any, Any]

    @property
    def uses_broker(self) -> bool:
        return self.side == "event_impl"

    @property
    def processes(self) -> Sequence[OwnProcess[Any]]:
        """Those that only this variant has."""
        return self.declared.processes

    @property
    def topics(self) -> tuple[str, ...]:
        """Topics of each service's own, beside the one that all subscribe to."""
        return tuple(getattr(self.declared, "topics", ()))

    @property
    def heard_topics(self) -> tuple[str, ...]:
        """Those of them that the service consumes."""
        return tuple(getattr(self.declared, "heard_topics", ()))

    @property
    def dead_letters(self) -> tuple[str, ...]:
        """Those of them in which a service puts aside what it cannot do."""
        return tuple(getattr(self.declared, "dead_letters", ()))

    def lacks(self, kind: str) -> list[str]:
        """The capabilities that it needs of a broker and that a kind does not have."""
        return [name for name in getattr(self.declared, "needs", ()) if not getattr(capabilities(kind), name)]


# Every variant by its name, the direct side's first.
VARIANTS: Mapping[str, Listed] = {
    **{name: Listed("sync_impl", variant) for name, variant in sync_variants.VARIANTS.items()},
    **{name: Listed("event_impl", variant) for name, variant in event_variants.VARIANTS.items()},
}


# How long a consumer may be silent before its group goes on without it, unless a variant's subscription says otherwise.
SESSION_S = Subscription.session_timeout_s


def capabilities(kind: str) -> Capabilities:
    """What a kind of broker can do, as its client says. Raises KeyError."""
    from event_impl.brokers import client_of

    return client_of(kind).capabilities
