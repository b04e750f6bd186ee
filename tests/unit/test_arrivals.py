"""Arrivals: fixed before the run, exactly rate × duration, and the same whatever the variant."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.planning.arrivals import schedule
from benchmarks.scenario import Workload, load_text

SEED = 12_345_678_901_234_567_890  # above 2⁶³: block seeds are unsigned


def workload(text: str = "") -> Workload:
    return load_text(f"version: 1\nname: x\nworkload: {{rate: 60, duration: 25s, warmup: 3s{text}}}\n", "x").workload


@pytest.mark.parametrize("arrivals", ["poisson", "uniform"])
def test_exactly_rate_times_duration_arrive_after_the_warm_up(arrivals: str) -> None:
    rows = schedule(workload(f", arrivals: {arrivals}"), SEED)
    counted = rows[rows["index"] >= 0]
    assert len(counted) == 1500
    assert counted["intended_ns"].min() >= 0
    assert counted["intended_ns"].max() < 25_000_000_000


@pytest.mark.parametrize("arrivals", ["poisson", "uniform"])
def test_the_warm_up_counts_down_to_minus_one(arrivals: str) -> None:
    rows = schedule(workload(f", arrivals: {arrivals}"), SEED)
    before = rows[rows["index"] < 0]
    assert before["index"].tolist() == list(range(-180, 0))
    assert before["intended_ns"].min() >= -3_000_000_000
    assert before["intended_ns"].max() < 0


@pytest.mark.parametrize("arrivals", ["poisson", "uniform"])
def test_the_schedule_is_in_order_of_time(arrivals: str) -> None:
    rows = schedule(workload(f", arrivals: {arrivals}"), SEED)
    assert np.all(np.diff(rows["intended_ns"]) >= 0)
    assert np.all(np.diff(rows["index"]) == 1)


def test_the_same_seed_gives_the_same_arrivals_and_another_one_others() -> None:
    assert np.array_equal(schedule(workload(), SEED), schedule(workload(), SEED))
    assert not np.array_equal(schedule(workload(), SEED), schedule(workload(), SEED + 1))


def test_another_warm_up_leaves_the_counted_arrivals_as_they_are() -> None:
    text = "version: 1\nname: x\nworkload: {rate: 60, duration: 25s, warmup: 0s}\n"
    without = schedule(load_text(text, "x").workload, SEED)
    with_warm_up = schedule(workload(), SEED)
    assert np.array_equal(without, with_warm_up[with_warm_up["index"] >= 0])


def test_uniform_arrivals_are_evenly_spaced_from_the_warm_up_on() -> None:
    rows = schedule(workload(", arrivals: uniform"), SEED)
    assert rows["intended_ns"][180] == 0
    assert set(np.diff(rows["intended_ns"]).tolist()) <= {16_666_666, 16_666_667}


def test_poisson_gaps_have_the_spread_of_an_exponential() -> None:
    """The standard deviation of exponential gaps is their mean; 1,500 of them stray by a few per cent."""
    rows = schedule(workload(), SEED)
    gaps = np.diff(rows["intended_ns"][rows["index"] >= 0])
    assert gaps.std() / gaps.mean() == pytest.approx(1.0, abs=0.1)


RAMP = """version: 1
name: x
workload:
  executor: ramping-arrival-rate
  arrivals: {arrivals}
  startRate: 20
  stages: [{{duration: 10s, target: 180}}, {{duration: 5s, target: 180}}, {{duration: 5s, target: 0}}]
"""


def ramp(arrivals: str) -> Workload:
    return load_text(RAMP.format(arrivals=arrivals), "x").workload


@pytest.mark.parametrize("arrivals", ["poisson", "uniform"])
def test_a_ramp_has_exactly_the_arrivals_below_its_line(arrivals: str) -> None:
    rows = schedule(ramp(arrivals), SEED)
    counted = rows["intended_ns"][rows["index"] >= 0]
    assert len(counted) == 1000 + 900 + 450
    assert np.all(np.diff(rows["intended_ns"]) >= 0)
    assert 0 <= counted[0] <= counted[-1] < 20_000_000_000
    assert (rows["index"] < 0).sum() == 60, "three seconds of warm-up at the rate that the run begins with"


def test_the_arrivals_of_a_ramp_come_where_its_rate_brings_them() -> None:
    """Within t seconds of the first stage 20 t + 8 t² arrivals have come."""
    at_s = schedule(ramp("uniform"), SEED)["intended_ns"][60:] / 1e9
    for index in (0, 1, 10, 500, 999):
        assert 20 * at_s[index] + 8 * at_s[index] ** 2 == pytest.approx(index, abs=1e-6)
    assert at_s[1000:1900] == pytest.approx(10 + np.arange(900) / 180)
    seconds_left = 20 - at_s[1900:]
    assert 18 * seconds_left**2 == pytest.approx(450 - np.arange(450), abs=1e-5)


def test_poisson_arrivals_of_a_ramp_follow_its_rate_up_to_chance() -> None:
    rows = schedule(ramp("poisson"), SEED)
    counts, _ = np.histogram(rows["intended_ns"][60:], bins=np.array([0, 5, 10, 15, 20]) * 10**9)
    assert counts == pytest.approx([300, 700, 900, 450], abs=4 * np.sqrt(900))


def test_a_ramp_may_stand_still_and_begin_at_nothing() -> None:
    stages = ", ".join(f"{{duration: {d}, target: {t}}}" for d, t in [("2s", 0), ("2s", 10), ("2s", 10), ("3s", 0)])
    text = f"version: 1\nname: x\nworkload: {{executor: ramping-arrival-rate, stages: [{stages}]}}\n"
    rows = schedule(load_text(text, "x").workload, SEED)
    assert len(rows) == 10 + 20 + 15
    assert rows["intended_ns"].min() >= 2_000_000_000
    assert rows["intended_ns"].max() < 9_000_000_000


def test_a_constant_rate_is_a_ramp_that_goes_nowhere() -> None:
    stages = "stages: [{duration: 25s, target: 60}]"
    text = f"version: 1\nname: x\nworkload: {{executor: ramping-arrival-rate, startRate: 60, {stages}}}\n"
    assert np.array_equal(schedule(load_text(text, "x").workload, SEED), schedule(workload(), SEED))


def test_a_closed_load_has_no_schedule() -> None:
    closed = load_text("version: 1\nname: x\nworkload: {executor: constant-vus, vus: 3}\n", "x").workload
    with pytest.raises(ValueError, match="wait for replies, so there is no schedule"):
        schedule(closed, SEED)
