"""The variants of this side, one file each: in which order, and how patiently, the services are called."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence

from registration.registration import Registration
from sync_impl.variants import sync, sync_concurrent

Call = Callable[[str, Registration], Awaitable[None]]
Announce = Callable[[Call, Sequence[str], Registration], Awaitable[None]]

VARIANTS: Mapping[str, Announce] = {
    "sync": sync.announce,
    "sync-concurrent": sync_concurrent.announce,
}
