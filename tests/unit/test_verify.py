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
    {"metric": "completion_latency_ms.p50", "variant": "sync", "expect": "< 1"},
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
    assert "Nothing that was checked differs" in said
    assert "not checked" not in said


@pytest.mark.parametrize("metric", ["recovery_s", "completion_latency_ms.p50{service:email}"])
def test_what_the_files_do_not_give_is_said_to_be_not_checked(
    metric: str, run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def another(plan: Any) -> None:
        plan["judged"]["hypothesis"][5]["metric"] = metric

    edit_json(run / "plan.json", another)
    verify.main(run)
    assert f"{metric}, sync: not checked" in capsys.readouterr().out


def judged(run: Path) -> Any:
    return json.loads((run / "plan.json").read_text(encoding="utf-8"))["judged"]


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
    rows = verify.read_registrations(run, judged(run)).reset_index()
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
    assert verify.t_quantile(freedom) == pytest.approx(float(stats.t.ppf(0.975, freedom)), rel=1e-6)


@pytest.mark.parametrize("count", [(0, 9), (9, 9), (4, 9), (2_990, 3_000), (1, 20_000)])
def test_its_binomial_limits_are_those_of_the_analysis(count: tuple[int, int]) -> None:
    assert verify.exact(*count) == pytest.approx(clopper_pearson(Count(*count), 0.95), rel=1e-5)


class TestDisturbed:
    """The bracket between predicted and measured, from the rows that `residuals.parquet` has of a disturbed run."""

    P95 = "accept_latency_ms.p95"

    @pytest.fixture
    def disturbed(self, run: Path) -> Path:
        """Trial 1 (sync, block 0) was disturbed, its second half only; alone, 20 ms less of each would have been."""
        residuals = pd.read_parquet(run / "history.parquet")[["trial", "index"]]
        rows = verify.read_registrations(run, judged(run)).reset_index()
        residuals.assign(
            predicted_accept_ms=rows["accept_latency_ms"] - 20,
            predicted_completion_ms=rows["completion_latency_ms"] - 20,
            predicted_acked=rows["acked"],
            quiet=((rows["trial"] != 1) | (rows["index"] < rows["index"].median())).to_numpy(),
        ).to_parquet(run / "residuals.parquet", index=False)
        edit_json(run / "summary.json", lambda summary: summary.update(disturbed={"trials": ["01-sync"]}))
        return run

    def p95s_ms(self, run: Path, variant: str, less_ms: float = 0.0) -> list[float | None]:
        """By block, where the disturbed registrations took so much less."""
        rows = verify.read_registrations(run, judged(run)).reset_index()
        later = (rows["trial"] == 1) & (rows["index"] >= rows["index"].median())
        shifted_ms = (rows["accept_latency_ms"] - np.where(later, less_ms, 0))[rows["variant"] == variant]
        return shifted_ms.groupby(rows["block"]).quantile(0.95).tolist()

    @pytest.mark.parametrize("margin_ms", [0.0, 5.0])
    def test_the_interval_goes_from_the_least_to_the_most_that_can_have_been(
        self, margin_ms: float, disturbed: Path
    ) -> None:
        def add_margins(summary: Any) -> None:
            summary["disturbed"]["margins"] = {"sync": {self.P95: margin_ms}}

        edit_json(disturbed / "summary.json", add_margins)
        events = self.p95s_ms(disturbed, "events")
        most = [value + margin_ms for value in self.p95s_ms(disturbed, "sync") if value is not None]
        least = [value - margin_ms for value in self.p95s_ms(disturbed, "sync", 20) if value is not None]
        lowest, highest = (estimate("ratio", self.P95, events, sync) for sync in (most, least))
        measured = estimate("ratio", self.P95, events, self.p95s_ms(disturbed, "sync"))
        assert lowest.interval is not None
        assert highest.interval is not None
        assert measured.interval is not None
        low, high = min(lowest.interval[0], measured.interval[0]), max(highest.interval[1], measured.interval[1])
        part = {"metric": self.P95, "sides": ["events", "sync"], "expect": "< 1"}
        found = verify.Run.read(disturbed).judged("ratio", part)
        assert found["estimate"] == pytest.approx(measured.value)
        assert found["bracket"] == pytest.approx((lowest.value, highest.value))
        assert found["ci95"] == pytest.approx((low, high))

    def test_a_percentile_that_was_not_tried_has_the_largest_margin_of_those_that_were(self, disturbed: Path) -> None:
        def add_margins(summary: Any) -> None:
            summary["disturbed"]["margins"] = {"sync": {"accept_latency_ms.p95": 26.0, "accept_latency_ms.p99": 3.0}}

        edit_json(disturbed / "summary.json", add_margins)
        loaded = verify.Run.read(disturbed)
        assert loaded.margin("accept_latency_ms.p90", "sync") == 26
        assert loaded.margin("accept_latency_ms.p50", "sync") == 0
        assert loaded.margin("slo_ratio", "sync") == 0

    def test_who_only_one_of_the_two_has_as_accepted_is_open(self, disturbed: Path) -> None:
        edit_frame(disturbed / "residuals.parquet", lambda residuals: residuals.assign(predicted_acked=False))
        _, highest, lowest = (blocks["accept_ratio"]["sync", 0] for blocks in verify.Run.read(disturbed).blocks)
        assert highest == pytest.approx(1)
        assert lowest == pytest.approx(0.5, abs=0.01)

    def test_what_was_not_predicted_has_no_verdict(self, disturbed: Path) -> None:
        edit_frame(disturbed / "residuals.parquet", lambda residuals: residuals[residuals["trial"] != 1])
        part = {"metric": self.P95, "sides": ["events", "sync"], "expect": "< 1000"}
        found = verify.Run.read(disturbed).judged("ratio", part)
        assert (found["bracket"], found["verdict"]) == (None, None)

    def test_a_margin_without_an_end_leaves_no_verdict(self, disturbed: Path) -> None:
        def without_an_end(summary: Any) -> None:
            summary["disturbed"]["margins"] = {"sync": {self.P95: None}}

        edit_json(disturbed / "summary.json", without_an_end)
        part = {"metric": self.P95, "sides": ["events", "sync"], "expect": "< 1000"}
        assert verify.Run.read(disturbed).judged("ratio", part)["verdict"] is None

    def test_a_count_has_no_verdict_but_for_a_guarantee(self, disturbed: Path) -> None:
        loaded = verify.Run.read(disturbed)
        many = {"metric": "registrations.complete", "sides": ["sync"], "expect": "> 9"}
        none = {"metric": "registrations.duplicated", "sides": ["sync"], "expect": "== 0"}
        assert loaded.judged("variant", many)["verdict"] is None
        assert loaded.judged("variant", none)["verdict"] == "confirmed"

    def test_a_share_whose_prediction_no_file_holds_is_not_checked(self, disturbed: Path) -> None:
        part = {"metric": "complete_ratio", "sides": ["sync"], "expect": "> 0.5"}
        assert "not checked" in verify.Run.read(disturbed).judged("variant", part)
