"""What a plan predicts: the same figures for people, for machines and in `plan.json`."""

from __future__ import annotations

import asyncio
import io
import json
import threading
import time
from collections.abc import Callable

import pytest
from rich.console import Console

from benchmarks.planning.plan import Plan
from benchmarks.planning.prediction import Prediction, Unpredicted
from benchmarks.run import _described_in_a_thread, described, planned
from benchmarks.scenario import load_text
from benchmarks.terminal.plan import print_plan
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
    print_plan(SCENARIO, Console(file=io.StringIO()), predict, as_json=True)
    kept = json.loads(json.dumps(described(planned(SCENARIO), predict)))
    assert json.loads(capsys.readouterr().out) == kept


def test_a_run_does_not_fail_for_want_of_a_prediction(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_trial: object) -> None:
        raise OSError("no such thing in virtual time")

    monkeypatch.setattr("virtual.trial.VirtualTrial.run", broken)
    found = described(planned(SCENARIO), predict)["predicted"]
    assert isinstance(found, list)
    assert ["no such thing in virtual time" in each["not_predicted"] for each in found] == [True, True]


async def test_who_is_interrupted_does_not_wait_for_the_prediction() -> None:
    begun = threading.Event()

    def endless(_plan: Plan, _variant: str, _block: int, progress: Callable[[int], None]) -> Prediction | Unpredicted:
        begun.set()
        while True:
            progress(0)
            time.sleep(0.001)

    waiting = asyncio.ensure_future(_described_in_a_thread(planned(SCENARIO), endless))  # type: ignore[arg-type]
    await asyncio.to_thread(begun.wait, 20)
    waiting.cancel()
    async with asyncio.timeout(20):
        with pytest.raises(asyncio.CancelledError):
            await waiting
        # The thread has ended too: else the loop could not be shut down.
        await asyncio.get_running_loop().shutdown_default_executor()
