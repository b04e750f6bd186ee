"""The engine for what is too large for a frame: SQL over Parquet files, read column by column where they are.

    files on disk → query → a small frame        quantiles over time, the first few of a kind
    files on disk → write_together → one file    row group by row group

DuckDB, in this process, without a server or a database (docs/decisions/0006-duckdb-reads-what-is-large.md). Tables that
are read are named by parameters, `read_parquet($history)`, so that no path is ever part of a statement.
"""

from __future__ import annotations

import glob
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pandas as pd

# Beyond it the engine spills to the disk: a large run takes longer, not more memory.
_MEMORY_LIMIT = "300MB"

Value = str | int | float | Path | list[int]


def query(statement: str, **values: Value) -> pd.DataFrame:
    """What one SELECT finds. A path among `values` stands for that one file. Raises OSError where it cannot be read."""
    named = {name: _literal(value) if isinstance(value, Path) else value for name, value in values.items()}
    with _engine() as engine:
        return engine.execute(statement, named).df()


def write_together(parts: Sequence[Path], whole: Path, metadata: Mapping[str, str]) -> None:
    """Write the rows of Parquet files one below the other, in order; a column that one lacks is null there.

    `metadata` are the key-value pairs of the new file. Raises OSError where a file cannot be read or written.
    """
    # Keys are this program's own words; values are parameters.
    pairs = ", ".join(f"'{key}': ${number}" for number, key in enumerate(metadata, start=3))
    statement = (
        "COPY (SELECT * FROM read_parquet($1, union_by_name = true)) TO $2 "  # noqa: S608 - our own words
        f"(FORMAT parquet, COMPRESSION snappy, KV_METADATA {{{pairs}}})"
    )
    with _engine() as engine:
        engine.execute(statement, [[_literal(part) for part in parts], _local(whole), *metadata.values()])


@contextmanager
def _engine() -> Iterator[duckdb.DuckDBPyConnection]:
    with tempfile.TemporaryDirectory(prefix="bench-") as spill:
        settings: dict[str, str | bool | int | float | list[str]] = {
            "memory_limit": _MEMORY_LIMIT,
            "temp_directory": spill,
            # What it needs is built in: nothing is fetched, and nothing is read from the user's home.
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
        }
        try:
            with duckdb.connect(config=settings) as engine:
                yield engine
        except duckdb.IOException as error:
            raise OSError(str(error)) from error


def _literal(path: Path) -> str:
    """One file, whatever characters its name has: the engine takes names for patterns."""
    return glob.escape(_local(path))


def _local(path: Path) -> str:
    """A path as it was given: the folder that we are in may have a name that is no text, which the engine cannot take.

    With its "./", so that no name is taken for an address.
    """
    return str(path) if path.is_absolute() else f"./{path}"
