"""What `bench doctor` examines: one file per theme, each with its facts, `look` and `judge`; the table is below.

Packages of others are imported inside the functions: where one is missing, the doctor still has to say so.
"""

from __future__ import annotations

from typing import Any

from benchmarks.doctor import calibration, clocks, disk, kafka, limits, memory, network, processors, program
from benchmarks.doctor.examination import Examination, Finding, State, Theme, examine

# In the order in which they are told.
THEMES: tuple[Theme[Any], ...] = (
    Theme("program", program.look, program.judge),
    Theme("processors", processors.look, processors.judge),
    Theme("clocks", clocks.look, clocks.judge),
    Theme("calibration", calibration.look, calibration.judge),
    Theme("limits", limits.look, limits.judge),
    Theme("memory", memory.look, memory.judge),
    Theme("disk", disk.look, disk.judge),
    Theme("network", network.look, network.judge),
    Theme("kafka", kafka.look, kafka.judge),
)

__all__ = ["THEMES", "Examination", "Finding", "State", "examine"]
