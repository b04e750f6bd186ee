"""The variants of this side, one file each: what a publish waits for, and what a consumer does with failing work."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from event_impl.variants.events import EVENTS
from event_impl.variants.variant import Variant

VARIANTS: Mapping[str, Variant[Any]] = {variant.name: variant for variant in (EVENTS,)}

__all__ = ["VARIANTS", "Variant"]
