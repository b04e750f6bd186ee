"""What the tests from outside share: the wheel and the source distribution, built once."""

from __future__ import annotations

import sys

import pytest
from wheels import TREE, Built, finished


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    directory = tmp_path_factory.mktemp("dist")
    finished([sys.executable, "-m", "hatchling", "build", "-d", str(directory)], TREE)
    (wheel,), (sdist,) = directory.glob("*.whl"), directory.glob("*.tar.gz")
    return Built(wheel, sdist)
