"""Part `broker`: what the broker takes while nobody uses it."""

from __future__ import annotations

import asyncio
import time

import psutil

from benchmarks.calibration.workbench import Workbench
from benchmarks.values.json_object import Json

_SETTLE_S = 2.0  # its own start goes on for a moment after its first answer
_BYTES_PER_MB = 2**20


async def measure(bench: Workbench) -> Json:
    """CPU ms per second, and MB resident at the end. Raises BrokerUnavailable, also where it dies meanwhile."""
    async with bench.broker() as broker:
        await asyncio.sleep(_SETTLE_S)
        bench.step("watching it idle")
        process = psutil.Process(broker.pid)
        try:
            before_ms, began_s = _cpu_ms(process), time.monotonic()
            await asyncio.sleep(bench.effort.idle_s)
            span_s = time.monotonic() - began_s
            used_ms = _cpu_ms(process) - before_ms
            rss_mb = process.memory_info().rss / _BYTES_PER_MB
        except psutil.Error:
            if (trouble := broker.trouble()) is not None:
                raise trouble from None
            raise
        info = broker.info
    return {
        "kind": info.kind,
        "version": info.version,
        "span_s": span_s,
        "cpu_ms_per_s": used_ms / span_s,
        "rss_mb": rss_mb,
    }


def _cpu_ms(process: psutil.Process) -> float:
    times = process.cpu_times()
    return (times.user + times.system) * 1e3
