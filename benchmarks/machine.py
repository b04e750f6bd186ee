"""What this machine and this installation are: the facts that figures depend on and that do not change within a run."""

from __future__ import annotations

import functools
import platform
import socket
from contextlib import suppress
from importlib import metadata
from pathlib import Path


@functools.cache
def host_name() -> str:
    """The name of this host, as every row of what was measured carries it; asked once per process."""
    return socket.gethostname()


def cpu_model() -> str | None:
    """The processor's name, as the system has it."""
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or None


def python() -> str:
    """The implementation and version of Python: `CPython 3.11.7`."""
    return f"{platform.python_implementation()} {platform.python_version()}"


def version() -> str:
    """The version of the installed distribution."""
    try:
        return metadata.version("sync-vs-events")
    except metadata.PackageNotFoundError:  # a tree on PYTHONPATH
        return "unknown"
