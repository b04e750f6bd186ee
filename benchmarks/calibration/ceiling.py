"""Part `generator`: the highest rate that the load generator keeps cleanly, against a server that does nothing.

    1,000/s · 2,000/s · 4,000/s … ──not clean──→ halve the gap, a few times → the highest clean rate

A step is an open load of a few seconds in a fresh generator, with the settings of a trial. It is clean when the
schedule delay's p99 is at most 1 ms, nothing was dropped and every arrival was answered.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.calibration.workbench import Workbench
from benchmarks.load.rows import NO_TIME, Outcome
from benchmarks.load.rows import read as read_rows
from benchmarks.planning.plan import PlannedTrial, make_plan
from benchmarks.processes.sampling import Sampler
from benchmarks.scenario import Scenario, load_text
from benchmarks.trials.processes import ProcessSpec, trial_processes
from benchmarks.trials.supervisor import Supervisor
from benchmarks.values.json_object import Json
from benchmarks.words.numbers import milliseconds
from registration.address import LOOPBACK, Address

DELAY_LIMIT_MS = 1.0
_FIRST_PER_S = 1_000.0
_MOST_PER_S = 128_000.0
_WARMUP_S = 0.5
_TIMEOUT_S = 1.0
_LEAD_S = 0.1
_CLOSING_S = 15.0
_SERVER, _LOAD = "server", "load"


@dataclass(frozen=True)
class Step:
    """What one rate came to. Shares are of one core, over the load."""

    rate_per_s: float
    delay_p50_ms: float
    delay_p99_ms: float
    dropped: int
    unanswered: int
    generator_cpu_share: float
    server_cpu_share: float

    @property
    def clean(self) -> bool:
        return self.delay_p99_ms <= DELAY_LIMIT_MS and not self.dropped and not self.unanswered

    def as_dict(self) -> Json:
        return {**asdict(self), "clean": self.clean}


async def measure(bench: Workbench) -> Json:
    """The highest clean rate, null where even the first was not, and every step. Raises ChildError, NoFreePort."""
    steps: list[Step] = []

    async def is_clean(rate_per_s: float) -> bool:
        for _ in range(bench.effort.attempts):
            step = await _step(bench, rate_per_s)
            steps.append(step)
            state = "clean" if step.clean else "not clean"
            bench.step(f"{rate_per_s:,.0f}/s: {state}, schedule delay p99 {milliseconds(step.delay_p99_ms)}")
            if step.clean:
                return True
        return False

    highest = await highest_clean(is_clean, _FIRST_PER_S, _MOST_PER_S, bench.effort.halvings)
    return {
        "highest_clean_per_s": highest,
        "delay_limit_ms": DELAY_LIMIT_MS,
        "step_s": bench.effort.step_s,
        "steps": [step.as_dict() for step in steps],
    }


async def highest_clean(
    is_clean: Callable[[float], Awaitable[bool]], first: float, most: float, halvings: int
) -> float | None:
    """The highest rate found clean: doubled from `first` to at most `most`, then the gap halved; None without any."""
    clean, rate = None, first
    while rate <= most and await is_clean(rate):
        clean, rate = rate, rate * 2
    if clean is None or rate > most:
        return clean
    unclean = rate
    for _ in range(halvings):
        middle = (clean + unclean) / 2
        if await is_clean(middle):
            clean = middle
        else:
            unclean = middle
    return clean


async def _step(bench: Workbench, rate_per_s: float) -> Step:
    plan = make_plan(_scenario(rate_per_s, bench.effort.step_s))
    trial = plan.trials[0]
    raw = bench.folder()
    np.save(raw / "schedule.npy", plan.schedule(trial.block_seed))
    server = ProcessSpec(_SERVER, "benchmarks.calibration", _SERVER, Address(LOOPBACK, bench.take_port()))
    load = _generator(plan.scenario, trial, raw, server)
    running = Supervisor("calibration", raw, [server, load])
    try:
        await running.assemble()
        sampler = Sampler(running.pids())
        warmup_ns, duration_ns = round(_WARMUP_S * 1e9), round(bench.effort.step_s * 1e9)
        start_ns = time.monotonic_ns() + round(_LEAD_S * 1e9) + warmup_ns
        before_ms, began_ns = sampler.cpu_ms(), time.monotonic_ns()
        running.start(start_ns, sampler)
        await running.done((duration_ns + warmup_ns) / 1e9 + _CLOSING_S)
        after_ms, ended_ns = sampler.cpu_ms(), time.monotonic_ns()
    finally:
        await running.stop()
    span_ms = (ended_ns - began_ns) / 1e6
    shares = {name: (after_ms[name] - before_ms[name]) / span_ms for name in (_LOAD, _SERVER)}
    return judged(rate_per_s, read_rows(raw / "load.rows"), shares[_LOAD], shares[_SERVER])


def judged(rate_per_s: float, rows: NDArray[np.void], generator_share: float, server_share: float) -> Step:
    """The step that left these rows; its warm-up does not count. What was never sent has no delay."""
    rows = rows[rows["index"] >= 0]
    sent = rows[rows["sent_ns"] != NO_TIME]
    delays_ms = (sent["sent_ns"] - sent["intended_ns"]) / 1e6
    p50_ms, p99_ms = np.quantile(delays_ms, [0.5, 0.99]) if len(delays_ms) else (np.inf, np.inf)
    dropped = int((rows["outcome"] == Outcome.DROPPED).sum())
    unanswered = int((rows["outcome"] != Outcome.ACKED).sum()) - dropped
    return Step(rate_per_s, float(p50_ms), float(p99_ms), dropped, unanswered, generator_share, server_share)


def _generator(scenario: Scenario, trial: PlannedTrial, raw: Path, server: ProcessSpec) -> ProcessSpec:
    """The generator of a trial whose API is `server`; that trial's other processes are not needed."""
    address = server.settings
    assert isinstance(address, Address)
    schedule = raw / "schedule.npy"
    listed = trial_processes(
        scenario, trial, raw=raw, schedule=schedule, run_tag="", broker=None, take_port=lambda: address.port
    )
    (load,) = (spec for spec in listed if spec.ends)
    return replace(load, after=(server.name,))


def _scenario(rate_per_s: float, step_s: float) -> Scenario:
    return load_text(
        f"""\
version: 1
name: ceiling
workload: {{rate: {rate_per_s:g}, warmup: {_WARMUP_S:g}s, duration: {step_s:g}s, timeout: {_TIMEOUT_S:g}s}}
variants: [sync]
blocks: 1
""",
        "the generator's ceiling",
    )
