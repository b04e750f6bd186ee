"""`bench variants`: every variant with its sentence, promises and options, as the sides' tables declare them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.scenario.variant import default_options, spelled
from benchmarks.subject import VARIANTS, Listed
from registration.options import options_of

if TYPE_CHECKING:
    from rich.console import Console


def as_dicts() -> list[dict[str, object]]:
    """For machines: one entry per variant, options with their defaults in the spelling of a scenario file."""
    return [_as_dict(name, listed) for name, listed in VARIANTS.items()]


def show(console: Console) -> None:
    """For people."""
    for name, listed in VARIANTS.items():
        declared = listed.declared
        console.print(f"[bold]{name}[/bold]  {declared.sentence}", highlight=False)
        for promise in sorted(declared.promises, key=lambda promise: promise.name):
            console.print(f"    promises: {promise.value}", highlight=False)
        for process in declared.processes:
            console.print(f"    has a process of its own: {process.name}", highlight=False)
        known = options_of(declared.options)
        for option, default in default_options(known).items():
            console.print(f"    {option}: {spelled(default)}  {known[option].says}", highlight=False, markup=False)


def _as_dict(name: str, listed: Listed) -> dict[str, object]:
    declared = listed.declared
    known = options_of(declared.options)
    return {
        "name": name,
        "side": listed.side,
        "sentence": declared.sentence,
        "promises": sorted(promise.name.lower() for promise in declared.promises),
        "processes": [process.name for process in declared.processes],
        "options": {
            option: {"default": default, "kind": known[option].kind, "says": known[option].says}
            for option, default in default_options(known).items()
        },
    }
