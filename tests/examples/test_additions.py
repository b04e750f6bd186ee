"""A new thing is one file and one entry of one table: the examples of the documents, in copies of the tree."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from additions import EXAMPLES, bench, listed, measured, python, scenario, suite, tree_with, virtually

from registration import luck

With = Callable[..., Path]
NO_DOCUMENTS = "not documents"  # an example is not in the pages that list what there is


@pytest.fixture
def tree(tmp_path: Path) -> With:
    def make(*files: str) -> Path:
        return tree_with(tmp_path, *files)

    return make


def test_every_file_beside_the_page_is_one_of_its_additions() -> None:
    assert {path.name for path in EXAMPLES.glob("*.py")} == set(listed())


# ── a service ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("variant", ["sync", "events"])
def test_a_service_is_heard_of_on_both_sides(tree: With, variant: str) -> None:
    place = tree("sms.py")
    small = scenario(place, "workload: {rate: 20, duration: 2s, warmup: 0s}\n")
    assert virtually(place, small, variant)["effects"]["sms"] == [1] * 40


# ── variants ──────────────────────────────────────────────────────────────────────────────────────────────────────────

SEED, ARRIVALS, RATES = 5, 60, {"email": 0.3, "analytics": 0.2, "cache": 0.1}
FAILING = (
    f"seed: {SEED}\nworkload: {{rate: 20, duration: 3s, warmup: 0s}}\n"
    f"services: {{{', '.join(f'{name}: {{errorRate: {rate}}}' for name, rate in RATES.items())}}}\n"
)
THRICE = "{name: thrice, base: sync-retrying, options: {attempts: 3, firstWait: 50ms}}"


def accepted_with(attempts: int) -> list[int]:
    """Those for whom each service has an attempt among so many that its draw lets through."""
    seed = luck.block_seed(SEED, 0)

    def fails(index: int, service: str, attempt: int) -> bool:
        return luck.uniform(seed, luck.registration_id(seed, index), service, attempt, "error") < RATES[service]

    def served(index: int, service: str) -> bool:
        return not all(fails(index, service, attempt) for attempt in range(1, attempts + 1))

    return [index for index in range(ARRIVALS) if all(served(index, service) for service in RATES)]


def test_a_variant_that_retries_is_accepted_as_often_as_its_attempts_are_lucky(tree: With) -> None:
    place = tree("sync_retrying.py")
    small = scenario(place, f"{FAILING}variants: [sync-concurrent, {THRICE}]\n")
    assert virtually(place, small, "sync-concurrent")["accepted"] == accepted_with(1)
    assert virtually(place, small, "thrice")["accepted"] == accepted_with(3)
    assert len(accepted_with(3)) > len(accepted_with(1))


def test_a_relay_waits_for_a_broker_that_is_away_and_people_do_not(tree: With) -> None:
    place = tree("events_relayed.py")
    small = scenario(
        place,
        "workload: {rate: 20, duration: 4s, warmup: 0s}\nvariants: [events-relayed, events]\n"
        "faults: [{target: broker, type: kill, at: 500ms, duration: 3s}]\n",
    )
    trial = virtually(place, small, "events-relayed")
    assert (trial["drained"], trial["hit"], len(trial["accepted"])) == (True, ["broker"], 80)
    assert all(min(counts) >= 1 for counts in trial["effects"].values())
    # Who publishes and waits for the broker accepts fewer meanwhile.
    assert len(virtually(place, small, "events")["accepted"]) < 80


REFUSING = """
import asyncio
from pathlib import Path

from event_impl.brokers.port import BrokerError
from event_impl.variants.events_relayed import _announce_forever
from registration import luck
from registration.registration import Registration
from registration.users import SqliteUsers
from virtual import run

class Refusing:
    def __init__(self):
        self.asked, self.taken = 0, []

    async def publish(self, message):
        self.asked += 1
        taken = asyncio.get_running_loop().create_future()
        if self.asked == 2:
            raise BrokerError("not now")
        if self.asked == 3:
            taken.set_exception(OSError("nor later"))
        else:
            self.taken.append(message.key)
            taken.set_result(None)
        return taken

