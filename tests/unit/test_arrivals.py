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
