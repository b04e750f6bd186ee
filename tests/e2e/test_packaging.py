"""The wheel: built, installed into an environment of its own, and run from somewhere else."""

from __future__ import annotations

import tarfile
import zipfile
from pathlib import Path

import pytest
from wheels import TREE, Built, Installed, install

SCENARIOS = sorted(path.stem for path in (TREE / "scenarios").glob("*.yaml"))
PROGRAM = ("benchmarks", "event_impl", "registration", "scenarios", "sync_impl", "virtual")
STRAYS = (".pyc", ".DS_Store")


@pytest.fixture(scope="module")
def installed(built: Built, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    return install(tmp_path_factory.mktemp("environment") / "venv", built.wheel)


def test_the_wheel_has_one_package_at_its_top_and_every_file_of_the_program(built: Built) -> None:
    names = {name for name in zipfile.ZipFile(built.wheel).namelist() if ".dist-info/" not in name}
    program = {
        f"sync_vs_events/{path.relative_to(TREE)}"
        for folder in PROGRAM
        for path in (TREE / folder).rglob("*")
        if path.is_file() and not path.name.endswith(STRAYS)
    }
    assert names == program | {"sync_vs_events/__init__.py", "sync_vs_events/cli.py"}


def test_the_source_distribution_can_be_tested_and_built_again(built: Built) -> None:
    with tarfile.open(built.sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"cli.py", "sync_vs_events.py", "constraints.txt", "LICENSE", "README.md", "CHANGELOG.md"} <= names
    assert {"tests/e2e/test_packaging.py", "docs/README.md", "results/README.md", "stubs/gevent/__init__.pyi"} <= names


@pytest.mark.parametrize("command", ["bench", "sync-vs-events"])
def test_both_commands_list_the_scenarios_that_came_along(installed: Installed, command: str, tmp_path: Path) -> None:
    listed = installed.run(command, "list", cwd=tmp_path).stdout
    assert all(scenario in listed for scenario in SCENARIOS)


def test_the_installed_program_is_what_runs_and_not_the_checkout(installed: Installed, tmp_path: Path) -> None:
    where = "import sync_vs_events; print(sync_vs_events.__file__)"
    file = Path(installed.run("python", "-c", where, cwd=tmp_path).stdout.strip())
    assert installed.bin.parent in file.parents


def test_other_packages_of_the_same_names_do_not_get_in_the_way(installed: Installed, tmp_path: Path) -> None:
    for name in ("benchmarks", "cli", "registration"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise ImportError('not this one')\n", encoding="utf-8")
    # Ahead of all that is installed, and in the working directory as well.
    listed = installed.run("bench", "list", cwd=tmp_path, PYTHONPATH=str(tmp_path)).stdout
    assert "slow-downstream" in listed


def test_an_installed_program_plans_and_runs_and_reports(installed: Installed, tmp_path: Path) -> None:
    installed.run("bench", "plan", "slow-downstream", cwd=tmp_path)
    # Direct calls alone: the processes are found and started, and no broker is needed. Whether this machine is quick
    # enough for a valid run (else 110) is not what is asked here.
    quick = ("--quick", "--blocks", "1", "--variant", "sync", "--duration", "2s", "--repeat-invalid", "0")
    done = installed.tried("bench", "run", "baseline", *quick, cwd=tmp_path)
    assert done.returncode in (0, 110), done.stderr
    results = tmp_path / "results" / "latest"
    assert (results / "report.html").stat().st_size > 0
    assert len(list((results / "charts").glob("*.svg"))) > 0