async def announce():
    users, publisher = SqliteUsers(Path(".")), Refusing()
    for number in range(3):
        id_ = luck.registration_id(1, number)
        users.store(Registration(id_, luck.registration_id(2, number), "", "00"), announce_later=True)
    ids = [luck.registration_id(2, number).bytes for number in range(3)]
    relay = asyncio.create_task(_announce_forever(users, publisher, 0.02))
    await asyncio.sleep(1)
    relay.cancel()
    print(publisher.asked, users.waiting(), publisher.taken == ids)

run(announce())
"""


def test_a_relay_keeps_what_a_broker_refuses_and_its_place(tree: With) -> None:
    assert python(tree("events_relayed.py"), "-c", REFUSING).stdout == "5 0 True\n"


@pytest.mark.parametrize(
    ("file", "variant", "option"),
    [("sync_retrying.py", "sync-retrying", "attempts"), ("events_relayed.py", "events-relayed", "lookEvery")],
)
def test_a_variant_is_known_wherever_one_is_asked_for(tree: With, file: str, variant: str, option: str) -> None:
    place, mistaken = tree(file), option[:-1]
    assert f"{option}: " in bench(place, "variants").partition(f"{variant}  ")[2]
    small = scenario(place, f"variants: [{variant}, {{name: mine, base: {variant}, options: {{{mistaken}: 3}}}}]\n")
    said = bench(place, "validate", small, codes=(104,))
    assert f"variants[1].options.{mistaken}: unknown option {mistaken!r}; did you mean {option!r}" in said
    scenario(place, f"workload: {{rate: 20, duration: 3s, warmup: 0s}}\nvariants: [{variant}]\n")
    assert json.loads(bench(place, "plan", "--json", small))["predicted"][0]["variant"] == variant
    colour = f"from benchmarks.charts.palette import *; print(variant_colours({{'x': '{variant}'}})['x'] != QUIET)"
    assert python(place, "-c", colour).stdout == "True\n"


def test_what_a_variant_promises_holds_whichever_process_dies_and_whenever(tree: With) -> None:
    place = tree("sync_retrying.py", "events_relayed.py")
    assert suite(place, "tests/virtual/test_promises.py", "-k", "sync-retrying or events-relayed") == 8


# ── faults ────────────────────────────────────────────────────────────────────────────────────────────────────────────


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


def test_a_fault_of_a_process_does_something_while_it_lasts(tree: With) -> None:
    place = tree("stutter.py")
    small = scenario(
        place,
        "workload: {rate: 20, duration: 3s, warmup: 0s}\nvariants: [sync-concurrent]\n"
        "faults: [{target: email, type: stutter, at: 1s, duration: 1s, still: 100ms, moving: 50ms}]\n"
        "services: {analytics: {latency: 1ms}}\n",
    )
    assert "moving" in bench(place, "faults").partition("stutter")[2]
    trial = virtually(place, small, "sync-concurrent")
    assert trial["hit"] == ["email/0"]
    # 20 ms of work; nobody waits longer than it stands still at a time, and somebody almost so long.
    assert 70 < max(trial["replied_ms"]) <= 120


def test_what_is_true_of_every_fault_is_true_of_these(tree: With) -> None:
    place = tree("starve.py", "stutter.py")
    suites = ("tests/unit/test_fault_kinds.py", "tests/unit/test_fault_injection.py")
    assert suite(place, *suites, "-k", f"(starve or stutter) and {NO_DOCUMENTS}") > 30


# ── for real ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_on_real_wires_a_service_is_called_again_and_a_process_stutters(tree: With) -> None:
    place = tree("sms.py", "sync_retrying.py", "stutter.py")
    small = scenario(
        place,
        f"{FAILING}variants: [{THRICE}]\n"
        "faults: [{target: sms, type: stutter, at: 1s, duration: 1s, still: 100ms, moving: 50ms}]\n",
    )
    run = measured(place, small)["variants"]["thrice"]
    assert run["counts"]["acked"] == len(accepted_with(3))
    assert run["effects"]["by_service"]["sms"]["applied"] == ARRIVALS
    attempts = pd.read_parquet(place / "out" / "effects.parquet")
    sms = attempts[attempts["service"] == "sms"]
    received = pd.read_parquet(place / "out" / "history.parquet").set_index("index")["received_ns"]
    # Its calls wait in the socket of a process that stands still for two thirds of the time; the work takes 5 ms.
    assert (sms["applied_ns"] - sms["index"].map(received)).max() > 30e6
    (fault,) = pd.read_parquet(place / "out" / "faults.parquet").to_dict("records")
    assert fault["end_ns"] - fault["begin_ns"] >= 0.9e9


def test_on_a_real_broker_a_relay_that_is_killed_loses_nothing(tree: With) -> None:
    place = tree("events_relayed.py")
    small = scenario(
        place,
        "workload: {rate: 20, duration: 3s, warmup: 0s}\nvariants: [events-relayed]\n"
        "faults: [{target: relay, type: kill, at: 1s, duration: 800ms}]\n",
    )
    trial = virtually(place, small, "events-relayed")
    assert (trial["drained"], trial["hit"], len(trial["accepted"])) == (True, ["relay"], ARRIVALS)
    # It was away for 0.8 s: what came meanwhile was done after it had come back.
    assert all(min(counts) >= 1 for counts in trial["effects"].values())
    run = measured(place, small)["variants"]["events-relayed"]
    assert (run["counts"]["acked"], run["registrations"]["lost"], run["registrations"]["pending"]) == (ARRIVALS, 0, 0)
    assert run["completion_latency_ms"]["max"] > 200
    (fault,) = pd.read_parquet(place / "out" / "faults.parquet").to_dict("records")
    assert fault["ready_s"] > 0
    assert run["cpu_ms_per_registration"]["by_process"]["relay"] > 0


def test_a_broker_keeps_the_contract_as_far_as_it_says_and_carries_a_run(tree: With) -> None:
    place = tree("journal_client.py", "journal_server.py")
    assert suite(place, "tests/contract", "tests/unit/test_broker_kinds.py", "-k", "journal") > 20
    small = scenario(
        place, "workload: {rate: 20, duration: 3s, warmup: 0s}\nvariants: [events]\nbroker: {kind: journal}\n"
    )
    run = measured(place, small)["variants"]["events"]
    assert (run["broker"]["kind"], run["registrations"]["complete"]) == ("journal", ARRIVALS)
    assert run["consumer_lag_max"] is not None
    small.write_text(small.read_text() + "services: {email: {instances: 2}}\n")
    assert "the groups of the broker 'journal' have one member" in bench(place, "validate", small, codes=(104,))


# ── from what is stored ───────────────────────────────────────────────────────────────────────────────────────────────

METRIC = "told_no_ratio"
ASKS = f"""
import json
from pathlib import Path

