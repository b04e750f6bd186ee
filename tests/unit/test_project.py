"""What the project declares about itself agrees: version, dependencies, pins."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

TREE = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((TREE / "pyproject.toml").read_text(encoding="utf-8"))["project"]
DEPENDENCIES = [Requirement(text) for text in PROJECT["dependencies"]]
EMBEDDED_EXTRAS = [Requirement(text) for text in PROJECT["optional-dependencies"]["embedded"]]
TEST_EXTRAS = [Requirement(text) for text in PROJECT["optional-dependencies"]["test"]]
OWN = {"benchmarks", "cli", "event_impl", "registration", "sync_impl", "sync_vs_events", "virtual"}


def pins() -> dict[str, str]:
    """Version by name from constraints.txt."""
    found: dict[str, str] = {}
    for line in (TREE / "constraints.txt").read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            name, version = line.split("==")
            found[canonicalize_name(name)] = version
    return found


def imported(files: Iterator[Path]) -> set[str]:
    """Top-level modules of others that some files import, anywhere in them."""
    modules: set[str] = set()
    for path in files:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                modules |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
                modules.add(node.module.split(".")[0])
    return modules - sys.stdlib_module_names - OWN


def distributions_of(modules: set[str]) -> set[str]:
    """The distributions that install these modules, or the modules themselves where they are not installed."""
    known = metadata.packages_distributions()
    return {canonicalize_name(known.get(module, [module])[0]) for module in modules}


def names(requirements: list[Requirement]) -> set[str]:
    return {canonicalize_name(requirement.name) for requirement in requirements}


def source_files() -> Iterator[Path]:
    for name in OWN:
        yield from [TREE / f"{name}.py"] if (TREE / f"{name}.py").exists() else (TREE / name).rglob("*.py")


def closure(requirements: list[Requirement]) -> set[str]:
    """Names of all that these requirements bring in on this machine, themselves included."""
    found: set[str] = set()
    left = [(requirement, "") for requirement in requirements]
    while left:
        requirement, extra = left.pop()
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": extra}):
            continue
        name = canonicalize_name(requirement.name)
        for wanted in ("", *requirement.extras):
            if f"{name}[{wanted}]" not in found:
                found.add(f"{name}[{wanted}]")
                left += [(Requirement(text), wanted) for text in metadata.requires(name) or []]
    return {name.split("[")[0] for name in found}


def test_the_newest_entry_of_the_changelog_is_of_this_version() -> None:
    changelog = (TREE / "CHANGELOG.md").read_text(encoding="utf-8")
    newest = re.search(r"^## \[?([0-9][^\] ]*)", changelog, re.MULTILINE)
    assert newest is not None
    assert newest.group(1) == PROJECT["version"]


def test_every_library_that_the_code_imports_is_declared() -> None:
    assert distributions_of(imported(source_files())) <= names(DEPENDENCIES) | names(EMBEDDED_EXTRAS)


def test_what_the_embedded_broker_needs_is_there_when_tests_run() -> None:
    assert names(EMBEDDED_EXTRAS) <= names(TEST_EXTRAS)


def test_every_declared_dependency_is_used() -> None:
    assert names(DEPENDENCIES) - distributions_of(imported(source_files())) == set()


def test_every_library_that_the_tests_import_is_declared() -> None:
    files = [path for folder in ("speed", "tests") for path in (TREE / folder).rglob("*.py")]
    helpers = {name for path in files for name in (path.stem, path.parent.name)}
    modules = imported(iter(files)) - helpers
    assert distributions_of(modules) <= names(DEPENDENCIES) | names(TEST_EXTRAS)


@pytest.mark.parametrize("requirement", [*DEPENDENCIES, *TEST_EXTRAS], ids=lambda requirement: requirement.name)
def test_a_dependency_is_pinned_to_a_version_that_pyproject_allows(requirement: Requirement) -> None:
    assert requirement.specifier.contains(pins()[canonicalize_name(requirement.name)])


def test_what_the_dependencies_bring_in_is_pinned_too() -> None:
    assert closure([*DEPENDENCIES, *TEST_EXTRAS]) <= set(pins())


@pytest.mark.skipif(
    (sys.platform, sys.version_info[:2]) != ("linux", (3, 11)), reason="elsewhere some packages bring in fewer others"
)
def test_nothing_else_is_pinned() -> None:
    assert set(pins()) <= closure([*DEPENDENCIES, *TEST_EXTRAS])


def test_constraints_name_versions_and_no_download_address() -> None:
    text = (TREE / "constraints.txt").read_text(encoding="utf-8")
    assert "://" not in text
    assert " @ " not in text
    assert not re.search(r"^-", text, re.MULTILINE)
