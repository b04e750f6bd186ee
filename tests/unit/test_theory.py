"""The prediction and the metrics against queueing theory: formulas that others derived, from parameters alone.

One trial of `sync-concurrent` with patient callers holds three queues with the same arrivals, since there each service
is called at once: an M/M/1, an M/M/4 and an M/D/1. (A consumer's are not quite these: it takes no more than so many
deliveries in hand.) Waits within a queue depend on each other, so a mean's sampling error comes from the means of
batches (Law 2015, Simulation Modeling and Analysis, section 9.5.3); four of it are allowed, and seeds are fixed.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from scipy.stats import binom
from synthetic import facts_of

from benchmarks.metrics.aggregation import stats
from benchmarks.metrics.series import outstanding
from benchmarks.planning.plan import make_plan
from benchmarks.planning.prediction import Prediction
from benchmarks.scenario import load_text
from virtual.predict import predict

RATE = 100.0  # arrivals a second
LOAD = 0.6  # utilisation of each queue
SERVERS = 4
WORK_S = LOAD / RATE
QUEUES = f"""
version: 1
name: x
workload: {{rate: {RATE:g}, duration: 320s, warmup: 10s, timeout: 1h}}
variants: [{{name: patient, base: sync-concurrent, options: {{timeout: 1h}}}}]
services:
  email: {{latency: {{distribution: exponential, mean: {WORK_S * 1e3:g}ms}}, concurrency: 1}}
  analytics: {{latency: {{distribution: exponential, mean: {WORK_S * SERVERS * 1e3:g}ms}}, concurrency: {SERVERS}}}
  cache: {{latency: {WORK_S * 1e3:g}ms, concurrency: 1}}
"""
Waits = dict[str, NDArray[np.float64]]  # seconds from arrival to begin of work, by service


def predicted(text: str, variant: str) -> Prediction:
    found = predict(make_plan(load_text(text, "x")), variant)
    assert isinstance(found, Prediction)
    return found


@pytest.fixture(scope="module")
def waits() -> Waits:
    result = predicted(QUEUES, "patient")
    found = {}
    for service, attempts in result.attempts.items():
        begun_ns = np.empty(len(result.index), np.int64)
        begun_ns[attempts["place"]] = attempts["begun_ns"]
        found[service] = (begun_ns - result.intended_ns) / 1e9
    return found


def agrees(sample: NDArray[np.float64] | NDArray[np.bool_], expected: float) -> bool:
    """Whether the mean of a sample in order of time is within four standard errors of `expected`."""
    means = np.array([batch.mean() for batch in np.array_split(sample, 40)])
    error = means.std(ddof=1) / math.sqrt(len(means))
    print(f"{sample.mean():.5g}, expected {expected:.5g}, standard error {error:.2g}")
    assert error < 0.12 * expected, "too small a sample to say anything"
    return bool(abs(sample.mean() - expected) < 4 * error)


def erlang_c(servers: int, offered: float) -> float:
    """The probability that an arrival of an M/M/c has to wait; `offered` is arrival rate × mean work (Erlang 1917)."""
    below = sum(offered**k / math.factorial(k) for k in range(servers))
    full = offered**servers / math.factorial(servers) * servers / (servers - offered)
    return full / (below + full)


def test_one_server_is_the_simplest_case_of_erlang() -> None:
    assert erlang_c(1, LOAD) == pytest.approx(LOAD)


@pytest.mark.parametrize(("service", "servers"), [("email", 1), ("analytics", SERVERS)])
def test_exponential_work_waits_as_erlang_has_it(waits: Waits, service: str, servers: int) -> None:
    """M/M/c: P(wait > t) = C e^-(cμ - λ)t, and the mean is C / (cμ - λ)."""
    must_wait = erlang_c(servers, LOAD * servers)
    spare = RATE / LOAD - RATE  # cμ - λ
    assert agrees(waits[service], must_wait / spare)
    assert agrees(waits[service] > 0, must_wait)
    for share in (0.8, 0.9, 0.95):
        quantile_s = math.log(must_wait / (1 - share)) / spare
        assert agrees(waits[service] > quantile_s, 1 - share)


def test_fixed_work_waits_half_as_long_as_pollaczek_and_khinchine_have_it(waits: Waits) -> None:
    """M/D/1: the mean wait is ρ / 2(1 - ρ) of the work's time, half that of exponential work."""
    assert agrees(waits["cache"], LOAD / (2 * (1 - LOAD)) * WORK_S)
    assert agrees(waits["cache"] > 0, LOAD)


