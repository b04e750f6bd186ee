"""Several runs at one glance: which rows and columns, what stands in a cell, and what happens without a run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from stored import summary_with
from typer.testing import CliRunner

from benchmarks.charts.overview import draw, read_rows, runs_in, variants_of
from cli import app


def put_run(directory: Path, scenario: str, shares: dict[str, float], **fields: object) -> Path:
    directory.mkdir(parents=True)
    variants = {
        name: {"broker": None, "findings": [], "trials": [], "slo_ratio": share} for name, share in shares.items()
    }
    summary = summary_with(scenario=scenario, variants=variants, **fields).as_dict()
    (directory / "summary.json").write_text(json.dumps(summary))
    return directory


@pytest.fixture
def results(tmp_path: Path) -> Path:
    put_run(tmp_path / "baseline" / "20260101T000000Z", "baseline", {"sync": 0.5})
    put_run(tmp_path / "baseline" / "20260102T000000Z", "baseline", {"events": 1.0, "sync": 0.9})
    put_run(tmp_path / "fan-out" / "20260101T000000Z", "fan-out", {"own": 0.25}, valid=False)
    return tmp_path


def test_of_each_scenario_the_newest_run_has_a_row(results: Path) -> None:
    rows = read_rows(runs_in(results))
    assert [row.directory.name for row in rows] == ["20260102T000000Z", "20260101T000000Z"]
    assert variants_of(rows) == ["sync", "events", "own"]
    assert [rows[0].share(name) for name in ("sync", "events", "own")] == [0.9, 1.0, None]
    assert [row.verdict for row in rows] == ["no verdict", "not valid"]


def test_cells_say_their_share_and_a_variant_that_did_not_run_has_none(results: Path) -> None:
    written = [text.get_text().replace("\u00a0", " ") for text in draw(read_rows(runs_in(results)), "title").texts]
    assert [text for text in written if text.endswith("%")] == ["90.0 %", "100 %", "25.0 %"]


def test_the_command_writes_the_picture_and_a_page_with_links(results: Path) -> None:
    done = CliRunner().invoke(app, ["report", str(results)])
    assert done.exit_code == 0, done.output
    assert {path.name for path in results.glob("overview.*")} == {"overview.svg", "overview.png", "overview.html"}
    page = (results / "overview.html").read_text()
    assert 'href="baseline/20260102T000000Z/report.html"' in page
    assert "<script" not in page


def test_runs_that_are_named_are_all_shown_where_it_is_said(results: Path, tmp_path: Path) -> None:
    named = [str(path.parent) for path in sorted(results.glob("*/*/summary.json"))]
    done = CliRunner().invoke(app, ["report", *named, "--out", str(tmp_path / "there")])
    assert done.exit_code == 0, done.output
    assert (tmp_path / "there" / "overview.html").read_text().count("<li>") == 3


def test_a_directory_without_a_run_is_a_usage_error(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["report", str(tmp_path)])
    assert done.exit_code == 2


def test_a_damaged_summary_is_named(results: Path) -> None:
    (results / "fan-out" / "20260101T000000Z" / "summary.json").write_text("{")
    done = CliRunner().invoke(app, ["report", str(results)])
    assert done.exit_code == 111
    assert "summary.json cannot be read" in done.output
