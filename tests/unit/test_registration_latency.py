"""Each distribution of a service's time, by its quantiles and its mean."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from scipy.stats.distributions import rv_frozen

from registration.latency import DISTRIBUTIONS, Latency

EXAMPLES = [
    Latency("fixed", (50.0,)),
    Latency("uniform", (10.0, 30.0)),
    Latency("exponential", (20.0,)),
    Latency("lognormal", (10.0, 60.0)),
    Latency("pareto", (5.0, 2.5)),
]


@pytest.mark.parametrize("latency", EXAMPLES, ids=lambda latency: latency.distribution)
def test_the_mean_is_that_of_its_quantiles(latency: Latency) -> None:
    # The mean is the integral of the quantile function; midpoints, since the ends may be infinite.
    count = 200_000
    mean = np.mean([latency.sample_ms((index + 0.5) / count) for index in range(count)])
    assert mean == pytest.approx(latency.mean_ms(), rel=0.01)


@pytest.mark.parametrize("latency", EXAMPLES, ids=lambda latency: latency.distribution)
@given(low=st.floats(1e-12, 1 - 1e-12), high=st.floats(1e-12, 1 - 1e-12))
def test_a_larger_draw_never_takes_less_time(latency: Latency, low: float, high: float) -> None:
    low, high = sorted((low, high))
    assert 0 <= latency.sample_ms(low) <= latency.sample_ms(high) < math.inf


@pytest.mark.parametrize(
    ("latency", "reference"),
    [
        (Latency("uniform", (10.0, 30.0)), stats.uniform(10, 20)),
        (Latency("exponential", (20.0,)), stats.expon(scale=20)),
        (Latency("lognormal", (10.0, 60.0)), stats.lognorm(math.log(6) / stats.norm.ppf(0.99), scale=10)),
        (Latency("pareto", (5.0, 2.5)), stats.pareto(2.5, scale=5)),
    ],
    ids=lambda value: getattr(value, "distribution", ""),
)
@pytest.mark.parametrize("u", [0.001, 0.25, 0.5, 0.9, 0.99, 0.999])
def test_the_quantiles_are_those_of_scipy(latency: Latency, reference: rv_frozen, u: float) -> None:
    assert latency.sample_ms(u) == pytest.approx(float(reference.ppf(u)), rel=1e-9)
    assert latency.mean_ms() == pytest.approx(float(reference.mean()), rel=1e-9)


def test_a_lognormal_has_the_two_percentiles_it_is_written_with() -> None:
    latency = Latency("lognormal", (10.0, 60.0))
    assert latency.sample_ms(0.5) == pytest.approx(10.0)
    assert latency.sample_ms(0.99) == pytest.approx(60.0)


@pytest.mark.parametrize("alpha", [0.5, 1.0])
def test_a_pareto_with_a_heavy_tail_has_no_mean(alpha: float) -> None:
    assert Latency("pareto", (5.0, alpha)).mean_ms() == math.inf


def test_every_distribution_of_the_scenario_file_is_here() -> None:
    assert set(DISTRIBUTIONS) == {"fixed", "uniform", "exponential", "lognormal", "pareto"}
