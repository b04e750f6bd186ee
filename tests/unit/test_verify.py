"""The script that checks a run: it agrees with the analysis, finds what was changed, and needs none of our code."""

from __future__ import annotations

import ast
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from stored import stored_run

from benchmarks import verify
from benchmarks.analysis.shares import Count, clopper_pearson
from benchmarks.analysis.statistics import estimate
from benchmarks.planning.plan import make_plan
from benchmarks.planning.seal import sealed
from benchmarks.scenario.resolve import dump, resolve
from benchmarks.terminal.verify import SCRIPT, verify_run

PARTS = [
    {"metric": "slo_ratio{window:during}", "difference": "events-sync", "expect": "> 0.5"},
    {"metric": "accept_ratio", "ratio": "events/sync", "expect": "> 0.9"},
    {"metric": "registrations.lost", "variant": "events", "expect": "== 0"},
    {"metric": "accept_latency_ms.p95{window:during}", "ratio": "events/sync", "expect": "< 0.5"},
    {"metric": "completion_latency_ms.p50{service:email}", "variant": "sync", "expect": "< 1"},
    {"metric": "complete_ratio", "variant": "sync", "expect": "> 0.99"},
]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("run")
    scenario = stored_run(out, hypothesis={"all": PARTS}, blocks=3)
    text = dump(resolve(scenario))
    (out / "scenario.yaml").write_text(text, encoding="utf-8")
    plan = sealed(make_plan(scenario).as_dict(), scenario, text)
    (out / "plan.json").write_text(json.dumps(plan, indent=2, ensure_ascii=False), encoding="utf-8")
    return out


@pytest.fixture
def run(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "run"))


def edit_json(path: Path, change: Callable[[Any], None]) -> None:
    document = json.loads(path.read_text(encoding="utf-8"))
    change(document)
    path.write_text(json.dumps(document), encoding="utf-8")


def edit_frame(path: Path, change: Callable[[pd.DataFrame], pd.DataFrame]) -> None:
    change(pd.read_parquet(path)).to_parquet(path, index=False)


