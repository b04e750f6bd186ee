"""The arithmetic of the three ways: services of 50 ms each, at a rate at which nobody waits for anybody.

Nobody can be quicker than the work that a way waits for. How much slower they are depends on the machine, so the bound
from above, less than one more service's work, is put on the quickest; the median is printed: `pytest -rP` shows it.
"""

import asyncio
from pathlib import Path

import pandas as pd
import pytest

from benchmarks.brokers import Broker
from benchmarks.progress import SilentObserver
from benchmarks.run import run
from benchmarks.scenario import load_text
from benchmarks.store import Results
from virtual.predict import predict

pytestmark = pytest.mark.usefixtures("unreported")

TOLERANCE_MS = 45.0
WAITS_FOR_MS = {"sync": 150.0, "sync-concurrent": 50.0, "events": 0.0}
SCENARIO = f"""
version: 1
name: arithmetic
workload: {{rate: 20, arrivals: uniform, duration: 4s, warmup: 1s}}
services: {{email: {{latency: 50ms}}, analytics: {{latency: 50ms}}, cache: {{latency: 50ms}}}}
variants: [{", ".join(WAITS_FOR_MS)}]
blocks: 1
"""


@pytest.fixture(scope="module")
def out(kafka: Broker, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("arithmetic") / "out"
    scenario = load_text(SCENARIO, "arithmetic")
    asyncio.run(run(scenario, Results.create(out), SilentObserver(), predict, broker_address=kafka.info.bootstrap))
    return out


def holds(took_ms: pd.Series, expected_ms: float) -> bool:
    print(f"p50 {took_ms.median():.1f} ms, quickest {took_ms.min():.1f} ms, {expected_ms:g} ms expected")
    return bool(expected_ms <= took_ms.min() < expected_ms + TOLERANCE_MS)


@pytest.mark.parametrize(("variant", "expected_ms"), WAITS_FOR_MS.items())
def test_a_registration_is_accepted_after_what_its_way_waits_for(out: Path, variant: str, expected_ms: float) -> None:
    history = pd.read_parquet(out / "history.parquet").query("variant == @variant")
    assert (history["outcome"] == "acked").all()
    assert len(history) == 80
    assert holds((history["answered_ns"] - history["intended_ns"]).astype(float) / 1e6, expected_ms)


@pytest.mark.parametrize("variant", WAITS_FOR_MS)
def test_the_first_service_is_done_after_its_own_time_on_every_way(out: Path, variant: str) -> None:
    history = pd.read_parquet(out / "history.parquet").query("variant == @variant")
    effects = pd.read_parquet(out / "effects.parquet").query("variant == @variant and service == 'email'")
    joined = history.merge(effects[["registration_id", "applied_ns"]], on="registration_id")
    assert len(joined) == 80
    assert holds((joined["applied_ns"] - joined["intended_ns"]).astype(float) / 1e6, 50.0)
