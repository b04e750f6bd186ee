"""A large run: the same figures as a naive computation, one trial in memory at a time, nothing written twice."""

from __future__ import annotations

import json
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from bulk import scenario_of_size, trials_of, write_run
from stored import summary_with

from benchmarks.analysis.summary import summarise
from benchmarks.charts.over_time import answers_over_time, endings_over_time, share_in_time, times_ms
from benchmarks.charts.run_data import RunData
from benchmarks.scenario import Scenario
from benchmarks.store import Results, load_trials
from benchmarks.trial_result import TrialResult

FRAMES = ("history", "effects", "lag", "resources", "faults", "in_flight", "registrations")
EVER = (-(2**62), 2**62)


@pytest.fixture(scope="module")
def scenario() -> Scenario:
    return scenario_of_size(25_000, blocks=1)


@pytest.fixture(scope="module")
def run(scenario: Scenario, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """About 200,000 rows, in a folder whose name the query engine could take for a pattern."""
    results = write_run(tmp_path_factory.mktemp("large") / "a [run] * ?", scenario)
    results.save_run()
    return results.directory


@pytest.fixture(scope="module")
def summary(run: Path, scenario: Scenario) -> Any:
    return summarise(scenario, load_trials(run)).as_dict()


def arrivals_of(run: Path, variant: str) -> pd.DataFrame:
    """The history with `accept_ms` and `complete_ms`, as anybody would compute them."""
    history = pd.read_parquet(run / "history.parquet").query("variant == @variant")
    effects = pd.read_parquet(run / "effects.parquet").query("variant == @variant").dropna(subset=["applied_ns"])
    first = effects.groupby(["registration_id", "service"])["applied_ns"].min().unstack()
    last_ns = first.max(axis=1, skipna=False).reindex(history["registration_id"]).to_numpy(float, na_value=np.nan)
    accept_ms = (history["answered_ns"] - history["intended_ns"]).astype(float) / 1e6
    return history.assign(
        accept_ms=accept_ms.where(history["outcome"] == "acked"),
        complete_ms=(last_ns - history["intended_ns"].to_numpy(float)) / 1e6,
    )


@pytest.mark.parametrize("variant", ["sync", "events"])
def test_latencies_are_those_of_a_naive_computation(run: Path, summary: Any, variant: str) -> None:
    arrivals, figures = arrivals_of(run, variant), summary["variants"][variant]
    for name, column in (("accept_latency_ms", "accept_ms"), ("completion_latency_ms", "complete_ms")):
        found = [figures[name][stat] for stat in ("p50", "p95", "p99", "p999", "max")]
        assert found == pytest.approx(arrivals[column].quantile([0.5, 0.95, 0.99, 0.999, 1.0]).tolist(), rel=1e-5)


@pytest.mark.parametrize("variant", ["sync", "events"])
def test_reconciliation_is_that_of_a_naive_computation(run: Path, summary: Any, variant: str) -> None:
    history = pd.read_parquet(run / "history.parquet").query("variant == @variant").set_index("registration_id")
    effects = pd.read_parquet(run / "effects.parquet").query("variant == @variant").dropna(subset=["applied_ns"])
    times = effects.groupby(["registration_id", "service"]).size().unstack(fill_value=0)
    times = times.reindex(history.index, fill_value=0)
    acked, stored = history["outcome"] == "acked", history["stored_ns"].notna()
    wanted = {
        "complete": (times == 1).all(axis=1),
        "lost": (times == 0).any(axis=1) & acked,
        "stranded": (times == 0).any(axis=1) & stored & ~acked,
        "recovered": (times == 1).all(axis=1) & ~acked,
        "unexpected": (times > 0).any(axis=1) & history["outcome"].isin(["refused", "failed"]),
        "duplicated": (times > 1).any(axis=1),
    }
    found = summary["variants"][variant]["registrations"]
    assert {name: int(rows.sum()) for name, rows in wanted.items()} == {name: found[name] for name in wanted}
    assert all(found[name] > 0 for name in wanted)


def test_percentiles_over_time_are_those_of_a_naive_computation(run: Path) -> None:
    arrivals = arrivals_of(run, "sync")
    bins = arrivals.groupby((arrivals["intended_ns"].astype(float) / 1e9 // 2).astype(int))
    found = answers_over_time(run / "registrations.parquet", "sync", 2.0)
    assert found["t_s"].tolist() == [2.0 * number for number in bins.groups]
    assert found["offered"].tolist() == bins.size().tolist()
    for name, q in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99)):
        # Who was never accepted waits for ever: a quantile between them and the last who was does not exist.
        every = bins["accept_ms"].apply(lambda ms, q=q: np.quantile(ms.fillna(np.inf), q))
        np.testing.assert_allclose(found[name], every.where(np.isfinite(every)), rtol=1e-12)
    for outcome in ("acked", "refused", "failed", "indeterminate", "dropped"):
        assert found[outcome].tolist() == (arrivals["outcome"] == outcome).groupby(bins.ngroup()).sum().tolist()


def test_a_stretch_of_time_in_which_nobody_was_accepted_has_no_percentiles(tmp_path: Path) -> None:
    rows = [(0.1, 10, "acked"), (0.9, 30, "acked"), (2.5, None, "indeterminate"), (4.0, None, None)]
    registrations = pd.DataFrame(
        {
            "variant": "sync",
            "intended_ns": pd.array([round(at_s * 1e9) for at_s, *_ in rows], dtype="Int64"),
            "accept_latency_ms": [ms for _, ms, _ in rows],
            "outcome": [outcome for *_, outcome in rows],
        }
    )
    path = tmp_path / "registrations.parquet"
    registrations.to_parquet(path)
    binned = answers_over_time(path, "sync", 1.0)
    assert binned["t_s"].tolist() == [0.0, 2.0, 4.0]
    assert binned["offered"].tolist() == [2, 1, 1]
    assert binned["p50"][0] == pytest.approx(20)
    assert binned["p50"].isna().tolist() == [False, True, True]
    assert binned["indeterminate"].tolist() == [0, 1, 0]
    ended = endings_over_time(path, "sync", 1.0, slo_ms=20.0)
    counted = [(row.bin, row.ending if pd.notna(row.ending) else None, row.number) for row in ended.itertuples()]
    assert counted == [(0, "acked", 1), (0, "acked late", 1), (2, "indeterminate", 1), (4, None, 1)]
    assert share_in_time(path, "sync", 20.0, *EVER) == 0.25
    assert share_in_time(path, "sync", 20.0, 10**12, 2**62) is None


def test_the_times_of_each_arrival_are_found(run: Path, scenario: Scenario) -> None:
    arrivals = arrivals_of(run, "events")
    services = tuple(scenario.services)
    found = times_ms(run / "registrations.parquet", run / "effects.parquet", 2, services)
    np.testing.assert_array_equal(np.sort(found["accepted"]), np.sort(arrivals["accept_ms"].fillna(np.inf)))
    last_ms = found[list(services)].max(axis=1)
    np.testing.assert_allclose(found["done"], last_ms)
    assert np.isfinite(found["done"]).any()


def test_one_trial_is_in_memory_at_a_time(scenario: Scenario) -> None:
    before: list[weakref.ref[TrialResult]] = []

    def one_by_one() -> Iterator[TrialResult]:
        trials = trials_of(scenario_of_size(500, blocks=3))
        while True:
            assert all(trial() is None for trial in before)
            made = next(trials, None)
            if made is None:
                return
            before.append(weakref.ref(made))
            yield made
            del made

    summarise(scenario_of_size(500, blocks=3), one_by_one())
    assert len(before) == 6


@pytest.mark.parametrize("name", FRAMES)
def test_a_run_s_files_hold_the_rows_of_its_trials_in_order(run: Path, name: str) -> None:
    parts = [pd.read_parquet(path) for path in sorted(run.glob(f"trials/*/{name}.parquet"))]
    together = pd.concat([part for part in parts if len(part)] or parts[:1], ignore_index=True)
    pd.testing.assert_frame_equal(pd.read_parquet(run / f"{name}.parquet"), together)


class TestNothingIsWrittenTwice:
    @pytest.fixture
    def small(self, tmp_path: Path) -> Results:
        results = write_run(tmp_path, scenario_of_size(500, blocks=1))
        results.save_run()
        return results

    def written(self, results: Results) -> dict[str, int]:
        """Each file is another one after it was written: it was made aside."""
        return {path.name: path.stat().st_ino for path in results.directory.glob("*.parquet")}

    def test_what_holds_the_trials_rows_stays(self, small: Results) -> None:
        before = self.written(small)
        small.save_run()
        assert self.written(small) == before
        assert set(before) == {f"{name}.parquet" for name in FRAMES}

    def test_what_holds_other_rows_is_made_anew(self, small: Results) -> None:
        path = small.directory / "trials" / "01-sync" / "effects.parquet"
        pd.read_parquet(path).iloc[:-3].to_parquet(path, index=False)
        before = self.written(small)
        small.save_run()
        changed = {name for name, inode in self.written(small).items() if inode != before[name]}
        assert changed == {"effects.parquet", "registrations.parquet"}
        registrations = pd.read_parquet(small.directory / "registrations.parquet").query("trial == 1")
        assert registrations["missing"].iloc[-1] == "email,analytics,cache"

    def test_half_a_file_is_made_anew(self, small: Results) -> None:
        path = small.directory / "history.parquet"
        whole = path.read_bytes()
        path.write_bytes(whole[: len(whole) // 2])
        small.save_run()
        assert len(pd.read_parquet(path)) == 1000


def test_the_first_of_each_kind_are_found_with_their_rows(run: Path, scenario: Scenario) -> None:
    (run / "summary.json").write_text(json.dumps(summary_with().as_dict()))
    data = RunData.read(run)
    every = pd.read_parquet(run / "registrations.parquet").query("variant == 'events'")
    first = data.first_that_ended("events", "lost", 5)
    assert first["registration_id"].tolist() == every[every["lost"]]["registration_id"].head(5).tolist()
    history = data.rows_of("history", first["trial"].tolist(), first["index"].tolist())
    effects = data.rows_of("effects", first["trial"].tolist(), first["index"].tolist())
    assert history["index"].tolist() == first["index"].tolist()
    assert set(effects["service"]) == {"email", "analytics"}
    assert len(effects) == 10
