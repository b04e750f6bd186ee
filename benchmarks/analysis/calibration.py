"""What the machine's calibration says about a run: the noise floor of its scenario, and the load generator's ceiling.

    bench calibrate → the machine's calibration → environment.json of each run ─┬→ NoiseFloor → `≈`, `bench plan`
                                                                                └→ a warning near the ceiling

The noise floor is what a comparison says of two identical sides (A/A). Both are read from what the run itself stored,
so that a report says the same on every machine.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from benchmarks.analysis.summary_model import Floor, UsedFloor
from benchmarks.scenario.workload import Workload
from benchmarks.values.json_object import Json, object_or_empty

# A floor holds for a load like its own: the same rate, and trials not much longer or shorter, which are noisier.
_RATE_TOLERANCE = 0.01
_DURATION_FACTOR = 2.0

HEADROOM = 0.5  # of the generator's ceiling: from there on, its own delay shows
_HIGH_RATE_PER_S = 2_000  # from here on a small machine may fall behind


@dataclass(frozen=True)
class NoiseFloor(UsedFloor):
    """The floor of each metric in one scenario, measured over `blocks` blocks; rate (null: closed load) and duration
    are those of its trials. A summary holds it as it was used.
    """

    @classmethod
    def of(cls, environment: Json, scenario_name: str) -> NoiseFloor | None:
        """The floor that a run's environment holds for a scenario; None where it has none, or a stale one."""
        calibration = object_or_empty(environment.get("calibration"))
        entry = object_or_empty(object_or_empty(calibration.get("noise_floor")).get(scenario_name))
        if calibration.get("stale") or not entry:
            return None
        metrics = {
            name: _floor(object_or_empty(value)) for name, value in object_or_empty(entry.get("metrics")).items()
        }
        blocks = _number(entry.get("blocks"))
        return cls(
            scenario=scenario_name,
            blocks=None if blocks is None else int(blocks),
            rate_per_s=_number(entry.get("rate_per_s")),
            duration_s=_number(entry.get("duration_s")),
            metrics={name: floor for name, floor in metrics.items() if floor is not None},
        )

    def interval(self, kind: str, metric: str) -> tuple[float, float] | None:
        """The interval of a ratio, or a difference, that identical sides stay within; None where none was measured."""
        floor = self._found(kind, metric)
        return None if floor is None else (floor.low, floor.high)

    def sd(self, kind: str, metric: str) -> float | None:
        """The standard deviation over blocks of identical sides: of the log ratio, or of the difference."""
        floor = self._found(kind, metric)
        return None if floor is None else floor.sd

    def fits(self, rate_per_s: float | None, duration_s: float) -> bool:
        """Whether it was measured under a load like this one."""
        if (self.rate_per_s is None) != (rate_per_s is None) or self.duration_s is None:
            return False
        rates = (self.rate_per_s or 0.0, rate_per_s or 0.0)  # for closed loads both are 0
        if not math.isclose(*rates, rel_tol=_RATE_TOLERANCE):
            return False
        return 1 / _DURATION_FACTOR <= self.duration_s / duration_s <= _DURATION_FACTOR

    def _found(self, kind: str, metric: str) -> Floor | None:
        floor = self.metrics.get(metric)
        return floor if floor is not None and floor.kind == kind else None


def floor_for(
    environment: Json | None, scenario_name: str, rate_per_s: float | None, duration_s: float
) -> tuple[NoiseFloor | None, str | None]:
    """The floor to judge a run by; where there is none, one sentence on why, with what to do."""
    remedy = f"`bench calibrate --aa {scenario_name}` measures it"
    calibration = object_or_empty((environment or {}).get("calibration"))
    if not calibration:
        return None, f"this machine was not calibrated: {remedy}"
    if stale := calibration.get("stale"):
        why = "; ".join(str(reason) for reason in stale) if isinstance(stale, list) else str(stale)
        return None, f"the calibration is stale ({why}): {remedy} again"
    floor = NoiseFloor.of({"calibration": calibration}, scenario_name)
    if floor is None:
        return None, f"the noise floor of {scenario_name} was not measured: {remedy}"
    if not floor.fits(rate_per_s, duration_s):
        return None, (
            f"the noise floor of {scenario_name} was measured under another load ({_load(floor)}): {remedy}, "
            "run with the same rate and duration"
        )
    return floor, None


def ceiling_warnings(workload: Workload, environment: Mapping[str, object] | None) -> list[str]:
    """One sentence where the highest planned rate is above half the ceiling; that of a closed load is not planned."""
    calibration = object_or_empty((environment or {}).get("calibration"))
    ceiling = _number(object_or_empty(calibration.get("generator")).get("highest_clean_per_s"))
    planned = workload.highest_rate(0.0, workload.duration_s)
    if calibration.get("stale") or ceiling is None or planned is None or planned <= HEADROOM * ceiling:
        return []
    return [
        f"the planned {planned:,.0f}/s is above half of what the load generator sustains cleanly on this machine "
        f"({ceiling:,.0f}/s for one process): look at schedule_delay_ms, or lower the rate"
    ]


def ceiling_unknown(workload: Workload, environment: Mapping[str, object] | None) -> list[str]:
    """One sentence where a high rate is planned on a machine whose generator was never measured."""
    calibration = object_or_empty((environment or {}).get("calibration"))
    ceiling = _number(object_or_empty(calibration.get("generator")).get("highest_clean_per_s"))
    planned = workload.highest_rate(0.0, workload.duration_s)
    if planned is None or planned < _HIGH_RATE_PER_S or (ceiling is not None and not calibration.get("stale")):
        return []
    return [
        f"it is not known whether this machine can send the planned {planned:,.0f}/s on time: "
        "`bench calibrate --only generator` measures it; --load-workers shares the load among processes"
    ]


def _load(floor: NoiseFloor) -> str:
    rate = "a closed load" if floor.rate_per_s is None else f"{floor.rate_per_s:g}/s"
    return rate if floor.duration_s is None else f"{rate} for {floor.duration_s:g} s"


def _floor(entry: Json) -> Floor | None:
    low, high = _number(entry.get("low")), _number(entry.get("high"))
    if low is None or high is None:
        return None
    return Floor(str(entry.get("kind")), low, high, _number(entry.get("sd")))


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None
