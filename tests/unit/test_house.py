"""The house: no import circle between files, no function that takes more than a screen, types instead of casts."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

TREE = Path(__file__).resolve().parents[2]
PACKAGES = ("benchmarks", "event_impl", "registration", "sync_impl", "virtual")
LONGEST_FUNCTION = 60
# In the packages that are measured; what is left stands where a library has no types, or a table holds many.
MOST_UNTYPED = 12


def files() -> dict[str, Path]:
    """Every module of the tree by its name; a package goes by its `__init__`."""
    paths = [TREE / "cli.py", *(path for package in PACKAGES for path in (TREE / package).rglob("*.py"))]
    return {".".join(path.relative_to(TREE).with_suffix("").parts).removesuffix(".__init__"): path for path in paths}


def imports(path: Path, known: dict[str, Path]) -> Iterator[str]:
    """The modules of the tree that a file imports, wherever in it: at the top, in a function, for types alone."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in known)
        elif isinstance(node, ast.ImportFrom) and node.module in known:
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                yield full if full in known else node.module


def circle(graph: dict[str, set[str]]) -> list[str]:
    """What is left when all that imports nothing of the rest is taken away, again and again: empty without a circle."""
    left = dict(graph)
    while free := [name for name, wants in left.items() if not wants & (left.keys() - {name})]:
        for name in free:
            del left[name]
    return sorted(left)


def test_no_two_files_import_each_other_by_whatever_way() -> None:
    known = files()
    assert circle({name: set(imports(path, known)) for name, path in known.items()}) == []


def test_a_circle_would_be_seen() -> None:
    assert circle({"a": {"b"}, "b": {"c"}, "c": {"a", "d"}, "d": set()}) == ["a", "b", "c"]


def test_a_function_fits_on_a_screen() -> None:
    long = [
        f"{name}.{node.name}: {length} lines"
        for name, path in files().items()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (length := (node.end_lineno or 0) - node.lineno + 1) > LONGEST_FUNCTION
    ]
    assert long == []


def test_what_is_measured_is_typed() -> None:
    untyped = [
        f"{path.relative_to(TREE)}: {found.group()}"
        for package in ("registration", "sync_impl", "event_impl")
        for path in sorted((TREE / package).rglob("*.py"))
        for found in re.finditer(r"cast\(|type: ignore|\bAny\b", path.read_text(encoding="utf-8"))
    ]
    assert len(untyped) <= MOST_UNTYPED, "\n".join(untyped)
