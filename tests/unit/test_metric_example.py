"""A metric is one new file and its name in the table: the example of the documents, in a copy of the tree."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

TREE = Path(__file__).resolve().parents[2]
EXAMPLE = TREE / "docs" / "examples" / "told_no.py"
METRIC = "told_no_ratio"
ASKS = f"""
import json, sys
from pathlib import Path

from stored import every_ending, stored_run

from benchmarks.analysis.summary_model import Summary
from benchmarks.words.sentence import verdict_sentence
from benchmarks.words.table import side_by_side

out = Path(sys.argv[1])
during = "{METRIC}{{window:during}}"
hypothesis = {{"metric": during, "difference": "events-sync", "expect": "< 0"}}
stored_run(out, change=every_ending, hypothesis=hypothesis, thresholds={{"{METRIC}": ["< 0.2"]}})
summary = Summary.read(out / "summary.json")
rows = [(row.section, row.name, row.values, row.comparison) for row in side_by_side(summary)]
print(json.dumps({{"rows": rows, "sentence": verdict_sentence(summary)}}))
"""


@pytest.fixture(scope="module")
def copied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tree with one more file, and its lines in one table."""
    copy = tmp_path_factory.mktemp("copy")
    for part in ("benchmarks", "registration", "sync_impl", "event_impl", "scenarios"):
        shutil.copytree(TREE / part, copy / part, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(EXAMPLE, copy / "benchmarks" / "metrics")
    table = copy / "benchmarks" / "metrics" / "__init__.py"
    head, entries, tail = table.read_text(encoding="utf-8").partition("METRICS: tuple[Definition[Any], ...] = (\n")
    added = f"from benchmarks.metrics import told_no\n\n{entries}    told_no.TOLD_NO,\n"
    table.write_text(head + added + tail, encoding="utf-8")
    return copy


def test_it_is_measured_compared_judged_and_shown(copied: Path, tmp_path: Path) -> None:
    path = os.pathsep.join([str(copied), str(Path(__file__).parent)])
    done = subprocess.run(
        [sys.executable, "-P", "-c", ASKS, str(tmp_path / "out")],
        env={**os.environ, "PYTHONPATH": path},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())

    sync = summary["variants"]["sync"]
    told_no = sync["counts"]["refused"] + sync["counts"]["failed"]
    assert told_no > 0
    assert sync[METRIC] == pytest.approx(told_no / sync["counts"]["offered"], rel=1e-5)
    assert [set(figures) >= {METRIC} for figures in (*sync["trials"], *sync["windows"].values())] == [True] * 6

    assert {entry["variant"]: entry["passed"] for entry in summary["thresholds"]} == {"sync": False, "events": True}
    assert summary["comparison"]["ci95"] is not None
    listed = [entry for entry in summary["comparisons"] if entry["metric"] == METRIC]
    assert [entry["difference"] for entry in listed] == ["events-sync"]
    alone = [entry["metric"] for entry in summary["comparisons_alone"]]
    assert f"{METRIC}{{window:during}}" in alone

    rows = [row for row in said["rows"] if row[1] == "told no"]
    assert [row[0] for row in rows] == ["During the fault", "Whole run"]
    assert all("events − sync −" in row[3] for row in rows)
