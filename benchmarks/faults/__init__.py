"""Faults of processes, one file per kind; faults in a service's work live in `registration.faults`.

One more kind is one file here, one line below, and its keys in `benchmarks.scenario.fault`.
"""

from __future__ import annotations

from collections.abc import Mapping

from benchmarks.faults.kill import Kill
from benchmarks.faults.pause import Pause
from benchmarks.faults.process_fault import Processes, ProcessFault
from benchmarks.faults.restart import Restart

KINDS: Mapping[str, ProcessFault] = {
    "kill": Kill(),
    "pause": Pause(),
    "restart": Restart(),
}

__all__ = ["KINDS", "ProcessFault", "Processes"]
