"""What stalls of every process do to a trial: they delay, they are no fault, and whether they ever help is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.analysis.delay import FIGURES, delay_helps, not_covered
from benchmarks.planning.plan import Plan, make_plan
from benchmarks.planning.prediction import Prediction
from benchmarks.planning.stalls import Stalls
from benchmarks.scenario import load, load_text
from benchmarks.scenario.loader import list_scenarios
from benchmarks.scenario.override import override
from benchmarks.values.times import NEVER
from event_impl.brokers.memory import MemoryBroker
from event_impl.brokers.memory.broker import Life
from virtual import Process, VirtualLoop
from virtual.predict import predict
from virtual.standstill import SIGNAL, STALL, Standstills

OFTEN = Stalls(seed=1, mean_ms=5, every_ms=20)
CALM = "workload: {rate: 100, duration: 2s, warmup: 1s}\n"
PAUSE_NS = (500_000_000, 1_500_000_000)
FROZEN = CALM + "faults: [{target: email, type: pause, at: 500ms, duration: 1s}]\n"

# What a bracket does not hold, by scenario and variant; docs/disturbed-runs.md says why.
LATENCIES = {figure for figure in FIGURES if "latency" in figure}
UNCOVERED: dict[tuple[str, str], set[str]] = {
    ("frozen-caller", "events"): LATENCIES,  # by less than 0.3 ms
    ("overloaded-downstream", "sync"): {"slo_ratio", *LATENCIES},
    ("overloaded-downstream", "events"): {"slo_ratio", *LATENCIES},
}
PAIRS = [(path, variant) for _, path in list_scenarios() for variant in load(path).variant_names]
CALM_PAIRS = [(path, variant) for path, variant in PAIRS if not load(path).faults]


def plan_of(text: str) -> Plan:
    return make_plan(load_text("version: 1\nname: x\n" + text, "x"))


def predicted(plan: Plan, variant: str, stalls: Stalls | None = None) -> Prediction:
    found = predict(plan, variant, stalls=stalls)
    assert isinstance(found, Prediction)
    return found


@pytest.mark.parametrize("variant", ["sync", "events"])
def test_stalls_delay_replies_and_effects_and_nothing_else(variant: str) -> None:
    plan = plan_of(CALM)
    quiet, stalled = predicted(plan, variant), predicted(plan, variant, OFTEN)
    assert stalled.accepted.all()
    assert (stalled.replied_ns >= quiet.replied_ns).all()
    assert (stalled.replied_ns > quiet.replied_ns).any()
    for service, applied_ns in quiet.applied_ns.items():
        assert (stalled.applied_ns[service] >= applied_ns).all()


def test_the_load_generator_is_late_too() -> None:
    plan = plan_of(CALM + "services: {email: {latency: 0ms}, analytics: {latency: 0ms}, cache: {latency: 0ms}}\n")
    begun = predicted(plan, "sync", OFTEN).attempts["email"]
    late_ns = begun["begun_ns"] - predicted(plan, "sync").attempts["email"]["begun_ns"]
    assert late_ns.max() > 1_000_000


@pytest.mark.parametrize("wire_ms", [0.0, 0.5])
def test_a_message_takes_the_time_of_its_wire(wire_ms: float) -> None:
    plan = plan_of(CALM + "services: {email: {latency: 0ms}, analytics: {latency: 0ms}, cache: {latency: 0ms}}\n")
    found = predict(plan, "sync", wire_ms=wire_ms)
    assert isinstance(found, Prediction)
    # The person's request and three calls, there and back.
    assert ((found.replied_ns - found.intended_ns) == round(8 * wire_ms * 1_000_000)).all()


def test_the_seed_decides() -> None:
    plan = plan_of(CALM)
    first, again = (predicted(plan, "events", OFTEN).replied_ns for _ in range(2))
    other = predicted(plan, "events", Stalls(2, OFTEN.mean_ms, OFTEN.every_ms)).replied_ns
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("variant", ["sync", "events"])
def test_a_stall_does_not_end_a_pause(variant: str) -> None:
    applied_ns = predicted(plan_of(FROZEN), variant, OFTEN).applied_ns["email"]
    assert (applied_ns != NEVER).any()
    assert not ((applied_ns > PAUSE_NS[0]) & (applied_ns < PAUSE_NS[1])).any()


@pytest.mark.parametrize("last", [SIGNAL, STALL])
def test_a_process_goes_on_when_nothing_stops_it_any_more(last: str) -> None:
    first = STALL if last == SIGNAL else SIGNAL
    process, broker, standstills = Process(VirtualLoop(), "p"), MemoryBroker(), Standstills()
    for hit in (process, broker):
        standstills.stop(hit, first)
        standstills.stop(hit, last)
        standstills.go_on(hit, first)
    assert process.stopped
    assert broker.life is Life.STOPPED
    for hit in (process, broker):
        standstills.go_on(hit, last)
    assert not process.stopped
    assert broker.life is Life.UP


def test_a_stall_revives_nobody_and_holds_up_no_successor() -> None:
    process, broker, standstills = Process(VirtualLoop(), "p"), MemoryBroker(), Standstills()
    for hit in (process, broker):
        standstills.stop(hit, SIGNAL)
        standstills.stop(hit, STALL)
        hit.kill()
        standstills.forget(hit)
        standstills.go_on(hit, STALL)
    assert not process.alive
    assert broker.life is Life.GONE
    broker.start_again()
    standstills.stop(broker, STALL)
    standstills.go_on(broker, STALL)
    assert broker.life is Life.UP


@pytest.mark.parametrize(("path", "variant"), CALM_PAIRS, ids=lambda value: getattr(value, "stem", value))
def test_delay_helps_nobody_where_there_is_no_fault(path: Path, variant: str) -> None:
    assert delay_helps(make_plan(override(load(path), quick=True, duration="3s")), variant, predict, draws=2) == {}


@pytest.mark.parametrize(("path", "variant"), PAIRS, ids=lambda value: getattr(value, "stem", value))
def test_a_bracket_holds_what_a_quiet_machine_would_show(path: Path, variant: str) -> None:
    assert_covered(path, variant, draws=1, duration="4s")


@pytest.mark.slow
@pytest.mark.parametrize(("path", "variant"), PAIRS, ids=lambda value: getattr(value, "stem", value))
def test_it_does_in_a_thousand_draws(path: Path, variant: str) -> None:
    assert_covered(path, variant, draws=1000)


def assert_covered(path: Path, variant: str, draws: int, duration: str | None = None) -> None:
    plan = make_plan(override(load(path), quick=True, duration=duration))
    found = not_covered(plan, variant, predict, draws)
    assert {figure.partition("{")[0] for figure in found} <= UNCOVERED.get((path.stem, variant), set()), found
