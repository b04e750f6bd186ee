"""How long `bench report` takes over many rows, and how much memory. A benchmark, not a test: it asserts nothing.

    python speed/analysis.py [--registrations N] [--blocks N] [--keep DIR] [--repeats N] [--steps]

Makes a run of both sides (by default 2 x 3 trials of 420,000 registrations with three effects each: ten million rows
of history and effects together), then reports it as a user would, in a process of its own. The first report also
writes the files of the whole run, which after a run that came to its end are there already. With `--steps` the parts of
one more report are timed, without the prediction.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

TREE = Path(__file__).resolve().parents[1]
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


def steps(directory: Path) -> None:
    """Print when each part of a report was done, in this process: seconds, processor seconds, largest MiB."""
    from benchmarks.analysis.summary import summarise
    from benchmarks.charts import draw_all
    from benchmarks.report import write_report
    from benchmarks.scenario import load_text
    from benchmarks.store import Results, load_trials

    began_s = time.monotonic()
    results = Results(directory)
    scenario = load_text((directory / "scenario.yaml").read_text(encoding="utf-8"), "scenario.yaml")
    parts: dict[str, Callable[[], object]] = {
        "summary": lambda: results.write_json("summary.json", summarise(scenario, load_trials(directory)).as_dict()),
        "files of the run": results.save_run,
        "charts": lambda: draw_all(directory),
        "report": lambda: write_report(directory),
    }
    for name, part in parts.items():
        part()
        usage = resource.getrusage(resource.RUSAGE_SELF)
        cpu_s = usage.ru_utime + usage.ru_stime
        print(f"  {name}: {time.monotonic() - began_s:.1f} s, {cpu_s:.1f} CPU-s, {usage.ru_maxrss / 1024:,.0f} MiB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--registrations", type=int, default=420_000, help="of each trial")
    parser.add_argument("--blocks", type=int, default=3, help="one trial of each side in each")
    parser.add_argument("--keep", type=Path, help="make the run here, or report the one that is here already")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--steps", action="store_true")
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
        if options.steps:
            steps(directory)


if __name__ == "__main__":
    main()
