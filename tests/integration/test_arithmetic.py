"""The arithmetic of the three ways: services of 50 ms each, at a rate at which nobody waits for anybody."""

import asyncio
import json

import pytest

from benchmarks.brokers import Broker
from benchmarks.progress import SilentObserver
from benchmarks.run import run
from benchmarks.scenario import load_text
from benchmarks.store import Results

TOLERANCE_MS = 15.0
SCENARIO = """
version: 1
name: arithmetic
workload: {rate: 20, arrivals: uniform, duration: 4s, warmup: 1s}
services: {email: {latency: 50ms}, analytics: {latency: 50ms}, cache: {latency: 50ms}}
variants: [sync, sync-concurrent, events]
blocks: 1
"""


@pytest.fixture(scope="module")
def figures(kafka: Broker, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, dict[str, float]]]:
    out = tmp_path_factory.mktemp("arithmetic") / "out"
    scenario = load_text(SCENARIO, "arithmetic")
    asyncio.run(run(scenario, Results.create(out), SilentObserver(), broker_address=kafka.info.bootstrap))
    variants: dict[str, dict[str, dict[str, float]]] = json.loads((out / "summary.json").read_text())["variants"]
    return variants


@pytest.mark.parametrize(("variant", "expected_ms"), [("sync", 150.0), ("sync-concurrent", 50.0), ("events", 0.0)])
def test_a_registration_is_accepted_after_what_its_way_waits_for(
    figures: dict[str, dict[str, dict[str, float]]], variant: str, expected_ms: float
) -> None:
    accept_ms = figures[variant]["accept_latency_ms"]["p50"]
    assert expected_ms <= accept_ms < expected_ms + TOLERANCE_MS


@pytest.mark.parametrize("variant", ["sync", "sync-concurrent", "events"])
def test_the_first_service_is_done_after_its_own_time_on_every_way(
    figures: dict[str, dict[str, dict[str, float]]], variant: str
) -> None:
    by_service: dict[str, dict[str, float]] = figures[variant]["completion_latency_ms"]["by_service"]  # type: ignore[assignment]
    assert 50.0 <= by_service["email"]["p50"] < 50.0 + TOLERANCE_MS
