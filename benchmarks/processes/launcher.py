"""Starts a program that dies with the process that started it: ask the kernel for that, then become the program.

```
parent ── python -S -E -P launcher.py <parent's pid> program args… ──(exec)──→ program, killed when the parent is gone
```
The kernel keeps the request (PR_SET_PDEATHSIG) across exec, but ties it to the *thread* that started the child, so
spawn from the main thread only. On other systems than Linux the program is started as it is.
"""

import os
import sys

_PR_SET_PDEATHSIG = 1
_SIGKILL = 9


def command(argv: list[str], *, die_with_parent: bool = True) -> list[str]:
    """The command line that runs `argv` as a child of this process."""
    if not die_with_parent or sys.platform != "linux":
        return list(argv)
    return [sys.executable, "-S", "-E", "-P", os.path.abspath(__file__), str(os.getpid()), *argv]  # noqa: PTH100


def main(arguments: list[str]) -> None:
    """Tie this process to its parent, lift its limit of open files, then exec. Exits with 1 without a parent."""
    import ctypes
    import resource

    expected_parent, *program = arguments
    # A server under a fault holds a connection for everybody who waits; the usual limit, 1,024, would give way first.
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, _SIGKILL, 0, 0, 0)
    if os.getppid() != int(expected_parent):  # it died before the request was in place
        sys.exit(1)
    os.execvp(program[0], program)  # noqa: S606


if __name__ == "__main__":
    main(sys.argv[1:])
