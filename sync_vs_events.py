"""The entry of the commands `bench` and `sync-vs-events`, the same file in a checkout and in an installed wheel.

In a checkout this is the module `sync_vs_events` beside `cli.py`. In the wheel it is `sync_vs_events/__init__.py`, and
still beside `cli.py`: the wheel holds the whole tree inside that one package. See docs/decisions/0003-wheel-layout.md.
"""

import sys
from pathlib import Path


def main() -> None:
    """Run the command line on the code beside this file, whatever else is installed under the same names."""
    # First, not last: other wheels also ship a top-level `benchmarks` or `cli`.
    sys.path.insert(0, str(Path(__file__).resolve().parent))
    from cli import main as cli_main

    cli_main()
