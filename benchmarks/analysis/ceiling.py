"""The generator's ceiling against the rate that a run plans: half of it is where its own delay begins to show."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from benchmarks.scenario.workload import Workload

HEADROOM = 0.5


def ceiling_of(calibration: object) -> float | None:
    """The highest clean rate per second of a stored calibration; None where it has none, or no longer fits."""
    if not isinstance(calibration, Mapping) or calibration.get("stale"):
        return None
    generator = calibration.get("generator")
    highest = generator.get("highest_clean_per_s") if isinstance(generator, Mapping) else None
    return cast(float, highest) if isinstance(highest, (int, float)) else None


def ceiling_warnings(workload: Workload, environment: Mapping[str, object] | None) -> list[str]:
    """One sentence where the highest planned rate is above half the ceiling; that of a closed load nobody plans."""
    ceiling = ceiling_of((environment or {}).get("calibration"))
    planned = workload.highest_rate(0.0, workload.duration_s)
    if ceiling is None or planned is None or planned <= HEADROOM * ceiling:
        return []
    return [
        f"the planned {planned:,.0f}/s are above half of what the load generator keeps cleanly on this machine "
        f"({ceiling:,.0f}/s for one process): look at schedule_delay_ms, or lower the rate"
    ]
