"""What the harness knows of the two sides: their tables. It starts the sides by name, as processes, and no more.

sync_impl.variants, event_impl.variants → VARIANTS
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from event_impl import variants as event_variants
from registration.variant import Declared
from sync_impl import variants as sync_variants


@dataclass(frozen=True)
class Listed:
    """A variant and the package that implements it."""

    side: str
    declared: Declared[Any]

    @property
    def uses_broker(self) -> bool:
        return self.side == "event_impl"

    @property
    def topics(self) -> tuple[str, ...]:
        """Topics of each service's own that this variant needs."""
        return tuple(getattr(self.declared, "topics", ()))


# Every variant by its name, the direct side's first.
VARIANTS: Mapping[str, Listed] = {
    **{name: Listed("sync_impl", variant) for name, variant in sync_variants.VARIANTS.items()},
    **{name: Listed("event_impl", variant) for name, variant in event_variants.VARIANTS.items()},
}
