"""The findings page: written from stored runs, between its markers, and never of runs that do not belong together."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from stored import stored_run

from benchmarks.analysis.summary_model import (
    Added,
    Comparison,
    Cost,
    Disturbance,
    HoldsFor,
    PartVerdict,
    Summary,
    Worth,
)
from benchmarks.words.summary import verdict_sentence
from benchmarks.words.worth import worth_sentences

SCRIPT = Path(__file__).parents[2] / "docs" / "findings.py"
CONFIRMED = PartVerdict(
    metric="slo_ratio{window:during}",
    difference="events-sync",
    estimate=0.99,
    ci95=(0.97, 1.0),
    per_block=(0.98, 0.99, 1.0),
    expect="> 0.5",
    verdict="confirmed",
    predicted=1.0,
    adds=Added(-0.01, (-0.03, 0.0), outside_floor=False),
    as_predicted=True,
    holds_for=HoldsFor(bound=0.97, accept_slo_ms=(45.0, 1_020.0), complete_slo_ms=(1_100.0, None)),
)


def module() -> ModuleType:
    spec = importlib.util.spec_from_file_location("findings", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    sys.modules["findings"] = made
    spec.loader.exec_module(made)
    return made


findings: Any = module()


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("results") / "run"
    stored_run(out, blocks=3)
    return out


@pytest.fixture(scope="module")
def run(stored: Path) -> Any:
    return findings.Run.read(stored)


def telling(run: Any, name: str = "", **fields: Any) -> Any:
    """The run with what its summary says changed; `name` makes it one of another scenario."""
    scenario = run.scenario.model_copy(update={"name": name}) if name else run.scenario
    return replace(run, scenario=scenario, summary=replace(run.summary, **fields))


def section(page: str, heading: str) -> str:
    return page.split(f"## {heading}\n")[1].split("\n## ", maxsplit=1)[0]


def test_a_stored_run_becomes_a_page_between_the_markers(stored: Path, tmp_path: Path) -> None:
    target = tmp_path / "findings.md"
    target.write_text(f"# Before\n{findings.BEGIN}OUTDATED\n{findings.END}after\n", encoding="utf-8")
    findings.write([stored], target)
    text = target.read_text(encoding="utf-8")
    assert text.startswith(f"# Before\n{findings.BEGIN}Measured 2026-01-02, on 2 cores.")
    assert text.endswith(f"{findings.END}after\n")
    assert "OUTDATED" not in text
    findings.write([stored], target)
    assert target.read_text(encoding="utf-8") == text


def test_each_side_has_both_times_and_its_share_in_time(run: Any) -> None:
    rows = [
        line for line in section(findings.page([run]), "Both times, and what they cost").splitlines() if "ms" in line
    ]
    figures = run.summary.figure("sync", "accept_latency_ms", "p50", window="during")
    (sync,) = (row for row in rows if "| sync |" in row)
    assert f"{figures:.0f}" in sync.split("|")[4]
    assert any("| events |" in row for row in rows)


def test_a_verdict_stands_with_what_it_is_worth(run: Any) -> None:
    judged = telling(run, comparison=CONFIRMED)
    page = findings.page([judged])
    mine = section(page, "Each scenario")
    assert verdict_sentence(judged.summary) in mine
    assert all(sentence in mine for sentence in worth_sentences(judged.summary))
    assert "1,020\u00a0ms" in mine
    assert "| confirmed | as predicted |" in page


def test_what_lies_within_the_prediction_does_not_surprise(run: Any) -> None:
    assert "Nothing was measured outside" in findings.page([telling(run, comparison=CONFIRMED)])


@pytest.mark.parametrize(
    "surprise",
    [
        {"verdict": "refuted", "estimate": 0.1, "ci95": (0.05, 0.2), "as_predicted": False},
        {"adds": Added(-0.3, (-0.4, -0.2), outside_floor=True)},
    ],
    ids=["on the other side of the bound", "outside the floor"],
)
def test_what_is_measured_outside_its_prediction_surprises(run: Any, surprise: dict[str, Any]) -> None:
    page = findings.page([telling(run, comparison=replace(CONFIRMED, **surprise))])
    assert "- **slow-downstream**: " in section(page, "What surprised")
    assert "the parameters alone say +100\u00a0points" in section(page, "What surprised")


def test_an_undecided_verdict_is_no_surprise(run: Any) -> None:
    open_ended = replace(CONFIRMED, verdict="inconclusive", as_predicted=False)
    assert "Nothing was measured outside" in findings.page([telling(run, comparison=open_ended)])


def compared(**fields: Any) -> Comparison:
    known: dict[str, Any] = {"metric": "cpu_ms_per_registration.total", "ratio": "events/sync", "significant": True}
    return Comparison(**{**known, "estimate": 2.1, "ci95": (2.0, 2.2), **fields})


@pytest.mark.parametrize(
    ("comparison", "direct_wins"),
    [
        (compared(), True),
        (compared(estimate=0.5), False),
        (compared(significant=False), False),
        (compared(mark="≈"), False),
        (compared(metric="accept_ratio", ratio=None, difference="events-sync", estimate=-0.2), True),
        (compared(metric="accept_ratio", ratio=None, difference="events-sync", estimate=0.2), False),
        (compared(ratio="sync/events", estimate=0.5), True),
    ],
)
def test_direct_calls_win_where_their_figure_is_better_beyond_noise(
    run: Any, comparison: Comparison, direct_wins: bool
) -> None:
    won = section(findings.page([telling(run, comparisons=(comparison,))]), "Where direct calls win")
    assert ("- **slow-downstream**" in won) == direct_wins
    assert ("In none of these runs." in won) != direct_wins


def test_a_run_that_is_not_valid_wins_nothing_and_says_why(run: Any) -> None:
    told = telling(run, valid=False, invalid_reasons=("the drain expired",), comparisons=(compared(),))
    page = findings.page([told])
    assert "In none of these runs." in page
    assert "the drain expired" in section(page, "Each scenario")


def test_costs_and_disturbance_are_told(run: Any) -> None:
    worth = Worth({"sync": Cost(3.2, 310.0, 0.5, 1, 12)}, ())
    disturbed = Disturbance(("foreign",), ("1-sync",), 0.49, None, 9.0, 9.0, "Other programs took 49 % of the machine.")
    page = findings.page([telling(run, worth=worth, disturbed=disturbed)])
    assert "- CPU: sync 3.20\u00a0ms." in page
    assert "- Complete, but late: sync 12." in page
    assert "- Other programs took 49 % of the machine." in page
    assert "| disturbed |" in page
    assert "not compared where the run was disturbed: slow-downstream." in section(page, "Where direct calls win")


def test_quick_runs_are_named(run: Any) -> None:
    assert "Quick runs, shorter than the scenario says: slow-downstream." in findings.page(
        [replace(run, command="bench run slow-downstream --quick")]
    )


def test_runs_of_two_machines_do_not_share_a_page(run: Any) -> None:
    with pytest.raises(findings.FindingsError, match="different machines: 2 cores / 8 cores"):
        findings.page([run, replace(telling(run, "another"), machine="8 cores")])


def test_one_scenario_stands_on_the_page_once(run: Any) -> None:
    with pytest.raises(findings.FindingsError, match="several runs of slow-downstream; choose one"):
        findings.page([run, run])


Damage = Callable[[Path], object]


@pytest.mark.parametrize(
    "damage",
    [lambda out: (out / "summary.json").unlink(), lambda out: (out / "run.json").write_text("{")],
    ids=["no summary", "a damaged file"],
)
def test_a_directory_that_holds_no_finished_run_is_named(tmp_path: Path, stored: Path, damage: Damage) -> None:
    for name in ("summary.json", "scenario.yaml", "run.json", "environment.json"):
        (tmp_path / name).write_bytes((stored / name).read_bytes())
    assert findings.Run.read(tmp_path)
    damage(tmp_path)
    with pytest.raises(findings.FindingsError, match="name the directory of a finished run"):
        findings.Run.read(tmp_path)


def test_a_page_without_markers_is_left_alone(stored: Path, tmp_path: Path) -> None:
    target = tmp_path / "findings.md"
    target.write_text("# mine", encoding="utf-8")
    with pytest.raises(findings.FindingsError, match="put the lines"):
        findings.write([stored], target)
    assert target.read_text(encoding="utf-8") == "# mine"


def test_without_a_run_it_says_how_it_is_used(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert findings.main([]) == 2
    assert findings.main([str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert findings.USAGE in said
    assert "name the directory of a finished run" in said


def test_the_page_in_the_documents_has_its_markers() -> None:
    text = findings.PAGE.read_text(encoding="utf-8")
    assert text.index(findings.BEGIN) < text.index(findings.END)


def test_the_summary_that_is_read_is_the_one_of_the_run(run: Any, stored: Path) -> None:
    assert run.summary == Summary.from_dict(json.loads((stored / "summary.json").read_text()))
