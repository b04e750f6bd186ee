"""What every variant declares, on either side: its name, its options, its promises and processes of its own."""

from __future__ import annotations

import enum
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import msgspec

if TYPE_CHECKING:
    from registration.runtime.process import Runtime
    from registration.settings import Settings

Options = TypeVar("Options")
Wiring = TypeVar("Wiring", bound="Settings")
Listed = TypeVar("Listed", bound="Declared[Any, Any]")


class Promise(enum.Enum):
    """What a variant promises, whatever happens to its processes; declared here, and tested on the virtual clock."""

    NOT_LOST = "what was acknowledged is completed, or known to wait"
    NOT_STRANDED = "what was stored is completed, or known to wait, whatever the person was told"
    ONCE = "no effect is applied twice"


@dataclass(frozen=True)
class OwnProcess(Generic[Wiring]):
    """A process that only this variant has, such as a relay: one per trial, and a fault may hit it by its name.

    run: its role, given the side's `OwnWiring`.
    after: names of further processes that are ready before it is given its role; broker and topics always are.
    drains: it answers `idle` with how much it still has to do. reports_pending: it answers `pending` with the
    registrations that it holds, by service, for the services that the question names.
    """

    name: str
    run: Callable[[Wiring, Runtime], Awaitable[None]]
    after: tuple[str, ...] = ()
    drains: bool = True
    reports_pending: bool = False

    def role(self, variant: str) -> str:
        """Its role, which differs from that of another variant's process of the same name."""
        return f"{variant}:{self.name}"


@dataclass(frozen=True)
class Declared(Generic[Options, Wiring]):
    """The part of a variant that both sides share. `options` is a frozen dataclass of `registration.options` fields.

    delay_may_help: a late step can make the outcome better, as where a breaker opens; so what was measured on a busy
    machine bounds nothing.
    """

    name: str
    sentence: str
    options: type[Options]
    promises: frozenset[Promise]
    processes: tuple[OwnProcess[Wiring], ...] = field(default=(), kw_only=True)
    delay_may_help: bool = field(default=False, kw_only=True)


def chosen(variants: Mapping[str, Listed], settings: Settings) -> tuple[Listed, Any]:
    """The variant that a process's settings name, with the options in them. Raises KeyError."""
    variant = variants[settings.variant]
    return variant, msgspec.convert(settings.options, variant.options)
