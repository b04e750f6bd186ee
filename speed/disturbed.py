"""Whether a busy machine changes what a run says: quick runs beside busy loops, one line of a file for each.

    python speed/disturbed.py [--into FILE] [--keep DIR] [--control N] [--beside C …] [--only S …] [--limit-minutes M]
    python speed/disturbed.py --again DIR [--into FILE]
    python speed/disturbed.py --table [--into FILE]

    quiet   nothing runs beside it                    one    a busy loop
    two     two busy loops                            first  a busy loop only during the trials of the first variant

`aa-control` (the same thing twice) runs N times in each of the four, every other bundled scenario once quiet and once
beside one loop. A run that is in the file already is not run again, so that the script goes on where it was stopped.
With `--keep` the results of each run stay, and `--again` judges them anew. It asserts nothing. Needs a warm cache
(`bench broker fetch`), two cores, and a machine that does nothing else.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

TREE = Path(__file__).resolve().parents[1]
BENCH = [sys.executable, str(TREE / "cli.py")]
CONTROL = "aa-control"
CONDITIONS = ("quiet", "one", "two", "first")
DECIDED = ("confirmed", "refuted")

Line = dict[str, Any]


def main() -> None:
    parser = argparse.ArgumentParser(description="Whether a busy machine changes what a run says.")
    parser.add_argument("--into", type=Path, default=TREE / "docs" / "disturbed-runs.jsonl")
    parser.add_argument("--control", type=int, default=10, help="runs of aa-control in each condition")
    parser.add_argument("--beside", action="append", choices=CONDITIONS, help="only this condition; may be repeated")
    parser.add_argument("--only", action="append", help="this scenario; may be repeated")
    parser.add_argument("--limit-minutes", type=float, default=float("inf"), help="start no run after that")
    parser.add_argument("--keep", type=Path, help="a directory for the results of the runs, else removed")
    parser.add_argument("--again", type=Path, help="judge the runs that were kept there by what the rules are now")
    parser.add_argument("--table", action="store_true", help="print what the file says, and run nothing")
    options = parser.parse_args()
    done = list(lines(options.into))
    if options.table:
        print(table(done))
        return
    if options.again:
        options.into.write_text(
            "".join(json.dumps(line) + "\n" for line in judged_again(options.again)), encoding="utf-8"
        )
        return
    began_s = time.monotonic()
    for scenario, condition, seed in wanted(options.control, options.beside or CONDITIONS, options.only):
        if any((line["scenario"], line["condition"], line["seed"]) == (scenario, condition, seed) for line in done):
            continue
        if time.monotonic() - began_s > options.limit_minutes * 60:
            break
        line = one_run(scenario, condition, seed, options.keep)
        with options.into.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        print(f"{scenario} {condition} {seed}: {line['verdict']} ({line['exit_code']}), {line['took_s']} s", flush=True)


def wanted(control: int, conditions: Sequence[str], only: list[str] | None) -> Iterator[tuple[str, str, int]]:
    """Every (scenario, condition, seed); conditions take turns, so that the day's drift meets all alike."""
    names = [path.stem for path in sorted((TREE / "scenarios").glob("*.yaml"))]
    for name in names:
        if name != CONTROL and (not only or name in only):
            yield from ((name, condition, 1) for condition in conditions if condition in ("quiet", "one"))
    if not only or CONTROL in only:
        yield from ((CONTROL, condition, seed) for seed in range(1, control + 1) for condition in conditions)


def lines(path: Path) -> Iterator[Line]:
    """The runs of the file; one that was cut short while it was written is left out."""
    for text in path.read_text(encoding="utf-8").splitlines() if path.is_file() else []:
        try:
            yield json.loads(text)
        except ValueError:
            continue


def one_run(scenario: str, condition: str, seed: int, keep: Path | None) -> Line:
    directory = Path(tempfile.mkdtemp(prefix="disturbed-")) if keep is None else keep / f"{scenario}-{condition}-{seed}"
    out = directory / "run"
    directory.mkdir(parents=True, exist_ok=True)
    began_s = time.monotonic()
    with beside(condition, out):
        done = subprocess.run(
            [*BENCH, "run", scenario, "--quick", "--seed", str(seed), "--out", str(out), "--json"],
            check=False,
            capture_output=True,
            text=True,
            cwd=TREE,
        )
    ran = {
        "scenario": scenario,
        "condition": condition,
        "seed": seed,
        "exit_code": done.returncode,
        "took_s": round(time.monotonic() - began_s, 1),
        "problem": None if done.stdout.strip() else done.stderr.strip().splitlines()[-1:],
    }
    (directory / "ran.json").write_text(json.dumps(ran), encoding="utf-8")
    line = {**ran, **said_of(out)}
    if keep is None:
        shutil.rmtree(directory)
    return line


def judged_again(keep: Path) -> Iterator[Line]:
    for path in sorted(keep.glob("*/ran.json"), key=lambda path: path.stat().st_mtime):
        subprocess.run([*BENCH, "report", str(path.parent / "run")], check=False, capture_output=True, cwd=TREE)
        ran = json.loads(path.read_text(encoding="utf-8"))
        said = said_of(path.parent / "run")
        # As `bench run` ends now: 110 where it is not valid.
        codes = {} if not said["figures"] else {"exit_code": 0 if said["valid"] else 110}
        yield {**ran, **said, **codes}


