"""A run: what it writes, that its figures add up, and how it ends when it is cut short."""

import asyncio
import gc
import json
import os
import signal
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import cast

import pandas as pd
import psutil
import pytest

from benchmarks.exit_code import ExitCode
from benchmarks.metrics.endings import REGISTRATION_CATEGORIES
from benchmarks.planning.plan import PlannedTrial
from benchmarks.progress import SilentObserver
from benchmarks.run import RunResult, rebuild, run
from benchmarks.scenario import Scenario, load, load_text
from benchmarks.scenario.override import override
from benchmarks.store import DID_NOT_END, Results, load_trials
from virtual.predict import predict

RATE, DURATION_S = 25, 3
OFFERED = RATE * DURATION_S
SERVICES = ("email", "analytics", "cache")
VARIANTS = ("sync", "events")
PERCENTILES = {"p50", "p90", "p95", "p99", "p999", "max", "mean"}

SCENARIO = f"""
version: 1
name: small
title: A small run
claim: synchronous-blocking
workload: {{rate: {RATE}, duration: {DURATION_S}s, warmup: 1s}}
services: {{analytics: {{latency: 5ms}}}}
faults:
  - {{name: slow, target: email, type: latency, at: 1s, duration: 1s, latency: 100ms}}
thresholds: {{registrations.lost: ["== 0"]}}
hypothesis: {{metric: "accept_latency_ms.p50{{window:during}}", ratio: events/sync, expect: "< 0.5"}}
blocks: 1
seed: 7
"""

IDENTITY = ["trial", "variant", "block"]
COLUMNS = {
    "history": [
        *(*IDENTITY, "index", "registration_id", "intended_ns", "sent_ns", "received_ns", "stored_ns"),
        *("replied_ns", "answered_ns", "outcome", "status", "host", "api_host"),
    ],
    "effects": [
        *(*IDENTITY, "index", "registration_id", "service", "attempt", "instance"),
        *("received_ns", "started_ns", "applied_ns", "settled_ns", "failed", "host"),
    ],
    "lag": [*IDENTITY, "t_ns", "group", "lag", "host"],
    "resources": [*IDENTITY, "t_ns", "process", "cpu_ms", "rss_mb", "host"],
    "in_flight": [*IDENTITY, "t_ns", "process", "in_flight", "host"],
    "faults": [
        *(*IDENTITY, "name", "target", "type", "planned_begin_ns", "planned_end_ns"),
        *("begin_ns", "end_ns", "ready_s", "applicable", "host"),
    ],
    "registrations": [
        *(*IDENTITY, "index", "registration_id", "intended_ns", "outcome", "accept_latency_ms"),
        *REGISTRATION_CATEGORIES,
        *("missing", "missing_pending", *(f"applied:{service}" for service in SERVICES)),
        *("first_applied_ns", "last_applied_ns"),
    ],
}


def small(**changes: object) -> Scenario:
    scenario = load_text(SCENARIO, "small")
    return override(scenario, **changes) if changes else scenario  # type: ignore[arg-type]


def children() -> set[int]:
    return {child.pid for child in psutil.Process().children(recursive=True)}


class Quiet(SilentObserver):
    """Remembers the phases, and does something at the beginning of the load of one trial."""

    def __init__(self, at_trial: int = 0, act: Callable[[], None] = lambda: None) -> None:
        self.phases: list[str] = []
        self._at_trial = at_trial
        self._act = act

    def trial_began(self, trial: PlannedTrial) -> None:
        self.phases.append(f"{trial.label} began")

    def load_began(self, trial: PlannedTrial, rows: Path, start_ns: int) -> None:
        self.phases.append(f"{trial.label} under load")
        if trial.number == self._at_trial:
            self._act()

    def load_ended(self, trial: PlannedTrial) -> None:
        self.phases.append(f"{trial.label} load ended")

    def trial_ended(self, trial: PlannedTrial) -> None:
        self.phases.append(f"{trial.label} ended")


