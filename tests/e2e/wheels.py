"""Built wheels, and environments to install them into."""

from __future__ import annotations

import os
import subprocess
import sysconfig
import venv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

TREE = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Built:
    """The two files that a release has."""

    wheel: Path
    sdist: Path


@dataclass(frozen=True)
class Installed:
    """An environment with the wheel in it."""

    bin: Path

    def run(self, *arguments: str, cwd: Path, **variables: str) -> subprocess.CompletedProcess[str]:
        """One of its commands, which has to end well."""
        return finished([str(self.bin / arguments[0]), *arguments[1:]], cwd, **variables)

    def tried(self, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
        """One of its commands, however it ends."""
        return ended([str(self.bin / arguments[0]), *arguments[1:]], cwd)


def ended(command: Sequence[str], cwd: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """The ended process. What the tests were started with shall not reach it: a PYTHONPATH goes before all wheels."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | variables
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=600, check=False)


def finished(command: Sequence[str], cwd: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """The ended process; fails the test with what it printed."""
    done = ended(command, cwd, **variables)
    assert done.returncode == 0, f"{command} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
    return done


def install(home: Path, *wheels: Path) -> Installed:
    """A new environment with these wheels alone; what they depend on is lent by the environment that runs the tests.

    A path in a .pth file is added as it is: the .pth files in that directory, such as the one of this project's own
    editable install, do not count.
    """
    venv.create(home, with_pip=True)
    paths = sysconfig.get_paths(vars={"base": str(home), "platbase": str(home)})
    pip = [str(home / "bin" / "python"), "-m", "pip", "install", "-q", "--no-deps", "--no-index"]
    # Before the lent packages can be seen: pip would find the project installed there.
    for wheel in wheels:
        finished([*pip, str(wheel)], home)
    lent = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    (Path(paths["purelib"]) / "lent.pth").write_text("\n".join(sorted(lent)), encoding="utf-8")
    return Installed(home / "bin")
