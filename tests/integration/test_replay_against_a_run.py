"""A real run against its replay: one slow service with random work and one slot, called directly, 60 % busy.

How far a run lies from its replay depends on the machine, so it is printed: `pytest -rP` shows it. What holds on any
machine is asserted: work never takes less than its scenario has it, and nobody's fate is another than the replay's.
"""

import asyncio
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks.progress import SilentObserver
from benchmarks.run import run
from benchmarks.scenario import load_text
from benchmarks.store import Results
from virtual.predict import predict

SCENARIO = """
version: 1
name: one-queue
workload: {rate: 20, duration: 6s, warmup: 1s, timeout: 60s}
services:
  email: {latency: {distribution: exponential, mean: 30ms}, concurrency: 1}
  analytics: {latency: 0ms}
  cache: {latency: 0ms}
variants: [{name: patient, base: sync, options: {timeout: 50s}}]
blocks: 1
"""


@pytest.mark.usefixtures("unreported")
def test_a_queue_of_a_real_service_follows_its_replay(tmp_path: Path) -> None:
    out = tmp_path / "out"
    asyncio.run(run(load_text(SCENARIO, "one-queue"), Results.create(out), SilentObserver(), predict))
    rows = pd.read_parquet(out / "residuals.parquet").query("block == 0")
    found = json.loads((out / "summary.json").read_text())["residuals"]["patient"]
    print(f"measured minus predicted, ms: accept {found['accept_ms']}, completion {found['completion_ms']}")
    history = pd.read_parquet(out / "history.parquet")
    took_ms = (history["answered_ns"] - history["intended_ns"]).to_numpy(dtype=np.float64, na_value=np.nan) / 1e6
    print(f"explained by the replay: r = {np.corrcoef(took_ms, took_ms - rows['accept_ms'])[0, 1]:.4f}")

    assert len(rows) == found["n"] == 120
    assert (found["accept_differs"], found["completion_differs"], found["on_edge"]) == (0, 0, 0)
    for service in ("email", "analytics", "cache"):
        assert rows[f"work_ms:{service}"].min() >= 0, "work that was shorter than its scenario has it"
    assert rows["accept_ms"].median() > 0, "the wiring costs something"
