"""Finds scenarios by name: first in `./scenarios/`, then among the ones that come with the program."""

from __future__ import annotations

import os
from pathlib import Path

from benchmarks.values.problems import UnknownScenarioError, choice_hint

_SUFFIXES = (".yaml", ".yml")
BUNDLED = Path(__file__).resolve().parents[2] / "scenarios"


def find(name_or_path: str, working_directory: Path | None = None) -> Path:
    """The file of a scenario. A name with a separator or `.yaml` is a path, and returned as it is if it exists.

    Raises UnknownScenarioError that names the nearest scenario.
    """
    here = working_directory or Path()
    if _is_path(name_or_path):
        path = here / name_or_path
        if not path.exists():
            raise UnknownScenarioError(f"there is no file {name_or_path!r}; 'bench list' shows the scenarios by name")
        return path
    known = dict(list_scenarios(here))
    if name_or_path not in known:
        if not known:
            raise UnknownScenarioError(f"{name_or_path!r} is no scenario, and there are none in ./scenarios/")
        raise UnknownScenarioError(f"{name_or_path!r} is no scenario; {choice_hint(name_or_path, known)}")
    return known[name_or_path]


def list_scenarios(working_directory: Path | None = None) -> list[tuple[str, Path]]:
    """Name and file of every scenario, by name. One in `./scenarios/` hides the bundled one of the same name."""
    found: dict[str, Path] = {}
    for directory in (BUNDLED, (working_directory or Path()) / "scenarios"):
        if directory.is_dir():
            found |= {path.stem: path for path in sorted(directory.iterdir()) if path.suffix == _SUFFIXES[0]}
    return sorted(found.items())


def _is_path(text: str) -> bool:
    separators = {"/", os.sep, os.altsep or "/"}
    return text.endswith(_SUFFIXES) or any(separator in text for separator in separators)
