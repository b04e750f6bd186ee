"""Scenarios by name: the working directory first, then the bundled ones, else a hint."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.scenario import UnknownScenarioError
from benchmarks.scenario.find import BUNDLED, find, list_scenarios


def test_a_bundled_scenario_is_found_by_its_name(tmp_path: Path) -> None:
    assert find("baseline", tmp_path) == BUNDLED / "baseline.yaml"


def test_a_scenario_of_the_working_directory_hides_the_bundled_one(tmp_path: Path) -> None:
    mine = tmp_path / "scenarios" / "baseline.yaml"
    mine.parent.mkdir()
    mine.write_text("version: 1\nname: baseline\n")
    assert find("baseline", tmp_path) == mine
    assert dict(list_scenarios(tmp_path))["baseline"] == mine


def test_a_name_with_a_separator_or_a_suffix_is_a_path(tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    path.write_text("")
    assert find("own.yaml", tmp_path) == path
    assert find("./own.yaml", tmp_path) == path
    assert find(str(path)) == path


def test_a_path_that_is_not_there_is_unknown(tmp_path: Path) -> None:
    with pytest.raises(UnknownScenarioError, match=r"there is no file 'baseline\.yaml'"):
        find("baseline.yaml", tmp_path)


def test_an_unknown_name_is_answered_with_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(UnknownScenarioError, match="'slow-dwnstream' is no scenario; did you mean 'slow-downstream'"):
        find("slow-dwnstream", tmp_path)


def test_the_list_is_in_order_of_names(tmp_path: Path) -> None:
    names = [name for name, _ in list_scenarios(tmp_path)]
    assert names == sorted(names)
    assert {"baseline", "slow-downstream", "overloaded-downstream", "flaky-downstream"} <= set(names)
