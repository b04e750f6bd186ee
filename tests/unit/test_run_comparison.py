"""Two runs against each other: what is refused and what is only told, what is found beyond noise, and how it exits."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from stored import summary_with
from typer.testing import CliRunner

import cli
from benchmarks.analysis.run_comparison import StoredRun, comparison_of_runs
from benchmarks.scenario import load_text
from benchmarks.words.run_comparison import run_comparison_sentence, stated_words

TEXT = """version: 1
name: baseline
workload: {rate: 60, duration: 20s}
variants: [sync, events]
"""
MACHINE: dict[str, Any] = {
    **{"os": "Linux 6.1", "machine": "x86_64", "cpu": "Some CPU", "cores": 2, "cores_usable": 2, "load_average": [0.1]},
    **{"packages": {"aiohttp": "3.14"}, "broker": {"kind": "kafka", "version": "4.4.0"}},
}
BASE = {"sync": 40.0, "events": 4.0}


def run(
    name: str = "old",
    *,
    blocks: int = 5,
    slower: float = 1.0,
    seed: int = 1,
    noise: float = 0.02,
    text: str = TEXT,
    valid: bool = True,
    accepted: float = 1.0,
    delay_ms: float = 0.1,
    **environment: object,
) -> StoredRun:
    """A run whose event side takes `slower` times as long to accept; the noise of each run is its own."""
    rng = np.random.default_rng([len(name), seed])

    def figures(accept_ms: float) -> dict[str, object]:
        times = {"p50": accept_ms, "p95": 2 * accept_ms}
        return {
            "accept_ratio": accepted,
            "slo_ratio": 1.0,
            "throughput_per_s": 60.0,
            "accept_latency_ms": times,
            "completion_latency_ms": {"p50": 30.0 * np.exp(rng.normal(0, noise)), "p95": None},
            "schedule_delay_ms": {"p50": delay_ms},
            "cpu_ms_per_registration": {"total": 8.0 * np.exp(rng.normal(0, noise))},
        }

    variants: dict[str, object] = {}
    for variant, base in BASE.items():
        mean = base * (slower if variant == "events" else 1.0)
        trials = [
            {"block": block, "trial": block + 1, **figures(mean * np.exp(rng.normal(0, noise)))}
            for block in range(blocks)
        ]
        broker = {"kind": "kafka"} if variant == "events" else None
        variants[variant] = {"broker": broker, **figures(mean), "trials": trials}
    summary = summary_with(valid=valid, invalid_reasons=[] if valid else ["sync: 3 % dropped"], variants=variants)
    scenario = load_text(f"{text}seed: {seed}\nblocks: {blocks}\n", "scenario.yaml")
    return StoredRun(Path(name), scenario, summary, {**MACHINE, **environment}, "0.1.0")


def store(found: StoredRun, out: Path) -> Path:
    out.mkdir()
    (out / "scenario.yaml").write_text(f"{TEXT}seed: {found.scenario.seed}\n")
    (out / "summary.json").write_text(json.dumps(found.summary.as_dict()))
    (out / "environment.json").write_text(json.dumps(found.environment))
    return out


def change(old: StoredRun, new: StoredRun, metric: str = "accept_latency_ms.p50", variant: str = "events") -> Any:
    entries = comparison_of_runs(old, new).as_dict()["comparisons"]
    assert isinstance(entries, list)
    return next(entry for entry in entries if (entry["variant"], entry["metric"]) == (variant, metric))


class TestFindings:
    def test_a_slower_side_is_found_and_the_other_is_not(self) -> None:
        slower = change(run(), run("new", slower=1.3))
        assert slower["estimate"] == pytest.approx(1.3, rel=0.03)
        assert slower["beyond_noise"] is True
        assert slower["old"] == pytest.approx(4.0)
        assert change(run(), run("new", slower=1.3), variant="sync")["beyond_noise"] is False

    def test_the_sentence_names_what_differs_or_that_nothing_does(self) -> None:
        words = run_comparison_sentence(comparison_of_runs(run(), run("new", slower=1.3)))
        assert words.startswith("Beyond noise: events, accept latency p50 1.3")
        assert "completion" not in words
        assert run_comparison_sentence(comparison_of_runs(run(), run("new"))).startswith(
            "Nothing differs beyond noise. Two runs are two"
        )
        few = run_comparison_sentence(comparison_of_runs(run(blocks=2), run("new", blocks=2)))
        assert few.startswith("No interval, so nothing can be said")

    def test_the_same_seed_pairs_blocks_and_another_does_not(self) -> None:
        paired, unpaired = (
            comparison_of_runs(run(), run("new", blocks=4)),
            comparison_of_runs(run(), run("new", seed=2)),
        )
        assert (paired.paired, unpaired.paired) == (True, False)
        assert len(change(run(), run("new", blocks=4))["per_block"]) == 4
        assert change(run(), run("new", seed=2))["per_block"] == []
        assert "unpaired, since the seeds differ" in stated_words(unpaired)[0]

    def test_a_difference_within_the_noise_floor_is_marked_and_is_none(self) -> None:
        floor = {"kind": "ratio", "low": 0.6, "high": 1.6, "sd": 0.1}
        entry = {"blocks": 5, "rate_per_s": 60, "duration_s": 20, "metrics": {"accept_latency_ms.p50": floor}}
        new = run("new", slower=1.3, calibration={"stale": [], "noise_floor": {"baseline": entry}})
        found = change(run(), new)
        assert (found["mark"], found["significant"], found["beyond_noise"]) == ("≈", True, False)

    def test_what_forbids_a_conclusion_within_a_run_forbids_it_across_two(self) -> None:
        assert change(run(), run("new", slower=1.3, accepted=0.9))["mark"] == "survivorship"
        late = change(run(), run("new", slower=1.3, delay_ms=1.0))
        assert (late["mark"], late["significant"]) == ("unresolved", None)


class TestRefusals:
    @pytest.mark.parametrize(
        ("changed", "reason"),
        [
            (TEXT.replace("60", "50"), "the scenarios differ in workload.rate: 60"),
            (TEXT + "slo: {accept: 1s, complete: 9s}\n", "the scenarios differ in slo.accept: 300ms → 1s"),
            (TEXT + "services: {cache: {latency: 9ms}}\n", "services.cache.latency: 2ms → 9ms"),
            (TEXT.replace("[sync, events]", "[sync-concurrent]"), "no variant in common"),
        ],
    )
    def test_what_was_asked_of_both_must_be_the_same(self, changed: str, reason: str) -> None:
        found = comparison_of_runs(run(), run("new", text=changed))
        assert reason in " ".join(found.refused)
        assert found.changes == ()

    @pytest.mark.parametrize(
        ("key", "value", "reason"),
        [
            ("cpu", "Another", "the machines differ in cpu: Some CPU → Another"),
            ("cores", 4, "cores: 2 → 4"),
            ("cores_usable", None, "cores_usable is not recorded"),
            ("broker", {"kind": "embedded"}, "the brokers differ in kind: kafka → embedded"),
        ],
    )
    def test_so_must_the_machine_and_the_kind_of_broker(self, key: str, value: object, reason: str) -> None:
        assert reason in " ".join(comparison_of_runs(run(), run("new", **{key: value})).refused)

    def test_a_run_is_not_compared_with_itself(self) -> None:
        assert comparison_of_runs(run(), run()).refused == ("old and old are the same run",)

    def test_a_run_that_is_not_valid_decides_nothing(self) -> None:
        assert comparison_of_runs(run(valid=False), run("new")).invalid == (
            "the old run is not valid: sync: 3 % dropped",
        )

    def test_versions_are_stated_and_what_the_machine_did_just_then_is_not(self) -> None:
        new = replace(run("new", os="Linux 6.2", load_average=[2.0], packages={"aiohttp": "4"}), version="0.2.0")
        found = comparison_of_runs(run(), new)
        assert found.refused == ()
        assert found.stated == ("bench: 0.1.0 → 0.2.0", "os: Linux 6.1 → Linux 6.2", "packages.aiohttp: 3.14 → 4")

    def test_a_variant_that_is_not_the_same_in_both_is_left_out_and_told(self) -> None:
        found = comparison_of_runs(run(), run("new", text=TEXT + "broker: {partitions: 2}\n"))
        assert {each.variant for each in found.changes} == {"sync"}
        assert "events is left out: its options differ" in found.stated


class TestCommand:
    def invoke(self, *arguments: object) -> tuple[int, str, str]:
        result = CliRunner().invoke(cli.app, ["compare", *map(str, arguments)])
        return result.exit_code, result.stdout, result.stderr

    def test_the_table_and_the_sentence_are_printed(self, tmp_path: Path) -> None:
        old, new = store(run(), tmp_path / "old"), store(run("new", slower=1.3), tmp_path / "new")
        code, printed, _ = self.invoke(old, new)
        assert code == 0
        assert "accept latency p50" in printed
        assert "Beyond noise: events" in printed

    def test_as_json(self, tmp_path: Path) -> None:
        old, new = store(run(), tmp_path / "old"), store(run("new", slower=1.3), tmp_path / "new")
        code, printed, _ = self.invoke(old, new, "--json")
        found = json.loads(printed)
        assert (code, found["comparable"], found["paired"]) == (0, True, True)
        assert {entry["variant"] for entry in found["comparisons"]} == {"sync", "events"}

    def test_what_cannot_be_compared_exits_by_its_cause(self, tmp_path: Path) -> None:
        old, bad = store(run(), tmp_path / "old"), store(run("bad", valid=False), tmp_path / "bad")
        other = store(run("other", cpu="Another"), tmp_path / "other")
        torn = store(run("torn"), tmp_path / "torn")
        (torn / "summary.json").write_text("{")
        for second, expected, why in (
            (other, 2, "differ in cpu"),
            (old, 2, "the same run"),
            (tmp_path / "none", 2, "is not a run"),
            (old / "summary.json", 2, "is not a run"),
            (bad, 110, "the new run is not valid"),
            (torn, 111, "cannot be read"),
        ):
            code, printed, said = self.invoke(old, second)
            assert (code, printed) == (expected, "")
            assert why in said.replace("\n", " ")
