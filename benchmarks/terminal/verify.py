"""`bench verify`: hands a run to the script that checks it, in a process that knows nothing of this program."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).resolve().parents[1] / "verify.py"


def verify_run(run: Path) -> int:
    """Print what the script finds. Returns its exit code: see docs/verify.md."""
    return subprocess.run([sys.executable, "-P", str(SCRIPT), str(run)], check=False).returncode
