"""The order effect: planted ones are found, none is invented, and places are balanced."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest

from benchmarks.analysis.order import order_effect_of
from benchmarks.analysis.summary_model import Json, VariantSummary
from benchmarks.planning.plan import make_plan
from benchmarks.scenario import load_text
from benchmarks.scenario.metric import Metric

ACCEPT_P50 = Metric.parse("accept_latency_ms.p50")
VARIANTS = {"sync": 40.0, "events": 4.0, "sync-concurrent": 20.0}


def sides(names: list[str], blocks: int, *, first: float = 1.0, noise: float = 0.02) -> list[VariantSummary]:
    """Trials in the planned order; the first of each block takes `first` times as long."""
    rng = np.random.default_rng(2)
    text = f"version: 1\nname: made-up\nblocks: {blocks}\nvariants: [{', '.join(names)}]\n"
    figures: dict[str, list[Json]] = {name: [] for name in names}
    lucks = np.exp(rng.normal(0, 0.3, blocks))  # blocks differ by far more than trials do
    plan = make_plan(load_text(text, "made-up.yaml"))
    for trial in plan.trials:
        is_first = trial.number % len(names) == 1
        name = trial.variant.name
        p50 = VARIANTS[name] * lucks[trial.block] * (first if is_first else 1.0) * np.exp(rng.normal(0, noise))
        shape = {"p50": float(p50)}
        figures[name].append(
            {
                "trial": trial.number,
                "block": trial.block,
                "accept_latency_ms": shape,
                "completion_latency_ms": shape,
                "cpu_ms_per_registration": {"total": 5.0},
            }
        )
    return [VariantSummary.from_dict(name, {"trials": figures[name]}) for name in names]


@pytest.mark.parametrize("names", [["sync", "events"], ["sync", "events", "sync-concurrent"]])
def test_a_first_trial_that_is_slower_is_found_and_warned_of(names: list[str]) -> None:
    (accept, *_), warnings = order_effect_of(sides(names, 6, first=1.5))
    assert accept.ratio == pytest.approx(1.5, rel=0.05)
    assert accept.ci95 is not None
    low, high = accept.ci95
    assert low < 1.5 < high
    assert accept.significant is True
    assert "an order effect" in warnings[0]
    assert f"a multiple of {len(names)} blocks" in warnings[0]


def test_where_there_is_none_nothing_is_warned_of() -> None:
    found, warnings = order_effect_of(sides(["sync", "events"], 6))
    assert [entry.significant for entry in found] == [False] * 3
    assert warnings == []


def test_equal_figures_are_no_effect_and_no_warning() -> None:
    cost = order_effect_of(sides(["sync", "events"], 4))[0][2]
    assert (cost.ratio, cost.ci95, cost.p) == (1.0, (1.0, 1.0), 1.0)


def test_too_few_blocks_say_so() -> None:
    (accept, *_), warnings = order_effect_of(sides(["sync", "events"], 3))
    assert (accept.ratio, warnings) == (None, [])
    assert "too few blocks (3)" in str(accept.sentence)
    assert "ran first in every block" in str(order_effect_of(sides(["sync", "events"], 1))[0][0].sentence)
    assert order_effect_of(sides(["sync"], 5)) == ((), [])


def test_with_two_variants_it_is_the_period_effect_of_a_cross_over() -> None:
    made = sides(["sync", "events"], 4)
    logs = {side.name: [np.log(trial.of(ACCEPT_P50)) for trial in side.trials] for side in made}
    differences = np.array(logs["sync"]) - np.array(logs["events"])
    first = np.array([a.trial < b.trial for a, b in zip(made[0].trials, made[1].trials, strict=True)])
    by_hand = (differences[first].mean() - differences[~first].mean()) / 2
    assert order_effect_of(made)[0][0].ratio == pytest.approx(float(np.exp(by_hand)))


@pytest.mark.parametrize("names", [["sync", "events"], ["sync", "events", "sync-concurrent"]])
def test_over_two_rounds_each_variant_has_each_place_and_each_neighbour_equally_often(names: list[str]) -> None:
    n = len(names)
    text = f"version: 1\nname: made-up\nblocks: {2 * n}\nvariants: [{', '.join(names)}]\n"
    trials = make_plan(load_text(text, "made-up.yaml")).trials
    orders = [[trial.variant.name for trial in trials[at : at + n]] for at in range(0, len(trials), n)]
    assert set(Counter((name, place) for order in orders for place, name in enumerate(order)).values()) == {2}
    for begin in (0, n):
        firsts = [order[0] for order in orders[begin : begin + n]]
        assert sorted(firsts) == sorted(names)
    follows = Counter(pair for order in orders for pair in pairwise(order))
    assert set(follows.values()) == {len(orders) * (n - 1) // (n * (n - 1))}
