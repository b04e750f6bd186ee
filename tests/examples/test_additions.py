"""A new thing is one file and one entry of one table: the examples of the documents, each alone in a copy of the tree."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from additions import EXAMPLES, bench, listed, measured, python, scenario, suite, tree_with, virtually

from registration import luck

With = Callable[..., Path]


@pytest.fixture
def tree(tmp_path: Path) -> With:
    def make(*files: str) -> Path:
        return tree_with(tmp_path, *files)

    return make


def test_every_file_beside_the_page_is_one_of_its_additions() -> None:
    assert {path.name for path in EXAMPLES.glob("*.py")} == set(listed())


def test_a_service_is_called_and_consumed(tree: With) -> None:
    place = tree("sms.py")
    small = scenario(
        place,
        "workload: {rate: 20, duration: 2s, warmup: 0s}\nvariants: [sync, sync-concurrent, events]\n"
        "broker: {kind: embedded}\nservices: {sms: {latency: 3ms}}\n",
    )
    for variant in ("sync", "sync-concurrent", "events"):
        assert virtually(place, small, variant)["effects"]["sms"] == [1] * 40
    variants = measured(place, small)["variants"]
    for side in ("sync", "events"):
        assert variants[side]["effects"]["by_service"]["sms"]["applied"] == 40
        assert variants[side]["registrations"]["complete"] == 40


RATES = {"email": 0.3, "analytics": 0.2, "cache": 0.1}
FAILING = (
    "seed: 5\nservices: {email: {errorRate: 0.3}, analytics: {errorRate: 0.2}, cache: {errorRate: 0.1}}\n"
    "workload: {rate: 20, duration: 3s, warmup: 0s}\n"
)


def accepted_with(attempts: int) -> list[int]:
    """Those for whom each service has an attempt among so many that its draw lets through."""
    seed = luck.block_seed(5, 0)

    def fails(index: int, service: str, attempt: int) -> bool:
        return luck.uniform(seed, luck.registration_id(seed, index), service, attempt, "error") < RATES[service]

    return [
        index
        for index in range(60)
        if not any(all(fails(index, service, n) for n in range(1, attempts + 1)) for service in RATES)
    ]


def test_a_variant_that_retries_is_accepted_as_often_as_its_attempts_are_lucky(tree: With) -> None:
    place = tree("sync_retrying.py")
    small = scenario(place, FAILING + "variants: [sync-concurrent, {name: thrice, base: sync-retrying}]\n")
    small.write_text(small.read_text().replace("sync-retrying}", "sync-retrying, options: {attempts: 3, timeout: 1s}}"))
    assert virtually(place, small, "sync-concurrent")["accepted"] == accepted_with(1)
    assert virtually(place, small, "thrice")["accepted"] == accepted_with(3)
    assert len(accepted_with(3)) > len(accepted_with(1))

    predicted = json.loads(bench(place, "plan", "--json", small))
    assert "thrice" in json.dumps(predicted)
    small.write_text(small.read_text().replace("sync-concurrent, ", ""))
    assert measured(place, small)["variants"]["thrice"]["counts"]["acked"] == len(accepted_with(3))


def test_a_variant_may_have_a_process_of_its_own_that_faults_hit(tree: With) -> None:
    place = tree("events_relayed.py")
    small = scenario(
        place,
        "workload: {rate: 20, duration: 3s, warmup: 0s}\nvariants: [events-relayed]\n"
        "faults: [{target: relay, type: kill, at: 1s, duration: 800ms}]\n",
    )
    trial = virtually(place, small, "events-relayed")
    assert (trial["drained"], trial["hit"], len(trial["accepted"])) == (True, ["relay"], 60)
    assert all(min(counts) >= 1 for counts in trial["effects"].values())
    run = measured(place, small)["variants"]["events-relayed"]
    assert (run["counts"]["acked"], run["registrations"]["lost"], run["registrations"]["pending"]) == (60, 0, 0)
    assert run["effects"]["applied"] == 180
    (fault,) = pd.read_parquet(place / "out" / "faults.parquet").to_dict("records")
    assert fault["ready_s"] > 0
    assert run["cpu_ms_per_registration"]["by_process"]["relay"] > 0


def test_a_relay_waits_for_a_broker_that_is_away(tree: With) -> None:
    place = tree("events_relayed.py")
    small = scenario(
        place,
        "workload: {rate: 20, duration: 4s, warmup: 0s}\nvariants: [events-relayed, events]\n"
        "faults: [{target: broker, type: kill, at: 500ms, duration: 3s}]\n",
    )
    trial = virtually(place, small, "events-relayed")
    assert (trial["drained"], trial["hit"], len(trial["accepted"])) == (True, ["broker"], 80)
    assert all(min(counts) >= 1 for counts in trial["effects"].values())
    # Who publishes and waits cannot accept anybody meanwhile.
    assert len(virtually(place, small, "events")["accepted"]) < 80


@pytest.mark.parametrize(
    ("file", "variant", "option"),
    [("sync_retrying.py", "sync-retrying", "attempts"), ("events_relayed.py", "events-relayed", "lookEvery")],
)
def test_a_variant_is_known_wherever_one_is_asked_for(tree: With, file: str, variant: str, option: str) -> None:
    place = tree(file)
    assert f"{option}: " in bench(place, "variants").partition(f"{variant}  ")[2]
    small = scenario(place, f"variants: [{{name: mine, base: {variant}, options: {{{option[:-1]}: 3}}}}]\n")
    said = bench(place, "validate", small, codes=(104,))
    assert f"'{option[:-1]}' is no option; did you mean '{option}'" in said
    colour = f"from benchmarks.charts.palette import QUIET, variant_colours as of; print(of({{'x': '{variant}'}})['x'] != QUIET)"
    assert python(place, "-c", colour) == "True\n"
    assert " passed" in suite(place, "tests/virtual/test_promises.py", "-k", variant.rpartition("-")[2])


def test_a_fault_in_a_service_s_work_has_keys_of_its_own(tree: With) -> None:
    place = tree("starve.py")
    small = scenario(
        place,
        "workload: {rate: 20, duration: 3s, warmup: 0s}\nvariants: [sync-concurrent]\n"
        "faults: [{target: cache, type: starve, at: 1s, duration: 1s, wait: 500ms}]\n",
    )
    assert "wait" in bench(place, "faults").partition("starve")[2]
    trial = virtually(place, small, "sync-concurrent")
    inside = [1 <= due < 2 for due in trial["intended_s"]]
    assert [status == 502 for status in trial["statuses"]] == inside
    assert trial["effects"]["cache"] == [0 if hit else 1 for hit in inside]
    waited = [ms for ms, hit in zip(trial["replied_ms"], inside, strict=True) if hit]
    assert {round(ms) for ms in waited} == {502}  # 500 ms in vain, after 2 ms of work
    assert " passed" in suite(place, "tests/unit/test_fault_kinds.py", "-k", "starve and not documents")


def test_a_fault_of_a_process_does_something_while_it_lasts(tree: With) -> None:
    place = tree("stutter.py")
    small = scenario(
        place,
        "workload: {rate: 20, duration: 3s, warmup: 0s}\nvariants: [sync-concurrent]\n"
        "faults: [{target: email, type: stutter, at: 1s, duration: 1s, still: 100ms, moving: 50ms}]\n",
    )
    assert "moving 100ms" in bench(place, "faults").partition("stutter")[2]
    trial = virtually(place, small, "sync-concurrent")
    assert trial["hit"] == ["email/0"]
    # Nobody waits longer than it stands still at a time, and somebody waits almost so long.
    usual = max(ms for ms, due in zip(trial["replied_ms"], trial["intended_s"], strict=True) if due < 0.8)
    assert usual + 50 < max(trial["replied_ms"]) <= usual + 100
    windows = measured(place, small)["variants"]["sync-concurrent"]["windows"]
    assert windows["during"]["accept_latency_ms"]["max"] > windows["before"]["accept_latency_ms"]["p50"] + 50
    (fault,) = pd.read_parquet(place / "out" / "faults.parquet").to_dict("records")
    assert 0 <= fault["end_ns"] - fault["begin_ns"] - 10**9 < 10**9
    assert " passed" in suite(
        place, "tests/unit/test_fault_kinds.py", "tests/unit/test_fault_schedule.py", "-k", "stutter and not documents"
    )


def test_a_broker_keeps_the_contract_as_far_as_it_says_and_carries_a_run(tree: With) -> None:
    place = tree("journal_client.py", "journal_server.py")
    assert " passed" in suite(place, "tests/contract", "-k", "journal")
    assert " passed" in suite(place, "tests/unit/test_broker_kinds.py")
    small = scenario(
        place,
        "workload: {rate: 20, duration: 2s, warmup: 0s}\nvariants: [events]\nbroker: {kind: journal}\n",
    )
    run = measured(place, small)["variants"]["events"]
    assert (run["broker"]["kind"], run["registrations"]["complete"]) == ("journal", 40)
    assert run["consumer_lag_max"] is not None
    small.write_text(small.read_text() + "services: {email: {instances: 2}}\n")
    assert "the groups of the broker 'journal' have one member" in bench(place, "validate", small, codes=(104,))


METRIC = "told_no_ratio"
ASKS = f"""
import json, sys
from pathlib import Path