def test_one_server_is_the_recursion_of_lindley_to_the_nanosecond() -> None:
    """One server, first come, first served: each begins when it came or when the one before it ended, the later."""
    result = predicted(QUEUES.replace("320s", "20s").replace("10s,", "0s,"), "patient")
    attempts = result.attempts["email"]
    work_ns = attempts["ended_ns"] - attempts["begun_ns"]
    free_ns, ends_ns = 0, []
    for came_ns, work in zip(result.intended_ns.tolist(), work_ns.tolist(), strict=True):
        free_ns = max(came_ns, free_ns) + work
        ends_ns.append(free_ns)
    assert result.applied_ns["email"].tolist() == ends_ns


FREEZE = """
version: 1
name: x
workload: {rate: 1000, duration: 10s, warmup: 0s, arrivals: uniform}
services: {email: {latency: 1ms, concurrency: 2000}, analytics: {latency: 0ms}, cache: {latency: 0ms}}
variants: [sync-concurrent]
faults: [{target: email, type: pause, at: 4s, duration: 1s}]
"""


@pytest.fixture(scope="module")
def waits_ms() -> NDArray[np.float64]:
    """Of a frozen service, from arrival to effect."""
    result = predicted(FREEZE, "sync-concurrent")
    return (result.applied_ns["email"] - result.intended_ns) / 1e6


def test_a_freeze_of_one_second_in_ten_has_the_quantiles_that_it_must_have(waits_ms: NDArray[np.float64]) -> None:
    """A tenth of all waits, evenly from 1 s down to none: the q-quantile is (q - 0.9) / 0.1 of a second, and the work.

    No sampling error: arrivals are even. The tolerance is their distance and the work, a millisecond each.
    """
    found = stats(waits_ms)
    assert found["p50"] == 1.0
    assert found["p99"] == pytest.approx(901, abs=2)
    assert found["p999"] == pytest.approx(991, abs=2)
    assert found["max"] == pytest.approx(1001, abs=2)


@pytest.mark.parametrize("share", [0.01, 0.1, 0.4])
def test_three_services_in_a_row_accept_the_cube_of_what_one_lets_pass(share: float) -> None:
    """Within the exact binomial bounds of 99.9 %; called at once, the same people are accepted."""
    services = ", ".join(f"{name}: {{errorRate: {share}}}" for name in ("email", "analytics", "cache"))
    text = f"version: 1\nname: x\nworkload: {{rate: 60, duration: 20s}}\nservices: {{{services}}}\n"
    text += "variants: [sync, sync-concurrent]\n"
    in_turn, at_once = (predicted(text, variant).accepted for variant in ("sync", "sync-concurrent"))
    low, high = binom.interval(0.999, len(in_turn), (1 - share) ** 3)
    assert low <= in_turn.sum() <= high
    assert np.array_equal(in_turn, at_once)


def test_what_is_outstanding_obeys_little() -> None:
    """Little 1961: the mean number outstanding is arrival rate × mean time. Over a whole trial it holds exactly."""
    result = predicted(QUEUES.replace("320s", "20s"), "patient")
    size = len(result.index)
    ends_ns = np.max(np.stack(list(result.applied_ns.values())), axis=0)
    history = pd.DataFrame(
        {
            "trial": 1,
            "index": result.index,
            "registration_id": [str(index) for index in result.index],
            "intended_ns": result.intended_ns,
            "sent_ns": result.intended_ns,
            "answered_ns": result.replied_ns,
        }
    )
    effects = pd.concat(
        [
            pd.DataFrame({"trial": 1, "index": result.index, "service": service, "applied_ns": times})
            for service, times in result.applied_ns.items()
        ]
    )
    series = outstanding(history, effects, facts_of(duration_ns=20 * 10**9))
    area = float((series["count"].to_numpy()[:-1] * np.diff(series["t_s"].to_numpy())).sum())
    span_s = float(series["t_s"].iloc[-1])
    mean_s = float(((ends_ns - result.intended_ns) / 1e9).mean())
    assert area / span_s == pytest.approx(size / span_s * mean_s, rel=1e-9)


def test_a_closed_loop_hides_the_freeze_that_open_arrivals_show(
    waits_ms: NDArray[np.float64], capsys: pytest.CaptureFixture[str]
) -> None:
    """The lines of `docs/measurement.md`, as they stand there, and the figures that it says they print."""
    page = (Path(__file__).parents[2] / "docs" / "measurement.md").read_text(encoding="utf-8")
    section = page.partition("## Check it against theory")[2]
    lines = section.split("```python\n")[1].split("```")[0]
    found: dict[str, list[float]] = {}
    exec(lines, found)
    assert capsys.readouterr().out.splitlines() == [
        "open: 10000 requests, p50 1 ms, p99 901 ms",
        "closed: 9010 requests, p50 1 ms, p99 1 ms",
    ]
    assert "a p99 of 901 ms" in section
    assert np.quantile(found["open_ms"], 0.99) == pytest.approx(np.quantile(waits_ms, 0.99), abs=2)