def test_what_the_analysis_says_is_found_again(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert verify.main(run) == 0
    said = capsys.readouterr().out
    assert "Nothing differs" in said
    assert "not checked" not in said


def first_row_failed(history: pd.DataFrame) -> pd.DataFrame:
    return history.assign(outcome=["failed", *history["outcome"][1:]])


def confirmed_becomes_refuted(summary: Any) -> None:
    part = summary["comparison"]["all"][0]
    assert part["verdict"] == "confirmed"
    part["verdict"] = "refuted"


def narrower(summary: Any) -> None:
    summary["comparison"]["all"][0]["ci95"][0] += 0.001


def easier(plan: Any) -> None:
    plan["judged"]["hypothesis"][0]["expect"] = "> 0.1"


@pytest.mark.parametrize(
    ("tamper", "finding"),
    [
        (lambda run: edit_frame(run / "history.parquet", first_row_failed), "sync: counts.acked"),
        (lambda run: edit_frame(run / "effects.parquet", lambda of: of[1:]), "registrations.complete"),
        (lambda run: edit_json(run / "summary.json", confirmed_becomes_refuted), "events-sync: verdict"),
        (lambda run: edit_json(run / "summary.json", narrower), "events-sync: ci95"),
        (lambda run: edit_json(run / "plan.json", easier), "hypothesis, SHA-256"),
        (lambda run: edit_json(run / "plan.json", lambda plan: plan["trials"].pop()), "plan, SHA-256"),
        (lambda run: (run / "scenario.yaml").open("a").write("# \n"), "scenario, SHA-256"),
    ],
    ids=["a row", "an effect", "verdict", "interval", "hypothesis", "plan", "scenario"],
)
def test_what_was_changed_afterwards_is_found(
    tamper: Callable[[Path], object], finding: str, run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tamper(run)
    assert verify.main(run) == 110
    differing = [line for line in capsys.readouterr().out.splitlines() if "DIFFERS" in line]
    assert any(finding in line for line in differing)


def test_what_waits_in_one_trial_is_lost_in_another_with_the_same_ids(run: Path) -> None:
    id_ = pd.read_parquet(run / "history.parquet")["registration_id"][0]
    edit_frame(run / "effects.parquet", lambda of: of[(of["registration_id"] != id_) | (of["service"] != "email")])
    edit_json(run / "trials" / "02-events" / "trial.json", lambda facts: facts.update(pending={"email": [id_]}))
    rows = verify.Run.read(run).rows.reset_index()
    of_it = rows[(rows["index"] == rows["index"][0]) & (rows["block"] == 0)].set_index("variant")
    assert of_it["pending"].to_dict() == {"sync": False, "events": True}
    assert of_it["lost"].to_dict() == {"sync": True, "events": False}


def test_a_verdict_of_a_run_that_is_not_valid_is_found(run: Path) -> None:
    edit_json(run / "summary.json", lambda summary: summary.update(valid=False))
    assert verify.main(run) == 110


def test_where_there_is_no_run_it_says_so(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert verify_run(tmp_path / "nowhere") == 2
    assert "is not a run that can be checked" in capfd.readouterr().err


def test_it_runs_alone(run: Path, tmp_path: Path) -> None:
    alone = shutil.copy(SCRIPT, tmp_path / "verify.py")
    found = subprocess.run(
        [sys.executable, "-I", alone, run], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert (found.returncode, found.stderr) == (0, "")


def test_it_imports_nothing_but_pandas_and_what_pandas_needs() -> None:
    tree = ast.parse(SCRIPT.read_text(encoding="utf-8"))
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    imported |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    others = {name.split(".")[0] for name in imported} - set(sys.stdlib_module_names)
    assert others == {"numpy", "pandas"}


@pytest.mark.parametrize("freedom", [2, 4, 9, 99])
def test_its_t_quantile_is_student_s(freedom: int) -> None:
    assert verify.t_quantile(freedom) == pytest.approx(float(stats.t.ppf(0.975, freedom)), rel=1e-9)


@pytest.mark.parametrize("count", [(0, 9), (9, 9), (4, 9), (2_990, 3_000), (1, 20_000)])
def test_its_binomial_limits_are_those_of_the_analysis(count: tuple[int, int]) -> None:
    assert verify.exact(count) == pytest.approx(clopper_pearson(Count(*count), 0.95), rel=1e-6)


class TestDisturbed:
    """The bracket between predicted and measured, from the rows that `residuals.parquet` has of a disturbed run."""

    @pytest.fixture
    def disturbed(self, run: Path) -> Path:
        """Trial 1 (sync, block 0) was disturbed, its second half only; alone, 20 ms less of each would have been."""
        residuals = pd.read_parquet(run / "history.parquet")[["trial", "index"]]
        rows = verify.registrations(run, {"accept_ms": 300, "complete_ms": 30_000}).reset_index()
        half = rows["index"] < rows["index"].median()
        residuals.assign(
            predicted_accept_ms=rows["accept_latency_ms"] - 20,
            predicted_completion_ms=rows["completion_latency_ms"] - 20,
            predicted_acked=rows["acked"],
            quiet=half.to_numpy(),
        ).to_parquet(run / "residuals.parquet", index=False)
        edit_json(run / "summary.json", lambda summary: summary.update(disturbed={"trials": ["01-sync"]}))
        return run

    def test_the_interval_goes_from_the_least_to_the_most_that_can_have_been(self, disturbed: Path) -> None:
        loaded = verify.Run.read(disturbed)
        metric = verify.Metric("accept_latency_ms.p95")
        rows = loaded.rows.reset_index()

        def p95(variant: str, less_ms: float) -> list[float | None]:
            rows_of = rows[rows["variant"] == variant]
            later = (rows_of["trial"] == 1) & (rows_of["index"] >= rows["index"].median())
            shifted = rows_of["accept_latency_ms"] - np.where(later, less_ms, 0)
            return shifted.groupby(rows_of["block"]).quantile(0.95).tolist()

        lowest = estimate("ratio", metric.text, p95("events", 0), p95("sync", 0)).interval
        highest = estimate("ratio", metric.text, p95("events", 0), p95("sync", 20)).interval
        assert lowest is not None
        assert highest is not None
        part = {"sides": ["events", "sync"]}
        _, *ends = loaded.bracketed(metric, "ratio", part, None)
        assert ends == [pytest.approx(lowest), pytest.approx(highest)]

    @pytest.mark.parametrize("narrower_by", [0.0, 0.01])
    def test_the_stored_interval_has_to_hold_both_ends(self, narrower_by: float, disturbed: Path) -> None:
        part = {"sides": ["events", "sync"]}
        metric = verify.Metric("accept_latency_ms.p95{window:during}")
        loaded = verify.Run.read(disturbed)
        ends = [end for end in loaded.bracketed(metric, "ratio", part, None) if end is not None]
        low, high = min(end[0] for end in ends), max(end[1] for end in ends)

        def store(summary: Any) -> None:
            for of in summary["comparison"]["all"]:
                of["ci95"] = [-9.0, 9.0]  # wide enough for whatever can have been
            summary["comparison"]["all"][3]["ci95"] = [low, high - narrower_by]

        edit_json(disturbed / "summary.json", store)
        found = {what: (here, stored) for what, here, stored in verify.Run.read(disturbed).hypothesis()}
        held = found[f"{metric.text}, events/sync: ci95 holds all that can have been"]
        assert held == (True, narrower_by == 0)

    def test_who_only_one_of_the_two_has_as_accepted_is_open(self, disturbed: Path) -> None:
        def nobody(residuals: pd.DataFrame) -> pd.DataFrame:
            return residuals.assign(predicted_acked=False)

        edit_frame(disturbed / "residuals.parquet", nobody)
        quick, slow = verify.Run.read(disturbed).open_ends
        share = verify.Metric("accept_ratio")
        first = {name: share.of(rows.loc[1], {}) for name, rows in (("quick", quick), ("slow", slow))}
        assert first["quick"] == pytest.approx(1)
        assert first["slow"] == pytest.approx(0.5, abs=0.01)

    def test_what_has_no_bracket_has_no_verdict(self, disturbed: Path) -> None:
        loaded = verify.Run.read(disturbed)
        share = {"metric": "registrations.complete", "variant": "sync", "sides": ["sync"], "expect": "> 9"}
        assert loaded.forbidden(verify.Metric("registrations.complete"), share, {"verdict": "confirmed"})
        none_lost = {"metric": "registrations.lost", "variant": "sync", "sides": ["sync"], "expect": "== 0"}
        assert not loaded.forbidden(verify.Metric("registrations.lost"), none_lost, {"verdict": "confirmed"})

    def test_without_the_predicted_times_it_says_what_was_not_checked(
        self, disturbed: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        edit_frame(disturbed / "residuals.parquet", lambda of: of.drop(columns=["quiet"]))
        assert verify.main(disturbed) == 0
        said = capsys.readouterr().out
        assert "not checked, since the run was disturbed and residuals.parquet lacks" in said
        assert "Nothing that was checked differs" in said
