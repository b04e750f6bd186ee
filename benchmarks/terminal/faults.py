"""Prints the kinds of faults: what each does, whom it can hit, and its keys."""

from __future__ import annotations

import json
from collections.abc import Mapping

from rich.console import Console
from rich.table import Table

from benchmarks.faults import KINDS, FaultKind
from benchmarks.faults.fault import Key


def print_faults(console: Console, *, as_json: bool) -> None:
    """The table of `benchmarks.faults`, for people or as JSON on standard output."""
    if as_json:
        print(json.dumps({word: _as_dict(kind) for word, kind in KINDS.items()}, indent=2))
        return
    table = Table(box=None, padding=(0, 2, 1, 0), header_style="dim")
    for heading in ("type", "what it does", "what it can hit", "needs", "may have"):
        table.add_column(heading)
    for word, kind in KINDS.items():
        needs = [key.name for key in kind.described_keys() if key.required]
        may_have = [_with_default(key) for key in kind.described_keys() if not key.required]
        table.add_row(word, kind.sentence, kind.targets, ", ".join(needs), ", ".join(may_have))
    console.print(table, markup=False, highlight=False)


def _as_dict(kind: type[FaultKind]) -> Mapping[str, object]:
    return {
        "sentence": kind.sentence,
        "targets": kind.targets,
        "lasts": kind.lasts,
        "meanwhile": kind.effect.value,
        "keys": {
            key.name: {"description": key.description, "required": key.required, "default": key.default}
            for key in kind.described_keys()
        },
        "example": kind.example(),
    }


def _with_default(key: Key) -> str:
    """`jitter 0ms`, `probability 1`, or the name alone of one whose default is the rest of the file's affair."""
    if key.default is None:
        return key.name
    return f"{key.name} {key.default:g}" if isinstance(key.default, float) else f"{key.name} {key.default}"