from stored import every_ending, stored_run

from benchmarks.analysis.summary_model import Summary
from benchmarks.words.table import side_by_side

hypothesis = {{"metric": "{METRIC}{{window:during}}", "difference": "events-sync", "expect": "< 0"}}
stored_run(Path("out"), change=every_ending, hypothesis=hypothesis, thresholds={{"{METRIC}": ["< 0.2"]}})
rows = side_by_side(Summary.read(Path("out/summary.json")))
print(json.dumps([(row.section, row.name, row.values, row.comparison) for row in rows]))
"""


def test_a_metric_is_measured_compared_judged_and_shown(tree: With) -> None:
    place = tree("told_no.py")
    said = python(place, "-c", ASKS, beside=["tests/unit"]).stdout
    rows = [row for row in json.loads(said) if row[1] == "told no"]
    assert [row[0] for row in rows] == ["During the fault", "Whole run"]
    assert all(" points less " in row[3].replace("\u00a0", " ") for row in rows)
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
from benchmarks.charts import CHARTS
from benchmarks.charts.run_data import RunData
from benchmarks.charts.output import save, settings

stored_run(Path("out"))
data, chart = RunData.read(Path("out")), CHARTS[-1]
with settings(chart.name):
    save(chart.draw(data), chart, chart.title(data), Path("out"))
"""


def test_a_chart_is_drawn_from_a_stored_run(tree: With) -> None:
    place = tree("drain_after_load.py")
    python(place, "-c", DRAWS, beside=["tests/unit"])
    svg = (place / "out" / "drain_after_load.svg").read_text(encoding="utf-8")
    assert "<title>After the last arrival, work went on for " in svg
    assert (place / "out" / "drain_after_load.png").stat().st_size > 10_000
