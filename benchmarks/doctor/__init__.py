"""What `bench doctor` examines: themes, each with its facts, a `look` and a `judge`; the table is below.

Third-party packages are imported inside the functions: where one is missing, the doctor still has to say so.
"""

from __future__ import annotations

from typing import Any

from benchmarks.doctor import installation, network, resources, timing
from benchmarks.doctor.examination import Examination, Finding, State, Theme, examine

# In the order in which they are shown.
THEMES: tuple[Theme[Any], ...] = (
    Theme("program", installation.look_at_program, installation.judge_program),
    Theme("processors", timing.look_at_processors, timing.judge_processors),
    Theme("clocks", timing.look_at_clocks, timing.judge_clocks),
    Theme("calibration", installation.look_at_calibration, installation.judge_calibration),
    Theme("limits", resources.look_at_limits, resources.judge_limits),
    Theme("memory", resources.look_at_memory, resources.judge_memory),
    Theme("disk", resources.look_at_disk, resources.judge_disk),
    Theme("network", network.look_at_network, network.judge_network),
    Theme("kafka", installation.look_at_kafka, installation.judge_kafka),
)

__all__ = ["THEMES", "Examination", "Finding", "State", "examine"]
