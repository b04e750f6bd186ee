"""The private directory of a run's broker, which ends with the run; one that a killed run left is swept by the next.

<temporary>/sync-vs-events-<user>-<pid>-<random>/
"""

from __future__ import annotations

import getpass
import os
import re
import shutil
import tempfile
from pathlib import Path

import psutil

_NAME = re.compile(r"(?P<pid>\d+)-\w+")


def _prefix() -> str:
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a user without a name
        user = str(os.getuid())
    return f"sync-vs-events-{user}-"


def make() -> Path:
    """A fresh directory that only this user can read."""
    return Path(tempfile.mkdtemp(prefix=f"{_prefix()}{os.getpid()}-"))


def sweep() -> list[Path]:
    """Remove what runs of this user left that are no more; what was removed."""
    swept = []
    for directory in Path(tempfile.gettempdir()).glob(f"{_prefix()}*"):
        match = _NAME.fullmatch(directory.name.removeprefix(_prefix()))
        if match is None or psutil.pid_exists(int(match["pid"])):
            continue
        shutil.rmtree(directory, ignore_errors=True)
        swept.append(directory)
    return swept
