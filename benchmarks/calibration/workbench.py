"""What the parts of a calibration share: how much to measure, whom to tell, and a place for what is thrown away."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.brokers import Broker, start
from benchmarks.calibration.effort import Effort
from benchmarks.scenario.broker import BrokerSpec


@dataclass(frozen=True)
class Workbench:
    """`directory` is private to this calibration and ends with it. `step` tells the person what is going on."""

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
        """The broker that a run starts if nothing else is asked for. Raises BrokerUnavailable."""
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
