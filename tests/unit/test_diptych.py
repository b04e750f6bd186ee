"""The two sides show the same files, with the same public names in the same order, so that a diff shows the idea."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

TREE = Path(__file__).resolve().parents[2]
SYNC, EVENTS = TREE / "sync_impl", TREE / "event_impl"
# What hangs below is where the sides differ: the ways to wire, and the clients of brokers.
FILES = sorted(path.name for path in SYNC.glob("*.py"))


def public_names(path: Path) -> list[str]:
    """Public names that a file defines, in order; members as `Class.member`, with whether they are async."""
    return list(_names(ast.parse(path.read_text(encoding="utf-8")).body, ""))


def _names(body: list[ast.stmt], prefix: str) -> Iterator[str]:
    for node in body:
        match node:
            case ast.FunctionDef(name=name):
                found = [name]
            case ast.AsyncFunctionDef(name=name):
                found = [name]
            case ast.ClassDef(name=name):
                found = [name]
            case ast.Assign(targets=targets):
                found = [target.id for target in targets if isinstance(target, ast.Name)]
            # A class's fields, such as those of the wiring, are where the sides differ.
            case ast.AnnAssign(target=ast.Name(id=name)) if not prefix:
                found = [name]
            case _:
                found = []
        for name in found:
            if not name.startswith("_"):
                asynchronous = "async " if isinstance(node, ast.AsyncFunctionDef) else ""
                yield f"{asynchronous}{prefix}{name}"
                if isinstance(node, ast.ClassDef):
                    yield from _names(node.body, f"{name}.")


def test_both_sides_have_the_same_files() -> None:
    assert sorted(path.name for path in EVENTS.glob("*.py")) == FILES


@pytest.mark.parametrize("name", FILES)
def test_both_sides_name_the_same_things_in_the_same_order(name: str) -> None:
    assert public_names(SYNC / name) == public_names(EVENTS / name)


def test_the_comparison_sees_classes_members_functions_and_constants() -> None:
    assert {"Sender", "Sender.ACCEPTED", "async Sender.open", "async Sender.register"} <= set(
        public_names(SYNC / "sender.py")
    )
    assert {"roles"} <= set(public_names(SYNC / "__main__.py"))
