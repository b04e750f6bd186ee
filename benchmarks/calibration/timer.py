"""Part `timer`: how late the generator's timer rings on this machine, and how late the event loop's own would."""

from __future__ import annotations

from typing import cast

import numpy as np

from benchmarks.calibration.workbench import Workbench, quantiles
from benchmarks.processes.child import Child
from benchmarks.values.json_object import Json

_MODULE = "benchmarks.load.punctuality"
_SHORTEST_NS, _LONGEST_NS = 500_000, 2_000_000
_LIMIT_S = 60.0
_GRACE_S = 3.0


async def measure(bench: Workbench) -> Json:
    """`late_ms` of the generator's timer and `loop_late_ms`. Raises ChildError."""
    rings = bench.effort.rings
    bench.step(f"{rings:,} rings of two timers")
    child = await Child.spawn("timer", _MODULE, bench.folder() / "timer.log")
    try:
        child.begin("timer", {"rings": rings, "shortest_ns": _SHORTEST_NS, "longest_ns": _LONGEST_NS})
        done = await child.expect("done", _LIMIT_S)
    finally:
        await child.stop(_GRACE_S)
    return {
        "pacer": done["pacer"],
        "rings": rings,
        "late_ms": _late_ms(done["late_ns"]),
        "loop_late_ms": _late_ms(done["loop_late_ns"]),
    }


def _late_ms(late_ns: object) -> dict[str, float]:
    return quantiles(np.array(cast(list[int], late_ns), dtype=np.float64) / 1e6)
