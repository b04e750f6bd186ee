"""A calibration from its first part to its last, each stored as it ends.

    what is stored and still fits → timer → clock → generator → harness → broker → noise, scenario by scenario

A part that cannot be measured does not stop the others. Cancelling the task that awaits this ends it in
order.
"""

from __future__ import annotations

import asyncio
import datetime
import shutil
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from benchmarks import scratch
from benchmarks.brokers import BrokerUnavailable
from benchmarks.calibration import ceiling, clocks, noise, overhead, store
from benchmarks.calibration.calibration import Calibration, Fingerprint
from benchmarks.calibration.workbench import Effort, Workbench
from benchmarks.exit_code import ExitCode
from benchmarks.planning.prediction import Predict
from benchmarks.processes.child import ChildError
from benchmarks.processes.ports import NoFreePort, Ports
from benchmarks.progress import Observer
from benchmarks.scenario import Scenario
from benchmarks.store import ResultsError
from benchmarks.values.json_object import Json


@dataclass(frozen=True)
class Part:
    """`key`: its place in the calibration. `measure` raises one of `_TROUBLE` where it cannot be measured."""

    key: str
    measure: Callable[[Workbench], Awaitable[Json]]
    uses_broker: bool = False


# In the order in which they are measured; `noise` comes after them.
PARTS: Mapping[str, Part] = {
    "timer": Part("timer", clocks.measure_timer),
    "clock": Part("clock", clocks.measure_clock),
    "generator": Part("generator", ceiling.measure),
    "harness": Part("harness", overhead.measure_harness, uses_broker=True),
    "broker": Part("broker_idle", overhead.measure_broker, uses_broker=True),
}
NOISE = "noise"
NAMES = (*PARTS, NOISE)
_TROUBLE = (ChildError, BrokerUnavailable, NoFreePort, ResultsError, OSError)


@dataclass(frozen=True)
class Failure:
    """A part that was not measured, and why."""

    name: str
    problem: str
    next_step: str
    exit_code: ExitCode


class CalibrationObserver(Protocol):
    """Learns what goes on. Must not block and must not raise."""

    def part_began(self, name: str) -> None: ...

    def step(self, message: str) -> None: ...

    def part_ended(self, name: str, figures: Json) -> None: ...

    def part_failed(self, failure: Failure) -> None: ...

    def observing(self) -> AbstractContextManager[Observer]:
        """What follows an A/A run while it lasts."""


@dataclass(frozen=True)
class CalibrationRequest:
    """What is to be measured. `parts`: of `NAMES`. `scenarios`: for A/A runs, as `noise.prepared` makes them."""

    parts: Sequence[str]
    scenarios: Sequence[Scenario]
    effort: Effort
    command: str
    predict: Predict


async def calibrate(order: CalibrationRequest, listener: CalibrationObserver) -> list[Failure]:
    """Measure and store what was ordered; returns the parts that failed. Raises OSError where it cannot be stored."""
    here = Fingerprint.here()
    found = kept(_stored(listener), here)
    failures: list[Failure] = []
    scratch.sweep()
    directory = scratch.make()
    bench = Workbench(order.effort, directory, Ports().take, listener.step)

    async def attempt(name: str, measuring: Callable[[], Awaitable[Json]]) -> Json | None:
        listener.part_began(name)
        try:
            figures = {"quick": order.effort.quick, **await measuring()}
        except noise.NoFloor as error:
            if error.exit_code is ExitCode.INTERRUPTED:
                raise asyncio.CancelledError from error  # the run has ended itself in order, and so do we
            failures.append(Failure(name, str(error), error.next_step, error.exit_code))
        except _TROUBLE as error:
            failures.append(Failure(name, str(error), getattr(error, "next_step", ""), ExitCode.ENVIRONMENT))
        else:
            listener.part_ended(name, figures)
            return figures
        listener.part_failed(failures[-1])
        return None

    async def floor(scenario: Scenario) -> Json:
        with listener.observing() as observer:
            return await noise.measure(scenario, observer, order.predict, order.command)

    try:
        for name in (name for name in PARTS if name in order.parts):
            part = PARTS[name]
            if (figures := await attempt(name, partial(part.measure, bench))) is not None:
                found = found.with_part(part.key, figures, _now())
                store.save(found)
        for scenario in order.scenarios if NOISE in order.parts else ():
            figures = await attempt(f"{NOISE}: {scenario.name}", partial(floor, scenario))
            if figures is not None:
                found = found.with_floor(scenario.name, figures, _now())
                store.save(found)
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    return failures


def kept(stored: Calibration | None, here: Fingerprint) -> Calibration:
    """What is stored, where it was measured here; else nothing, since parts of two machines make no calibration."""
    if stored is not None and not stored.fingerprint.stale_on(here):
        return stored
    return Calibration(here, _now())


def _stored(listener: CalibrationObserver) -> Calibration | None:
    try:
        return store.load()
    except (OSError, ValueError) as error:
        listener.step(f"the stored calibration cannot be read, so it is measured anew ({error})")
        return None


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