class Finished:
    """One run that came to its planned end, for all tests that only look at it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.observer = Quiet()
        before = children()
        self.outcome: RunResult = asyncio.run(
            run(small(), Results.create(directory), self.observer, predict, command="bench x")
        )
        self.left_over = children() - before
        self.summary = json.loads((directory / "summary.json").read_text())

    def frame(self, name: str) -> pd.DataFrame:
        return pd.read_parquet(self.directory / f"{name}.parquet")


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    return Finished(tmp_path_factory.mktemp("run") / "out")


def test_it_ends_well_and_says_so(finished: Finished) -> None:
    # On a machine that is busy with something else the run may rightly judge itself: then it says why.
    if finished.summary["valid"]:
        assert finished.outcome.exit_code == ExitCode.OK
    else:
        assert finished.outcome.exit_code == ExitCode.NOT_VALID
        assert finished.summary["invalid_reasons"]


def test_no_process_is_left(finished: Finished) -> None:
    assert finished.left_over == set()


def test_the_phases_of_each_trial_come_in_order(finished: Finished) -> None:
    steps = ("began", "under load", "load ended", "ended")
    assert finished.observer.phases == [f"{label} {step}" for label in ("01-sync", "02-events") for step in steps]


def test_every_file_is_there(finished: Finished) -> None:
    files = {path.name for path in finished.directory.iterdir()}
    assert files >= {
        *("scenario.yaml", "plan.json", "environment.json", "summary.json", "report.html"),
        *(f"{name}.parquet" for name in COLUMNS),
        *("trials", "charts", "logs"),
    }
    charts = list((finished.directory / "charts").iterdir())
    assert {chart.suffix for chart in charts} == {".svg", ".png"}
    assert {chart.stem for chart in charts if chart.suffix == ".svg"} == {
        chart.stem for chart in charts if chart.suffix == ".png"
    }


def test_nothing_is_left_half_written(finished: Finished) -> None:
    assert [path for path in finished.directory.rglob("*") if path.name.endswith(".part")] == []


@pytest.mark.parametrize("name", COLUMNS)
def test_each_table_has_its_columns(finished: Finished, name: str) -> None:
    assert list(finished.frame(name).columns) == COLUMNS[name]


@pytest.mark.parametrize("name", COLUMNS)
def test_the_tables_of_the_run_are_those_of_its_trials(finished: Finished, name: str) -> None:
    parts = [pd.read_parquet(path) for path in sorted(finished.directory.glob(f"trials/*/{name}.parquet"))]
    assert len(parts) == 2
    pd.testing.assert_frame_equal(pd.concat(parts, ignore_index=True), finished.frame(name))


def test_every_arrival_has_its_row_and_every_effect_too(finished: Finished) -> None:
    history, effects = finished.frame("history"), finished.frame("effects")
    assert history.groupby("variant").size().to_dict() == dict.fromkeys(VARIANTS, OFFERED)
    applied = effects[effects["applied_ns"].notna()]
    assert applied.groupby(["variant", "service"]).size().to_dict() == {
        (variant, service): OFFERED for variant in VARIANTS for service in SERVICES
    }


def test_the_counts_add_up(finished: Finished) -> None:
    for variant in VARIANTS:
        counts = finished.summary["variants"][variant]["counts"]
        ended = ("acked", "refused", "failed", "indeterminate", "dropped")
        assert counts["offered"] == OFFERED == sum(counts[outcome] for outcome in ended)
        effects = finished.summary["variants"][variant]["effects"]
        assert effects["expected"] == OFFERED * len(SERVICES)
        assert finished.summary["variants"][variant]["registrations"]["complete"] == OFFERED


def test_times_run_forwards(finished: Finished) -> None:
    history, effects = finished.frame("history"), finished.frame("effects")
    for frame, columns in (
        (history, ["intended_ns", "sent_ns", "received_ns", "stored_ns", "replied_ns", "answered_ns"]),
        (effects[~effects["failed"]], ["received_ns", "started_ns", "applied_ns", "settled_ns"]),
    ):
        times = frame[columns].dropna()
        assert len(times) == len(frame)
        assert (times.diff(axis=1).iloc[:, 1:] >= 0).all(axis=None)


def test_every_variant_met_the_same_arrivals(finished: Finished) -> None:
    history = finished.frame("history")
    sync, events = (
        history[history["variant"] == variant][["index", "registration_id", "intended_ns"]].reset_index(drop=True)
        for variant in VARIANTS
    )
    pd.testing.assert_frame_equal(sync, events)


def test_the_warm_up_is_kept_apart(finished: Finished) -> None:
    for path in finished.directory.glob("trials/*/warmup.parquet"):
        warmup = pd.read_parquet(path)
        assert warmup["index"].tolist() == list(range(-RATE, 0))
        assert (warmup["intended_ns"] < 0).all()


def test_the_fault_was_on_when_it_was_planned(finished: Finished) -> None:
    faults = finished.frame("faults")
    assert faults["variant"].tolist() == list(VARIANTS)
    assert faults["applicable"].all()
    for edge in ("begin", "end"):
        assert (faults[f"{edge}_ns"] >= faults[f"planned_{edge}_ns"]).all()
    assert (faults["begin_ns"] < faults["planned_end_ns"]).all()


def test_work_begun_in_the_fault_is_slow_and_none_else(finished: Finished) -> None:
    effects = finished.frame("effects")
    email = effects[effects["service"] == "email"]
    took_ms = (email["applied_ns"] - email["started_ns"]) / 1e6
    inside = email["started_ns"].between(1_000_000_000, 2_000_000_000, inclusive="left")
    assert took_ms[inside].min() >= 120.0
    assert took_ms[~inside].median() < 120.0


def test_processes_are_sampled(finished: Finished) -> None:
    resources = finished.frame("resources")
    for variant in VARIANTS:
        mine = resources[resources["variant"] == variant]
        expected = {"api/0", "email/0", "analytics/0", "cache/0", "load", "harness", "machine", "broker"}
        expected |= {"topics"} if variant == "events" else set()
        expected |= {"machine:busy"} | ({"machine:pressure"} if Path("/proc/pressure/cpu").exists() else set())
        assert set(mine["process"]) == expected
        assert (mine.groupby("process")["cpu_ms"].diff().dropna() >= 0).all()


def test_the_api_counts_what_it_has_in_hand(finished: Finished) -> None:
    samples = finished.frame("in_flight")
    assert set(samples["process"]) == {"api/0"}
    for _, of_trial in samples.groupby("trial"):
        assert of_trial["t_ns"].is_monotonic_increasing
        assert of_trial["t_ns"].between(0, DURATION_S * 1_000_000_000).sum() > 10 * DURATION_S
        assert of_trial["in_flight"].iloc[-1] == 0


def test_only_the_event_side_has_lag_and_a_broker(finished: Finished) -> None:
    lag = finished.frame("lag")
    assert set(lag["variant"]) == {"events"}
    assert set(lag["group"]) == set(SERVICES)
    assert lag.sort_values("t_ns").groupby("group")["lag"].last().tolist() == [0, 0, 0]
    sync, events = (finished.summary["variants"][variant] for variant in VARIANTS)
    assert (sync["broker"], sync["consumer_lag_max"]) == (None, None)
    assert events["broker"]["kind"] == "kafka"
    assert events["broker"]["version"].startswith("4.")


def test_the_summary_has_every_key_for_every_variant(finished: Finished) -> None:
    summary = finished.summary
    assert set(summary) >= {
        *("format_version", "scenario", "claim", "seed", "valid", "invalid_reasons"),
        *("variants", "comparison", "comparisons", "thresholds"),
    }
    assert (summary["scenario"], summary["claim"], summary["seed"]) == ("small", "synchronous-blocking", 7)
    assert list(summary["variants"]) == list(VARIANTS)
    for figures in summary["variants"].values():
        has_every_key(figures)
        assert len(figures["trials"]) == 1
        has_every_key(figures["trials"][0], of_trial=True)
        assert set(figures["windows"]) == {"before", "during", "after"}
        for window in figures["windows"].values():
            assert set(window) >= {"counts", "accept_ratio", "slo_ratio", "accept_latency_ms"}


def has_every_key(figures: Mapping[str, object], *, of_trial: bool = False) -> None:
    keys = {
        *("counts", "accept_ratio", "slo_ratio", "throughput_per_s", "accept_latency_ms", "reply_latency_ms"),
        *("service_time_ms", "schedule_delay_ms", "completion_latency_ms", "registrations", "effects"),
        *("outstanding_max", "consumer_lag_max", "drain_s", "recovery_s", "cpu_ms_per_registration", "rss_mb_max"),
        *("windows",),
    }
    assert set(figures) >= keys | (set() if of_trial else {"broker", "findings", "trials"})
    nested = {
        "counts": {"offered", "sent", "acked", "refused", "failed", "indeterminate", "dropped"},
        **dict.fromkeys(("accept_latency_ms", "reply_latency_ms", "service_time_ms", "schedule_delay_ms"), PERCENTILES),
        "completion_latency_ms": PERCENTILES | {"by_service"},
        "registrations": {
            *("complete", "pending", "dead_lettered", "lost", "stranded", "recovered", "unexpected", "duplicated"),
        },
        "effects": {
            *("expected", "applied", "pending", "dead_lettered", "lost", "stranded", "unexpected", "duplicated"),
            "by_service",
        },
        "cpu_ms_per_registration": {"total", "by_process"},
    }
    for name, expected in nested.items():
        assert set(cast(Mapping[str, object], figures[name])) >= expected, name
    for name in ("completion_latency_ms", "effects"):
        by_service = cast(Mapping[str, Mapping[str, object]], figures[name])["by_service"]
        assert set(by_service) == set(SERVICES)


def test_one_block_gives_an_estimate_and_no_verdict(finished: Finished) -> None:
    comparison = finished.summary["comparison"]
    assert comparison["ratio"] == "events/sync"
    assert comparison["estimate"] < 0.5
    assert comparison["ci95"] is None
    assert comparison["verdict"] not in ("confirmed", "refuted")


def test_thresholds_are_judged_for_every_variant(finished: Finished) -> None:
    thresholds = finished.summary["thresholds"]
    assert thresholds
    assert all(threshold["passed"] and threshold["value"] == 0 for threshold in thresholds)


def test_the_scenario_is_stored_as_it_was_run(finished: Finished, tmp_path: Path) -> None:
    text = (finished.directory / "scenario.yaml").read_text()
    assert load_text(text, "stored") == small()
    (tmp_path / "small.yaml").write_text(text)
    assert load(tmp_path / "small.yaml") == small()


def test_the_plan_names_the_trials_that_ran(finished: Finished) -> None:
    plan = json.loads((finished.directory / "plan.json").read_text())
    assert [trial["label"] for trial in plan["trials"]] == ["01-sync", "02-events"]
    assert sorted(path.name for path in (finished.directory / "trials").iterdir()) == ["01-sync", "02-events"]


def test_the_environment_names_the_broker_and_neither_host_nor_user(finished: Finished) -> None:
    import getpass
    import platform

    text = (finished.directory / "environment.json").read_text()
    assert json.loads(text)["broker"]["kind"] == "kafka"
    assert platform.node() not in text
    assert f"/{getpass.getuser()}" not in text


def test_every_process_has_a_log(finished: Finished) -> None:
    logs = {path.name for path in (finished.directory / "logs").iterdir()}
    assert {"broker.log", "01-sync-api-0.log", "02-events-topics.log", "02-events-email-0.log"} <= logs


def test_what_is_stored_rebuilds_the_same_summary(finished: Finished) -> None:
    rebuild(finished.directory, predict)
    assert json.loads((finished.directory / "summary.json").read_text()) == finished.summary


def test_while_it_runs_its_directory_says_that_it_did_not_come_to_its_end(tmp_path: Path) -> None:
    def problems() -> list[str]:
        return Results(tmp_path / "out").run_problems()

    seen: list[list[str]] = []
    observer = Quiet(1, lambda: seen.append(problems()))
    asyncio.run(run(small(duration="1s", variants=["sync"]), Results.create(tmp_path / "out"), observer, predict))
    assert seen == [[DID_NOT_END]]
    assert problems() == []


def test_a_run_that_is_cancelled_in_mid_trial_keeps_what_is_finished(tmp_path: Path) -> None:
    before = children()

    async def cancelled() -> RunResult:
        def cancel() -> None:
            asyncio.get_running_loop().call_later(0.3, task.cancel)

        results = Results.create(tmp_path / "out")
        task = asyncio.ensure_future(run(small(duration="2s"), results, Quiet(2, cancel), predict))
        return await task

    assert asyncio.run(cancelled()).exit_code == ExitCode.INTERRUPTED
    assert children() - before == set()
    assert [trial.facts.label for trial in load_trials(tmp_path / "out")] == ["01-sync"]
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert not summary["valid"]
    assert "interrupted after 1 of 2 trials" in " ".join(summary["invalid_reasons"])
    assert (tmp_path / "out" / "report.html").is_file()


def test_a_run_that_is_cancelled_in_its_first_trial_still_says_what_happened(tmp_path: Path) -> None:
    before = children()

    async def cancelled() -> RunResult:
        def cancel() -> None:
            asyncio.get_running_loop().call_later(0.1, task.cancel)

        task = asyncio.ensure_future(
            run(small(duration="2s", variants=["sync"]), Results.create(tmp_path / "out"), Quiet(1, cancel), predict)
        )
        return await task

    assert asyncio.run(cancelled()).exit_code == ExitCode.INTERRUPTED
    assert children() - before == set()
    assert len(load_trials(tmp_path / "out")) == 0
    assert not json.loads((tmp_path / "out" / "summary.json").read_text())["valid"]


def test_a_service_killed_in_mid_trial_ends_the_run_with_a_clear_message(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    before = children()

    def kill_one() -> None:
        services = [child for child in psutil.Process().children() if "sync_impl" in child.cmdline()]
        os.kill(services[0].pid, signal.SIGKILL)

    scenario = small(duration="2s", variants=["sync"])
    outcome = asyncio.run(run(scenario, Results.create(tmp_path / "out"), Quiet(1, kill_one), predict))
    assert outcome.exit_code == ExitCode.ENVIRONMENT
    assert "ended by itself (killed by SIGKILL)" in outcome.problem
    assert outcome.next_step
    assert children() - before == set()
    gc.collect()  # which is when asyncio complains of an error that nobody looked at
    assert "never retrieved" not in capfd.readouterr().err
