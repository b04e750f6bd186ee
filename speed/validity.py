"""How often a run is valid: many runs of the bundled scenarios, one line of a file for each. It asserts nothing.

    python speed/validity.py [--into FILE] [--runs N] [--others N] [--only SCENARIO] [--limit-minutes M]
    python speed/validity.py --table [--into FILE]

`baseline --blocks 1 --duration 8s` runs N times, every other bundled scenario a few times as it stands, each run with a
seed of its own. A run that is in the file already is not run again, so that the script goes on where it was stopped.
The results of a run are removed, except where it was not valid: where they are is printed.

Needs a warm cache (`bench broker fetch`) and a machine that does nothing else.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

TREE = Path(__file__).resolve().parents[1]
BENCH = [sys.executable, str(TREE / "cli.py")]
BASELINE = "baseline"
SHORT = ["--blocks", "1", "--duration", "8s"]

Line = dict[str, Any]


def main() -> None:
    parser = argparse.ArgumentParser(description="How often a run is valid.")
    parser.add_argument("--into", type=Path, default=TREE / "docs" / "validity-runs.jsonl")
    parser.add_argument("--runs", type=int, default=100, help="of baseline")
    parser.add_argument("--others", type=int, default=3, help="of every other scenario")
    parser.add_argument("--only", action="append", help="this scenario; may be repeated")
    parser.add_argument("--limit-minutes", type=float, default=float("inf"), help="start no run after that")
    parser.add_argument("--table", action="store_true", help="print what the file says, and run nothing")
    options = parser.parse_args()
    done = list(lines(options.into))
    if options.table:
        print(table(done))
        return
    began_s = time.monotonic()
    for scenario, seed in wanted(options.runs, options.others, options.only):
        if any((line["scenario"], line["seed"]) == (scenario, seed) for line in done):
            continue
        if time.monotonic() - began_s > options.limit_minutes * 60:
            break
        line = one_run(scenario, seed)
        with options.into.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        print(f"{scenario} {seed}: {'valid' if line['valid'] else line['reasons'] or line['problem']}", flush=True)


def wanted(runs: int, others: int, only: list[str] | None) -> Iterator[tuple[str, int]]:
    """Every (scenario, seed), the rare ones first: they take longest, and tell most."""
    for path in sorted((TREE / "scenarios").glob("*.yaml")):
        if path.stem != BASELINE and (not only or path.stem in only):
            yield from ((path.stem, seed) for seed in range(1, others + 1))
    if not only or BASELINE in only:
        yield from ((BASELINE, seed) for seed in range(1, runs + 1))


def lines(path: Path) -> Iterator[Line]:
    """The runs of the file; one that was cut short while it was written is left out."""
    for text in path.read_text(encoding="utf-8").splitlines() if path.is_file() else []:
        try:
            yield json.loads(text)
        except ValueError:
            continue


def one_run(scenario: str, seed: int) -> Line:
    directory = Path(tempfile.mkdtemp(prefix="validity-"))
    out = directory / f"{scenario}-{seed}"
    short = SHORT if scenario == BASELINE else []
    began_s = time.monotonic()
    done = subprocess.run(
        [*BENCH, "run", scenario, *short, "--seed", str(seed), "--out", str(out), "--json"],
        check=False,
        capture_output=True,
        text=True,
        cwd=TREE,
    )
    summary: Mapping[str, Any] = json.loads(done.stdout) if done.stdout.strip() else {}
    valid = bool(summary.get("valid"))
    line = {
        "scenario": scenario,
        "seed": seed,
        "valid": valid,
        "exit_code": done.returncode,
        "verdict": (summary.get("comparison") or {}).get("verdict"),
        "reasons": summary.get("invalid_reasons", []),
        "repeated_blocks": [
            {"block": each["block"], "reasons": each["reasons"]} for each in summary.get("repeated_blocks", [])
        ],
        "duration_s": round(time.monotonic() - began_s, 1),
        "variants": {name: key_figures(figures) for name, figures in summary.get("variants", {}).items()},
        "version": version(out),
        "problem": None if summary else done.stderr.strip().splitlines()[-1:],
    }
    if valid:
        shutil.rmtree(directory)
    else:
        print(f"not valid: its results stay in {out}", flush=True)
    return line


def key_figures(figures: Mapping[str, Any]) -> Line:
    return {
        "accept_p50_ms": figures["accept_latency_ms"]["p50"],
        "completion_p50_ms": figures["completion_latency_ms"]["p50"],
        "schedule_delay_p95_ms": figures["schedule_delay_ms"]["p95"],
        "schedule_delay_max_ms": figures["schedule_delay_ms"]["max"],
        "slo_ratio": figures["slo_ratio"],
        "findings": figures["findings"],
    }


def version(out: Path) -> str | None:
    path = out / "run.json"
    return json.loads(path.read_text(encoding="utf-8")).get("version") if path.is_file() else None


def table(done: list[Line]) -> str:
    """What the file says, as a table for docs/validity.md."""
    rows = ["| scenario | runs | valid | of these with a repeated block | verdicts | schedule delay p95, worst |"]
    rows.append("|---|---|---|---|---|---|")
    for scenario in sorted({line["scenario"] for line in done}, key=lambda name: (name != BASELINE, name)):
        mine = [line for line in done if line["scenario"] == scenario]
        valid = [line for line in mine if line["valid"]]
        verdicts = [str(line["verdict"]) for line in mine if line["verdict"]]
        counted = ", ".join(f"{verdicts.count(name)} {name}" for name in sorted(set(verdicts))) or "–"
        delays = [
            figures["schedule_delay_p95_ms"]
            for line in mine
            for figures in line["variants"].values()
            if figures["schedule_delay_p95_ms"] is not None
        ]
        worst = f"{max(delays):.2f} ms" if delays else "–"
        repeated = sum(bool(line["repeated_blocks"]) for line in valid)
        rows.append(f"| {scenario} | {len(mine)} | {len(valid)} | {repeated} | {counted} | {worst} |")
    return "\n".join(rows)


if __name__ == "__main__":
    main()
