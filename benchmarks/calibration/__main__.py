"""The processes of a calibration: one that answers requests, one that tells the time."""

from __future__ import annotations

from collections.abc import Mapping

from benchmarks.calibration import clock, server
from registration.runtime.harness import Role, main

ROLES: Mapping[str, Role] = {"server": server.run, "clock": clock.answer}

if __name__ == "__main__":
    main(ROLES)
