"""How long `bench report` takes over many rows, and how much memory. A benchmark, not a test: it asserts nothing.

    python tests/speed/analysis.py [--registrations N] [--blocks N] [--keep DIR] [--repeats N]

Makes a run of both sides (by default 2 x 3 trials of 420,000 registrations with three effects each: ten million rows
of history and effects together), then reports it as a user would, in a process of its own.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

TREE = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(TREE), str(TREE / "tests" / "unit")]

from bulk import scenario_of_size, write_run  # noqa: E402

GOAL_S, GOAL_MIB = 15.0, 1024


def report(directory: Path) -> tuple[float, float]:
    """Seconds and the largest resident MiB of `bench report` on a run, imports included."""
    log = directory.parent / "report.log"
    began_s = time.monotonic()
    with log.open("w") as out:
        child = subprocess.Popen(
            [sys.executable, str(TREE / "cli.py"), "report", str(directory)], stdout=out, stderr=out
        )
        # Its own usage, not the largest of all children so far.
        _, status, usage = os.wait4(child.pid, 0)
    took_s = time.monotonic() - began_s
    if os.waitstatus_to_exitcode(status) not in (0, 99, 110):
        raise SystemExit(f"bench report ended with {status}:\n{log.read_text()[-2000:]}")
    return took_s, usage.ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--registrations", type=int, default=420_000, help="of each trial")
    parser.add_argument("--blocks", type=int, default=3, help="one trial of each side in each")
    parser.add_argument("--keep", type=Path, help="make the run here, or report the one that is here already")
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        directory = options.keep or Path(scratch) / "run"
        if not (directory / "scenario.yaml").is_file():
            write_run(directory, scenario_of_size(options.registrations, options.blocks))
        import pyarrow.parquet as pq

        rows = {
            name: sum(pq.read_metadata(path).num_rows for path in directory.glob(f"trials/*/{name}.parquet"))
            for name in ("history", "effects")
        }
        size_mb = sum(path.stat().st_size for path in directory.glob("trials/*/*.parquet")) / 1e6
        held = f"{rows['history']:,} of history, {rows['effects']:,} of effects; {size_mb:,.0f} MB"
        print(f"{sum(rows.values()):,} rows: {held}")
        for number in range(options.repeats):
            what = "first report" if number == 0 else "again"
            took_s, mib = report(directory)
            print(f"{what}: {took_s:.1f} s, {mib:,.0f} MiB (goal {GOAL_S:g} s, {GOAL_MIB} MiB)")


if __name__ == "__main__":
    main()
