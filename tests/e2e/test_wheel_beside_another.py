"""The wheel beside another that ships the same top-level names: both are installed, both are whole, ours runs."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from one_trial import one_trial
from wheels import Built, Installed, finished, install

OTHER = {
    "pyproject.toml": """\
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "other-benchmarks"
version = "1.0"

[project.scripts]
other = "cli.main:main"

[tool.hatch.build.targets.wheel]
only-include = ["benchmarks", "cli", "registration", "results"]
""",
    "benchmarks/__init__.py": "OWNER = 'other'\n",
    "benchmarks/run.py": "raise ImportError('the benchmarks of somebody else')\n",
    "registration/__init__.py": "raise ImportError('the registration of somebody else')\n",
    "results/__init__.py": "",
    "cli/__init__.py": "",
    "cli/main.py": "import benchmarks\n\n\ndef main():\n    print('other', benchmarks.OWNER)\n",
}


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel of somebody else, flat as most are."""
    tree = tmp_path_factory.mktemp("other")
    for name, text in OTHER.items():
        (tree / name).parent.mkdir(exist_ok=True)
        (tree / name).write_text(text, encoding="utf-8")
    finished([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tree / "dist")], tree)
    (wheel,) = (tree / "dist").glob("*.whl")
    return wheel


@pytest.fixture(scope="module", params=["ours first", pytest.param("ours last", marks=pytest.mark.slow)])
def both(
    request: pytest.FixtureRequest, built: Built, other: Path, tmp_path_factory: pytest.TempPathFactory
) -> Installed:
    """An environment with both wheels in it, in either order of installation."""
    wheels = [built.wheel, other] if request.param == "ours first" else [other, built.wheel]
    return install(tmp_path_factory.mktemp("environment") / "venv", *wheels)


def runs(environment: Installed, here: Path, variant: str) -> None:
    """Run the baseline from `here`. Whether this machine is quick enough for a valid run (else 110) is not asked."""
    done = environment.tried("bench", *one_trial(variant), "--out", variant, cwd=here)
    assert done.returncode in (0, 110), done.stderr
    summary = json.loads((here / variant / "summary.json").read_text(encoding="utf-8"))
    assert summary["variants"][variant]["counts"]["acked"] > 0
    assert (here / variant / "report.html").is_file()


def test_each_command_runs_its_own_code(both: Installed, tmp_path: Path) -> None:
    assert both.run("other", cwd=tmp_path).stdout == "other other\n"
    for command in ("bench", "sync-vs-events"):
        assert "slow-downstream" in both.run(command, "list", cwd=tmp_path).stdout


@pytest.mark.slow
def test_ours_runs_the_direct_side_from_another_directory(both: Installed, tmp_path: Path) -> None:
    runs(both, tmp_path, "sync")


@pytest.mark.slow
def test_ours_runs_events_on_a_real_kafka_from_another_directory(both: Installed, tmp_path: Path) -> None:
    runs(both, tmp_path, "events")


@pytest.mark.slow
def test_ours_stays_whole_when_the_other_is_removed(built: Built, other: Path, tmp_path: Path) -> None:
    environment = install(tmp_path / "venv", built.wheel, other)
    environment.run("python", "-m", "pip", "uninstall", "-q", "-y", "other-benchmarks", cwd=tmp_path)
    assert not (environment.bin / "other").exists()
    assert "slow-downstream" in environment.run("bench", "list", cwd=tmp_path).stdout
    runs(environment, tmp_path, "sync")


def test_the_other_stays_whole_when_ours_is_removed(built: Built, other: Path, tmp_path: Path) -> None:
    environment = install(tmp_path / "venv", other, built.wheel)
    environment.run("python", "-m", "pip", "uninstall", "-q", "-y", "sync-vs-events", cwd=tmp_path)
    assert not (environment.bin / "bench").exists()
    assert environment.run("other", cwd=tmp_path).stdout == "other other\n"
