"""Two kinds of broker in one run: each is started once, each variant meets its own, and both are gone at the end."""

import asyncio
import json
from pathlib import Path

import pandas as pd
import psutil
import pytest

from benchmarks.progress import SilentObserver
from benchmarks.run import RunResult, run
from benchmarks.scenario import Scenario, load_text
from benchmarks.store import Results, load_trials
from virtual.predict import predict

SCENARIO = load_text(
    """
version: 1
name: beside
workload: {rate: 40, duration: 2s, warmup: 0s}
broker: {profile: full}
variants: [sync, events, {name: stand-in, base: events, broker: {kind: embedded}}]
blocks: 1
""",
    "beside",
)


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> tuple[RunResult, Path]:
    out = tmp_path_factory.mktemp("beside") / "out"
    before = set(psutil.Process().children(recursive=True))
    outcome = asyncio.run(run(SCENARIO, Results.create(out), SilentObserver(), predict))
    assert set(psutil.Process().children(recursive=True)) == before
    assert outcome.problem == ""
    return outcome, out


def expected(scenario: Scenario) -> dict[str, tuple[str, str | None, str] | None]:
    """By variant: kind, profile and durability of its broker."""
    servers = {variant.name: None if variant.broker is None else variant.broker.server for variant in scenario.variants}
    return {name: of and (of.kind, of.profile, of.durability) for name, of in servers.items()}


def test_each_variant_s_results_say_which_broker_it_met(ran: tuple[RunResult, Path]) -> None:
    variants = json.loads((ran[1] / "summary.json").read_text())["variants"]
    told = {name: figures["broker"] for name, figures in variants.items()}
    assert {name: of and (of["kind"], of["profile"], of["durability"]) for name, of in told.items()} == expected(
        SCENARIO
    )
    assert {name: of["emulator"] for name, of in told.items() if of} == {"events": False, "stand-in": True}


def test_each_was_started_once_and_is_on_record(ran: tuple[RunResult, Path]) -> None:
    environment = json.loads((ran[1] / "environment.json").read_text())
    assert [(one["kind"], one["profile"]) for one in environment["brokers"]] == [("kafka", "full"), ("embedded", None)]
    assert environment["brokers"][0]["settings"]["heap_mb"] > 256
    assert {path.name for path in (ran[1] / "logs").glob("broker*")} == {
        "broker-kafka-full-os.log",
        "broker-embedded-memory.log",
    }


def test_everybody_was_accepted_and_done_on_both(ran: tuple[RunResult, Path]) -> None:
    history = pd.read_parquet(ran[1] / "history.parquet")
    effects = pd.read_parquet(ran[1] / "effects.parquet").dropna(subset=["applied_ns"])
    assert set(history["outcome"]) == {"acked"}
    assert effects.groupby("variant").size().to_dict() == dict.fromkeys(SCENARIO.variant_names, 3 * 80)


def test_only_its_own_broker_is_a_variant_s_cost_and_the_others_idle_is_known(ran: tuple[RunResult, Path]) -> None:
    facts = {trial.facts.variant: trial.facts for trial in load_trials(ran[1])}
    assert {name for name, of in facts.items() if "broker" in of.cpu_end_ms} == {"events", "stand-in"}
    assert not [name for of in facts.values() for name in of.cpu_end_ms if name.startswith("broker:")]
    watched = pd.read_parquet(ran[1] / "resources.parquet").groupby("variant")["process"].unique()
    both = {"broker:kafka-full-os", "broker:embedded-memory"}
    assert both <= set(watched["sync"])
    assert {"broker", "broker:embedded-memory"} <= set(watched["events"])
    assert {"broker", "broker:kafka-full-os"} <= set(watched["stand-in"])
    assert facts["events"].broker_idle_ms_per_s is not None or facts["stand-in"].broker_idle_ms_per_s is not None
