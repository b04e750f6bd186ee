"""A run that was killed: its finished trials are read, judged not valid and reported, whatever was left unwritten."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest
from stored import NO_QUESTION, stored_run

from benchmarks.charts import CHARTS
from benchmarks.run import rebuild
from benchmarks.store import DID_NOT_END
from virtual.predict import predict


def put_charts(out: Path) -> None:
    """Something in the place of each chart: how they are drawn is not looked at here."""
    (out / "charts").mkdir(exist_ok=True)
    for chart in CHARTS:
        (out / "charts" / f"{chart.name}.svg").write_text(f'<svg id="{chart.name}"></svg>')


@pytest.fixture
def killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What `kill -9` in the third trial leaves: two finished trials, the raw files of another, and no summary."""
    monkeypatch.setattr("benchmarks.charts.draw_all", put_charts)
    stored_run(tmp_path, problems=[DID_NOT_END], **NO_QUESTION)
    for path in sorted((tmp_path / "trials").iterdir())[3:]:
        shutil.rmtree(path)
    (cut_short,) = (tmp_path / "trials").glob("03-*")
    (cut_short / "trial.json").unlink()
    (cut_short / ".lag.parquet.part").write_bytes(b"half")
    for path in (*tmp_path.glob("*.parquet"), tmp_path / "summary.json", tmp_path / "environment.json"):
        path.unlink()
    return tmp_path


def test_what_had_ended_is_read_and_reported(killed: Path) -> None:
    summary = rebuild(killed, predict)
    assert summary.valid is False
    assert summary.invalid_reasons == (DID_NOT_END,)
    assert [len(variant.trials) for variant in summary.variants.values()] == [1, 1]
    assert json.loads((killed / "summary.json").read_text()) == summary.as_dict()
    assert "bench did not reach the end of this run" in (killed / "report.html").read_text()


def test_the_list_of_registrations_is_made_anew(killed: Path) -> None:
    rebuild(killed, predict)
    registrations = pd.read_parquet(killed / "registrations.parquet")
    assert list(registrations["trial"].unique()) == [1, 2]
    assert len(registrations) == len(pd.read_parquet(killed / "history.parquet"))


def test_it_can_be_repeated(killed: Path) -> None:
    assert rebuild(killed, predict) == rebuild(killed, predict)


def test_a_run_without_its_first_file_did_not_come_to_its_end_either(killed: Path) -> None:
    (killed / "run.json").unlink()
    assert rebuild(killed, predict).invalid_reasons == (DID_NOT_END,)


def test_a_run_killed_before_any_trial_had_ended_has_a_summary_that_says_so(killed: Path) -> None:
    shutil.rmtree(killed / "trials")
    summary = rebuild(killed, predict)
    assert summary.invalid_reasons == (DID_NOT_END,)
    assert summary.variants == {}


def test_what_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"is not a run: it has no scenario\.yaml"):
        rebuild(tmp_path, predict)