from stored import every_ending, stored_run

from benchmarks.analysis.summary_model import Summary
from benchmarks.words.table import side_by_side

out = Path("out")
hypothesis = {{"metric": "{METRIC}{{window:during}}", "difference": "events-sync", "expect": "< 0"}}
stored_run(out, change=every_ending, hypothesis=hypothesis, thresholds={{"{METRIC}": ["< 0.2"]}})
rows = side_by_side(Summary.read(out / "summary.json"))
print(json.dumps([(row.section, row.name, row.values, row.comparison) for row in rows]))
"""


def test_a_metric_is_measured_compared_judged_and_shown(tree: With) -> None:
    place = tree("told_no.py")
    rows = [row for row in json.loads(python(place, "-c", ASKS, beside=["tests/unit"])) if row[1] == "told no"]
    assert [row[0] for row in rows] == ["During the fault", "Whole run"]
    assert all("events − sync −" in row[3] for row in rows)
    summary = json.loads((place / "out" / "summary.json").read_text())

    sync = summary["variants"]["sync"]
    told_no = sync["counts"]["refused"] + sync["counts"]["failed"]
    assert told_no > 0
    assert sync[METRIC] == pytest.approx(told_no / sync["counts"]["offered"], rel=1e-5)
    assert [set(figures) >= {METRIC} for figures in (*sync["trials"], *sync["windows"].values())] == [True] * 6

    assert {entry["variant"]: entry["passed"] for entry in summary["thresholds"]} == {"sync": False, "events": True}
    assert summary["comparison"]["ci95"] is not None
    found = [entry for entry in summary["comparisons"] if entry["metric"] == METRIC]
    assert [entry["difference"] for entry in found] == ["events-sync"]
    alone = [entry["metric"] for entry in summary["comparisons_alone"]]
    assert f"{METRIC}{{window:during}}" in alone


DRAWS = """
from pathlib import Path
from stored import stored_run
from benchmarks.charts import CHARTS, draw_all

stored_run(Path("out"))
print([path.name for path in draw_all(Path("out"))][-2:])
print(CHARTS[-1].title)
"""


def test_a_chart_is_drawn_from_a_stored_run(tree: With) -> None:
    place = tree("drain_after_load.py")
    said = python(place, "-c", DRAWS, beside=["tests/unit"])
    assert said.startswith("['drain_after_load.svg', 'drain_after_load.png']")
    svg = (place / "out" / "charts" / "drain_after_load.svg").read_text(encoding="utf-8")
    assert "<title>After the last arrival, work went on for " in svg
