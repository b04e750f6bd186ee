"""Three real services that fail one call in ten: every count is exactly what the seeded draws say."""

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path

import pandas as pd
import pytest
from draws import WAYS, Expected, expected, filled

from benchmarks.brokers import Broker
from benchmarks.progress import SilentObserver
from benchmarks.run import run
from benchmarks.scenario import load_text
from benchmarks.store import Results
from registration import luck
from virtual.predict import predict

pytestmark = pytest.mark.usefixtures("unreported")

RATE, DURATION_S, SEED = 60, 5, 3
RATES = {"email": 0.1, "analytics": 0.1, "cache": 0.1}
SCENARIO = f"""
version: 1
name: one-in-ten
workload: {{rate: {RATE}, duration: {DURATION_S}s, warmup: 1s}}
services: {{email: {{errorRate: 0.1}}, analytics: {{errorRate: 0.1}}, cache: {{errorRate: 0.1}}}}
variants: [{", ".join(WAYS)}]
blocks: 1
seed: {SEED}
"""


@pytest.fixture(scope="module")
def out(kafka: Broker, tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("exact") / "out"
    scenario = load_text(SCENARIO, "one-in-ten")
    asyncio.run(
        run(scenario, Results.create(directory), SilentObserver(), predict, broker_address=kafka.info.bootstrap)
    )
    return directory


@pytest.fixture(params=WAYS)
def variant(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def wanted(variant: str) -> Expected:
    return expected(variant, luck.block_seed(SEED, 0), range(RATE * DURATION_S), RATES)


@pytest.fixture
def figures(out: Path, variant: str) -> Mapping[str, Mapping[str, int]]:
    variants: Mapping[str, Mapping[str, Mapping[str, int]]] = json.loads((out / "summary.json").read_text())["variants"]
    return variants[variant]


def test_every_arrival_ends_as_drawn(out: Path, variant: str, wanted: Expected) -> None:
    history = pd.read_parquet(out / "history.parquet")
    mine = history[history["variant"] == variant].sort_values("index")
    assert list(mine["index"]) == list(wanted.fates)
    assert list(mine["outcome"]) == ["acked" if fate.acked else "failed" for fate in wanted.fates.values()]


def test_every_count_is_the_one_that_was_drawn(
    figures: Mapping[str, Mapping[str, int]], variant: str, wanted: Expected
) -> None:
    assert figures["counts"] == filled(wanted.counts, figures["counts"])
    assert figures["registrations"] == filled(wanted.registrations, figures["registrations"])
    effects = {**figures["effects"]}
    by_service: Mapping[str, Mapping[str, int]] = effects.pop("by_service")  # type: ignore[assignment]
    assert effects == filled(wanted.effects, effects)
    for service, found in by_service.items():
        assert found == filled(wanted.by_service[service], found), service


def test_every_attempt_is_one_that_was_drawn(out: Path, variant: str, wanted: Expected) -> None:
    effects = pd.read_parquet(out / "effects.parquet")
    failed = effects[(effects["variant"] == variant) & effects["failed"]]
    found = {pair: int(number) for pair, number in failed.groupby(["index", "service"]).size().items()}
    assert found == {
        (index, service): number
        for index, fate in wanted.fates.items()
        for service, number in fate.failed_attempts.items()
    }


def test_every_registration_is_listed_with_its_fate(out: Path, variant: str, wanted: Expected) -> None:
    frame = pd.read_parquet(out / "registrations.parquet")
    mine = frame[frame["variant"] == variant].sort_values("index")
    missing = [",".join(service for service in RATES if service not in fate.applied) for fate in wanted.fates.values()]
    assert list(mine["missing"]) == missing
    assert list(mine["complete"]) == [not gone for gone in missing]
