"""Where to print: a terminal as wide as it is, a pipe as wide as the tables need."""

from __future__ import annotations

import os

from rich.console import Console

# A pipe or a file has no width of its own, and the table of the sides needs more than the usual 80.
_PIPE_WIDTH = 130


def console(*, stderr: bool = False) -> Console:
    """Where to print; as wide as the terminal, or wide enough for the tables where there is none."""
    made = Console(stderr=stderr)
    return made if made.is_terminal or "COLUMNS" in os.environ else Console(stderr=stderr, width=_PIPE_WIDTH)
