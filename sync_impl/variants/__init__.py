"""The variants of this side, one file each: in which order, and how patiently, the services are called."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sync_impl.variants.sync import SYNC
from sync_impl.variants.sync_concurrent import SYNC_CONCURRENT
from sync_impl.variants.variant import Variant

VARIANTS: Mapping[str, Variant[Any]] = {
    variant.name: variant
    for variant in (
        SYNC,
        SYNC_CONCURRENT,
    )
}

__all__ = ["VARIANTS", "Variant"]
