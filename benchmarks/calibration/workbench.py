"""What the parts of a calibration share: how much to measure, where to report, and room for what is thrown away."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.brokers import Broker, start
from benchmarks.scenario.broker import BrokerSpec
from benchmarks.values.confidence import FEWEST_BLOCKS


@dataclass(frozen=True)
class Effort:
    """`attempts`: how often a step of the generator is tried before it counts as not clean. `traced`: whether the
    trials of the harness's share keep a trace, one after the other, in both orders so that a drift cancels out.

    An A/A trial lasts `part` of its scenario's duration, and `longest_s` at most.
    """

    quick: bool
    rings: int
    exchanges: int
    step_s: float
    attempts: int
    halvings: int
    share_s: float
    traced: tuple[bool, ...]
    idle_s: float
    blocks: int
    part: float
    longest_s: float

    def trial_s(self, scenario_s: float) -> float:
        """The length of an A/A trial of a scenario that lasts `scenario_s`."""
        return min(self.part * scenario_s, self.longest_s)


USUAL = Effort(
    quick=False,
    rings=1_000,
    exchanges=500,
    step_s=2.0,
    attempts=3,
    halvings=3,
    share_s=5.0,
    traced=(True, False, False, True),
    idle_s=5.0,
    blocks=5,
    part=0.5,  # the shortest that a run's comparisons can be judged by, see `benchmarks.analysis.calibration`
    longest_s=60.0,
)
QUICK = Effort(
    quick=True,
    rings=300,
    exchanges=200,
    step_s=1.0,
    attempts=2,
    halvings=1,
    share_s=2.0,
    traced=(False, True),
    idle_s=2.0,
    blocks=FEWEST_BLOCKS,
    part=0.5,
    longest_s=2.0,
)


@dataclass(frozen=True)
class Workbench:
    """`directory` is private to this calibration and ends with it. `step` reports what is going on."""

    effort: Effort
    directory: Path
    take_port: Callable[[], int]
    step: Callable[[str], None]

    def folder(self) -> Path:
        """A new folder."""
        made = self.directory / secrets.token_hex(4)
        made.mkdir()
        return made

    @asynccontextmanager
    async def broker(self) -> AsyncIterator[Broker]:
        """The broker that a run starts by default. Raises BrokerUnavailable."""
        folder = self.folder()
        self.step("starting the broker")
        broker: Broker = await start(BrokerSpec().server, folder / "data", folder / "broker.log")
        try:
            yield broker
        finally:
            await broker.stop()


def quantiles(values: NDArray[np.float64]) -> dict[str, float]:
    """p50, p99 and the largest of a sample that is not empty."""
    p50, p99 = np.quantile(values, [0.5, 0.99])
    return {"p50": float(p50), "p99": float(p99), "max": float(values.max())}
