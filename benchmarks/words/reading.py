"""A stored summary, read with types: one place that knows where `summary.json` keeps each figure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from benchmarks.analysis.statistics import SURVIVORSHIP_LIMIT

Json = Mapping[str, object]


@dataclass(frozen=True)
class Reading:
    """The summary of one run; a figure that does not exist reads as None, wherever the gap is."""

    document: Json

    @property
    def variants(self) -> tuple[str, ...]:
        return tuple(self.section("variants"))

    @property
    def valid(self) -> bool:
        return self.document.get("valid") is not False

    @property
    def invalid_reasons(self) -> tuple[str, ...]:
        return tuple(str(reason) for reason in self.items("invalid_reasons"))

    def section(self, *path: str) -> Json:
        """The object at `path`; empty where there is none."""
        found = self._at(path)
        return cast("Json", found) if isinstance(found, Mapping) else {}

    def items(self, *path: str) -> tuple[object, ...]:
        """The list at `path`; empty where there is none."""
        found = self._at(path)
        return tuple(found) if isinstance(found, list | tuple) else ()

    def records(self, *path: str) -> tuple[Json, ...]:
        """The list of objects at `path`."""
        return tuple(cast("Json", item) for item in self.items(*path) if isinstance(item, Mapping))

    def number(self, *path: str) -> float | None:
        found = self._at(path)
        return None if found is None or isinstance(found, bool | str | Mapping | list) else float(cast("float", found))

    def text(self, *path: str) -> str | None:
        found = self._at(path)
        return None if found is None else str(found)

    def figure(self, variant: str, *path: str, window: str | None = None) -> float | None:
        """A variant's figure, over the whole run or in one window (`before`, `during`, `after`)."""
        return self.number("variants", variant, *(("windows", window) if window else ()), *path)

    def has_window(self, window: str) -> bool:
        return any(self.section("variants", variant, "windows", window) for variant in self.variants)

    def blocks(self) -> int:
        """How many trials the variant with the most of them has."""
        return max((len(self.items("variants", variant, "trials")) for variant in self.variants), default=0)

    def survivorship(self, variants: tuple[str, ...], window: str | None = None) -> bool:
        """Whether the shares of acked arrivals differ by more than a point, so that latencies do not compare."""
        ratios = [ratio for name in variants if (ratio := self.figure(name, "accept_ratio", window=window)) is not None]
        return bool(ratios) and max(ratios) - min(ratios) > SURVIVORSHIP_LIMIT

    def _at(self, path: tuple[str, ...]) -> object:
        found: object = self.document
        for key in path:
            if not isinstance(found, Mapping):
                return None
            found = found.get(key)
        return found
