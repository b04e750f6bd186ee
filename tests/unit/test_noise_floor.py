"""The noise floor of a run: read from its environment, and used only where it fits."""

from __future__ import annotations

from typing import Any

from stored import summary_with

from benchmarks.analysis.calibration import NoiseFloor, floor_for
from benchmarks.analysis.summary_model import plain

P50, SLO = "accept_latency_ms.p50", "slo_ratio{window:during}"
BASELINE: dict[str, Any] = {
    "blocks": 5,
    "rate_per_s": 60,
    "duration_s": 20,
    "metrics": {
        P50: {"kind": "ratio", "low": 0.97, "high": 1.03, "sd": 0.02},
        SLO: {"kind": "difference", "low": -0.01, "high": 0.01, "sd": 0.004},
    },
}


def environment(*, stale: tuple[str, ...] = ()) -> dict[str, object]:
    return {"calibration": {"stale": list(stale), "noise_floor": {"baseline": BASELINE}}}


def test_a_metric_has_its_interval_and_its_spread_of_its_own_kind() -> None:
    floor = NoiseFloor.of(environment(), "baseline")
    assert floor is not None
    assert floor.interval("ratio", P50) == (0.97, 1.03)
    assert floor.sd("difference", SLO) == 0.004
    assert floor.interval("difference", P50) is None
    assert floor.interval("ratio", "throughput_per_s") is None


def test_what_a_summary_keeps_gives_the_same_floor() -> None:
    floor = NoiseFloor.of(environment(), "baseline")
    assert floor is not None
    kept = summary_with(noise_floor=plain(floor)).noise_floor
    assert vars(kept) == vars(floor)


def test_a_stale_one_is_not_used_and_says_why() -> None:
    stale = environment(stale=("kernel 6.1 then, 6.2 now",))
    assert NoiseFloor.of(stale, "baseline") is None
    floor, reason = floor_for(stale, "baseline", 60, 20)
    assert floor is None
    assert "kernel 6.1 then" in (reason or "")


def test_one_of_another_load_is_not_used() -> None:
    assert floor_for(environment(), "baseline", 60.0, 20.0)[1] is None
    assert floor_for(environment(), "baseline", 60.0, 15.0)[1] is None
    for rate, duration in ((30.0, 20.0), (60.0, 5.0), (None, 20.0)):
        floor, reason = floor_for(environment(), "baseline", rate, duration)
        assert floor is None
        assert "60/s for 20 s" in (reason or "")


def test_a_machine_without_one_names_the_command() -> None:
    for nothing in (None, {}, {"calibration": None}, environment()):
        reason = floor_for(nothing, "slow-downstream", 60, 20)[1]
        assert "bench calibrate --aa slow-downstream" in (reason or "")
