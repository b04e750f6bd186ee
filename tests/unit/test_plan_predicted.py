"""What a plan predicts: the same figures for people, for machines and in `plan.json`."""

from __future__ import annotations

import io
import json

import pytest
from rich.console import Console

from benchmarks.run import described
from benchmarks.scenario import load_text
from benchmarks.terminal.command import print_plan
from benchmarks.words.numbers import milliseconds
from virtual.predict import predict

SCENARIO = load_text(
    "version: 1\nname: x\nworkload: {rate: 20, duration: 6s, warmup: 0s}\nvariants: [sync, events]\n"
    "faults: [{target: email, type: restart, at: 2s}]\n",
    "x",
)


def test_machines_are_told_what_people_read(capsys: pytest.CaptureFixture[str]) -> None:
    print_plan(SCENARIO, Console(file=io.StringIO()), predict, as_json=True)
    predicted = json.loads(capsys.readouterr().out)["predicted"]
    shown = io.StringIO()
    print_plan(SCENARIO, Console(file=shown, width=200), predict, as_json=False)
    assert [found["variant"] for found in predicted] == ["sync", "events"]
    for found in predicted:
        rows = [line for line in shown.getvalue().splitlines() if line.startswith(f"{found['variant']} ")]
        assert len(rows) == 1 + sum(part is not None for part in found["windows"].values())
        assert milliseconds(found["accept_latency_ms"]["p95"]) in rows[0]
        assert milliseconds(found["completion_latency_ms"]["p95"]) in rows[0]
        assert all(note in shown.getvalue() for note in found["notes"])
    assert predicted[0]["notes"], "a restart takes no time here, and the reader must know"


def test_a_run_keeps_it_in_its_plan(capsys: pytest.CaptureFixture[str]) -> None:
    from benchmarks.run import planned

    print_plan(SCENARIO, Console(file=io.StringIO()), predict, as_json=True)
    kept = json.loads(json.dumps(described(planned(SCENARIO), predict)))
    assert json.loads(capsys.readouterr().out) == kept