def said_of(out: Path) -> Line:
    """What a run says of itself."""
    summary, plan = (
        json.loads(path.read_text(encoding="utf-8")) if (path := out / name).is_file() else {}
        for name in ("summary.json", "plan.json")
    )
    comparison = summary.get("comparison") or {}
    return {
        "valid": summary.get("valid"),
        "verdict": comparison.get("verdict"),
        "parts": [part.get("verdict") for part in comparison.get("all", [comparison])],
        "reasons": summary.get("invalid_reasons", []),
        "disturbed": (summary.get("disturbed") or {}).get("sentence"),
        "repeated_blocks": len(summary.get("repeated_blocks", [])),
        "planned_s": plan.get("estimated_s"),
        "figures": dict(figures(summary)),
    }


def figures(summary: Mapping[str, Any]) -> Iterator[tuple[str, Line]]:
    """Each comparison that has an interval, and whether it is one of a bracket."""
    judged = summary.get("comparison") or {}
    every = [*judged.get("all", [judged]), *summary.get("comparisons", []), *summary.get("comparisons_alone", [])]
    for found in every:
        if found.get("ci95") is not None and found.get("mark") != "disturbed":
            sides = found.get("ratio") or found.get("difference") or found.get("variant")
            values = {name: found[name] for name in ("estimate", "ci95", "bracket")}
            yield f"{found['metric']} {sides}", values


@contextmanager
def beside(condition: str, out: Path) -> Iterator[None]:
    """Busy loops of a program that is no part of the run."""
    with ExitStack() as stack:
        loops = [stack.enter_context(busy_loop()) for _ in range({"quiet": 0, "two": 2}.get(condition, 1))]
        if condition == "first":
            stack.enter_context(only_in_the_first_variant(loops[0], out))
        yield


@contextmanager
def busy_loop() -> Iterator[int]:
    loop = subprocess.Popen([sys.executable, "-c", "while True: pass"], start_new_session=True)
    try:
        yield loop.pid
    finally:
        loop.kill()
        loop.wait()


@contextmanager
def only_in_the_first_variant(loop: int, out: Path) -> Iterator[None]:
    """Stops the loop while no trial of the first variant is under way."""
    over = threading.Event()

    def watch() -> None:
        while not over.wait(0.1):
            folders = sorted((out / "trials").glob("*-*"), key=lambda path: int(path.name.split("-")[0]))
            last = folders[-1] if folders else None
            first = folders[0].name.split("-", 1)[1] if folders else None
            on = last is not None and last.name.split("-", 1)[1] == first and not (last / "trial.json").is_file()
            os.kill(loop, signal.SIGCONT if on else signal.SIGSTOP)

    watching = threading.Thread(target=watch)
    watching.start()
    try:
        yield
    finally:
        over.set()
        watching.join()


def table(done: list[Line]) -> str:
    """What the file says, as tables for docs/disturbed-runs.md."""
    rows = [f"| `{CONTROL}` | runs | confirmed | refuted | not decided | blocks repeated | slowest, of its plan |"]
    rows.append("|---|---|---|---|---|---|---|")
    control = [line for line in done if line["scenario"] == CONTROL]
    for condition in CONDITIONS:
        mine = [line for line in control if line["condition"] == condition]
        verdicts = [line["verdict"] for line in mine if line["exit_code"] == 0]
        counts = [verdicts.count(word) for word in DECIDED]
        slowest = max((line["took_s"] / line["planned_s"] for line in mine if line["planned_s"]), default=0.0)
        repeated = sum(line["repeated_blocks"] for line in mine)
        cells = [len(mine), *counts, len(mine) - sum(counts), repeated, f"{slowest:.2f}"]
        rows.append(f"| {condition} | " + " | ".join(str(cell) for cell in cells) + " |")
    rows += [
        "",
        "| scenario | quiet | beside one loop | quiet estimates inside the busy interval |",
        "|---|---|---|---|",
    ]
    inside = total = 0
    for scenario in sorted({line["scenario"] for line in done} - {CONTROL}):
        pair = [
            next((line for line in done if (line["scenario"], line["condition"]) == (scenario, condition)), None)
            for condition in ("quiet", "one")
        ]
        held = covered(*pair)
        inside, total = inside + held[0], total + held[1]
        rows.append(f"| `{scenario}` | {said(pair[0])} | {said(pair[1])} | {held[0]} of {held[1]} |")
    rows += ["", f"{inside} of {total} figures."]
    return "\n".join(rows)


def said(line: Line | None) -> str:
    if line is None:
        return "–"
    return str(line["verdict"]) if line["exit_code"] in (0, 99) else f"no verdict ({line['exit_code']})"


def covered(quiet: Line | None, busy: Line | None) -> tuple[int, int]:
    """Of how many figures the quiet estimate lies inside the busy interval; only of those that have a bracket."""
    if quiet is None or busy is None:
        return 0, 0
    held = [
        found["ci95"][0] <= quiet["figures"][name]["estimate"] <= found["ci95"][1]
        for name, found in busy["figures"].items()
        if found["bracket"] is not None and name in quiet["figures"]
    ]
    return sum(held), len(held)


if __name__ == "__main__":
    main()
