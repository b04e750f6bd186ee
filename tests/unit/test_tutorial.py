"""The tutorial is a test: its scenario is valid, its commands run, and what it foretells is what a plan prints."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

import cli
from benchmarks.scenario import load

TEXT = (Path(__file__).parents[2] / "docs" / "tutorial.md").read_text(encoding="utf-8")
SCENARIO, VARIANTS = re.findall(r"^```yaml\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
SHELL = re.findall(r"^```sh\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
FIRST, *COMMANDS = [line for block in SHELL for line in block.splitlines()]
NAME = "analytics-hangs"


def printed(command: str, *more: str) -> str:
    """What a command prints; of a run, what it would do. Fails where it does not end with 0."""
    program, verb, *arguments = shlex.split(command)
    assert program == "bench"
    result = CliRunner().invoke(cli.app, ["plan" if verb == "run" else verb, *arguments, *more])
    assert result.exit_code == 0, result.output
    return result.output


@pytest.fixture(autouse=True)
def scenario(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The tutorial's file where the tutorial has it, under the working directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")  # a narrower terminal cuts names
    (tmp_path / "scenarios").mkdir()
    file = tmp_path / "scenarios" / f"{NAME}.yaml"
    file.write_text(SCENARIO, encoding="utf-8")
    return file


def test_the_first_command_makes_the_file_that_the_tutorial_goes_on_with(scenario: Path) -> None:
    scenario.unlink()
    assert f"scenarios/{NAME}.yaml" in printed(FIRST)
    made = load(scenario)
    assert (made.name, made.faults[0].target) == (NAME, "email")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_of_the_tutorial_runs(command: str) -> None:
    shorter = () if "validate" in command else ("--duration", "3s")  # a plan of it is quicker made
    assert printed(command, *shorter)


def during(plan: str, variant: str) -> list[float]:
    """The shares that a plan foretells of a variant during the fault: accepted, and within the SLO."""
    (row,) = re.findall(rf"^{variant} +during .*$", plan, re.MULTILINE)
    return [float(share) for share in re.findall(r"([\d.]+).%", row)]


def test_a_plan_foretells_what_the_tutorial_says() -> None:
    said = re.search(r"([\d.]+) % of registrations keep both promises with `sync` and ([\d.]+) % with `events`", TEXT)
    assert said is not None
    plan = printed(f"bench plan {NAME}")
    assert [during(plan, "sync")[-1], during(plan, "events")[-1]] == [float(share) for share in said.groups()]


def test_a_shorter_timeout_lets_fewer_through_as_the_tutorial_says(scenario: Path) -> None:
    scenario.write_text(SCENARIO.replace("variants: [sync, events]\n", VARIANTS), encoding="utf-8")
    plan = printed(f"bench plan {NAME}")
    assert during(plan, "sync-hurried")[0] < during(plan, "sync")[0]


def test_a_slip_is_answered_with_the_right_name(scenario: Path) -> None:
    scenario.write_text(SCENARIO.replace("target: analytics", "target: analitics"), encoding="utf-8")
    result = CliRunner().invoke(cli.app, ["validate", str(scenario)])
    assert result.exit_code == 104
    assert "did you mean 'analytics'?" in result.output
