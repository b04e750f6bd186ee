"""The table of docs/examples/README.md, carried out on a copy of the tree: files, and one entry of one table each."""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TREE = Path(__file__).resolve().parents[2]
EXAMPLES = TREE / "docs" / "examples"
PARTS = (
    *("registration", "sync_impl", "event_impl", "benchmarks", "virtual", "cli.py", "scenarios"),
    *("docs", "tests", "pyproject.toml"),
)

_LIMIT_S = 100
_RUN = """
import sys, benchmarks.charts, benchmarks.report
benchmarks.charts.draw_all = lambda _directory: []
benchmarks.report.write_report = lambda directory: directory
from cli import app
app(sys.argv[1:])
"""

_ROWS = re.compile(r"<!-- additions, read by a test -->\n.*\n.*\n((?:.*\n)+?)<!-- end of additions -->")


@dataclass(frozen=True)
class Addition:
    """One file of the documents, and what it needs. `with_import` is empty where the entry needs none."""

    file: str
    goes_to: str
    table: str
    table_file: str
    entry: str
    with_import: str


def listed() -> Mapping[str, Addition]:
    """Every addition, by the name of its file."""
    return {each.file: each for each in _read((EXAMPLES / "README.md").read_text(encoding="utf-8"))}


def _read(page: str) -> Iterator[Addition]:
    (rows,) = _ROWS.findall(page)
    for row in rows.strip().splitlines():
        file, goes_to, table, entry, with_import = (cell.strip() for cell in row.strip("|").split("|"))
        name, table_file = re.findall("`([^`]+)`", table)
        (name_of_file,) = re.findall(r"^\[(.+)\]", file)
        yield Addition(name_of_file, goes_to.strip("`"), name, table_file, entry.strip("`"), with_import.strip("`"))


def tree_with(directory: Path, *files: str) -> Path:
    """A copy of the tree in `directory`, with these additions and nothing else."""
    for part in PARTS:
        copy = shutil.copytree if (TREE / part).is_dir() else shutil.copy
        copy(TREE / part, directory / part)
    for file in files:
        _add(directory, listed()[file])
    return directory


def _add(tree: Path, addition: Addition) -> None:
    place = tree / addition.goes_to
    assert not place.exists(), "an addition is a new file"
    shutil.copy(EXAMPLES / addition.file, place)
    table_file = tree / addition.table_file
    table_file.write_text(_with_entry(table_file.read_text(encoding="utf-8"), addition), encoding="utf-8")


def _with_entry(source: str, addition: Addition) -> str:
    """The entry stands behind the last one of its table, and its import behind the last one of the module."""
    body = ast.parse(source).body
    (table,) = [node.value for node in body if _name_of(node) == addition.table]
    assert table is not None
    last = max(_entries(table), key=lambda node: (node.end_lineno or 0, node.end_col_offset or 0))
    imports = [node for node in body if isinstance(node, ast.Import | ast.ImportFrom)]
    lines = source.splitlines()
    assert last.end_lineno is not None
    assert imports[-1].end_lineno is not None
    head, tail = lines[last.end_lineno - 1][: last.end_col_offset], lines[last.end_lineno - 1][last.end_col_offset :]
    lines[last.end_lineno - 1] = f"{head},\n    {addition.entry}{tail}"
    if addition.with_import:
        lines.insert(imports[-1].end_lineno, addition.with_import)
    return "\n".join(lines) + "\n"


def _name_of(node: ast.stmt) -> str | None:
    if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
        return node.target.id
    return None


def _entries(table: ast.expr) -> list[ast.expr]:
    """The entries of the outermost literal in an expression: of a tuple itself, of a dict its values."""
    for node in ast.walk(table):
        match node:
            case ast.Dict(values=values) if values:
                return values
            case ast.Tuple(elts=[_, *_] as elements):
                return elements
    raise AssertionError("a table is a literal")


def python(
    tree: Path, *arguments: str | Path, codes: tuple[int, ...] = (0,), beside: Sequence[str] = ()
) -> subprocess.CompletedProcess[str]:
    """Run it with `tree` as the only place that the project comes from. `beside`: folders of its tests."""
    done = subprocess.run(
        [sys.executable, "-P", *arguments],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(tree), *beside]), "COLUMNS": "400"},
        cwd=tree,
        capture_output=True,
        text=True,
        timeout=_LIMIT_S,
        check=False,
    )
    assert done.returncode in codes, f"exit code {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done


def bench(tree: Path, *arguments: str | Path, codes: tuple[int, ...] = (0,)) -> str:
    """What it says, wherever it says it."""
    done = python(tree, "-m", "cli", *arguments, codes=codes)
    return done.stdout + done.stderr


def scenario(tree: Path, text: str) -> Path:
    path = tree / "small.yaml"
    path.write_text(f"version: 1\nname: small\nblocks: 1\ndrain: 20s\n{text}", encoding="utf-8")
    return path


def virtually(tree: Path, scenario: Path, variant: str) -> Any:
    """What `virtually.py` tells of a trial in virtual time."""
    return json.loads(python(tree, Path(__file__).parent / "virtually.py", scenario, variant).stdout)


def measured(tree: Path, scenario: Path) -> Any:
    """The summary of a real run in `tree / "out"`, of which nothing is drawn."""
    # 110: a run that judges itself not valid speaks of this machine, not of the code.
    python(tree, "-c", _RUN, "run", scenario, "--out", tree / "out", "--repeat-invalid", "0", codes=(0, 110))
    return json.loads((tree / "out" / "summary.json").read_text(encoding="utf-8"))


def suite(tree: Path, *arguments: str) -> int:
    """How many tests pass of the suites in `tree`, which ask its tables what there is to test; none may fail."""
    said = python(tree, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments).stdout
    return int(re.findall(r"(\d+) passed", said)[0])
