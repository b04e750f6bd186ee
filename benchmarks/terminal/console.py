"""Where to print, and how to say a sentence there: a terminal is as wide as it is, a pipe as the tables need."""

from __future__ import annotations

import os

from rich.console import Console
from rich.text import Text

# A pipe or a file has no width of its own, and the table of the sides needs more than the usual 80.
_PIPE_WIDTH = 130


def console(*, stderr: bool = False) -> Console:
    """Where to print; as wide as the terminal, or wide enough for the tables where there is none."""
    made = Console(stderr=stderr)
    return made if made.is_terminal or "COLUMNS" in os.environ else Console(stderr=stderr, width=_PIPE_WIDTH)


def say(console: Console, message: str) -> None:
    """One sentence, never folded."""
    console.print(Text(message), soft_wrap=True)


def complain(console: Console, message: str, next_step: str) -> None:
    """What is wrong, and what to try."""
    console.print(Text("bench: ", "bold red") + Text(message), soft_wrap=True)
    if next_step:
        console.print(Text(f"  next: {next_step}"), soft_wrap=True)
