"""A stored calibration, read with types: its parts differ from machine to machine, and any of them may be missing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from benchmarks.values.json_object import Json


@dataclass(frozen=True)
class Reading:
    """A figure that does not exist reads as None, wherever the gap is."""

    document: Json

    def section(self, *path: str) -> Json:
        """The object at `path`; empty where there is none."""
        found = self._at(path)
        return cast("Json", found) if isinstance(found, Mapping) else {}

    def items(self, *path: str) -> tuple[object, ...]:
        """The list at `path`; empty where there is none."""
        found = self._at(path)
        return tuple(found) if isinstance(found, list | tuple) else ()

    def number(self, *path: str) -> float | None:
        found = self._at(path)
        return None if found is None or isinstance(found, bool | str | Mapping | list) else float(cast("float", found))

    def text(self, *path: str) -> str | None:
        found = self._at(path)
        return None if found is None else str(found)

    def _at(self, path: tuple[str, ...]) -> object:
        found: object = self.document
        for key in path:
            if not isinstance(found, Mapping):
                return None
            found = found.get(key)
        return found
