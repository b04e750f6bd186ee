"""The environment of a run: what a reader needs to judge whether two runs can be compared."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Sequence
from contextlib import suppress
from importlib import metadata

import psutil

from benchmarks import machine
from benchmarks.brokers import BrokerInfo
from benchmarks.calibration.store import stored
from benchmarks.trials.load_workers import LoadWorkers

_PACKAGES = (
    *("sync-vs-events", "aiohttp", "aiokafka", "gevent", "httptools", "httpx", "httpx-aiohttp", "locust", "numpy"),
    *("pandas", "starlette", "uvicorn", "uvloop"),
)


def describe(brokers: Sequence[BrokerInfo], load_workers: LoadWorkers) -> dict[str, object]:
    """Machine, clocks, versions, brokers, calibration. No host name, user or path: a report is made to be shared.

    `broker` is the first of `brokers`, None without any.
    """
    clock = time.get_clock_info("monotonic")
    return {
        "os": f"{platform.system()} {platform.release()}",
        "machine": platform.machine(),
        "cpu": machine.cpu_model(),
        "cores": psutil.cpu_count(),
        "cores_usable": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else psutil.cpu_count(),
        "memory_mb": round(psutil.virtual_memory().total / 2**20),
        "frequency_governor": machine.frequency_governor(),
        "hypervisor": machine.is_virtual(),
        "load_average": [round(load, 2) for load in os.getloadavg()],
        "clock": {"name": "CLOCK_MONOTONIC", "implementation": clock.implementation, "resolution_s": clock.resolution},
        "clock_source": machine.clock_source(),
        "python": machine.python(),
        "packages": _versions(),
        "broker": _broker(brokers[0]) if brokers else None,
        "brokers": [_broker(broker) for broker in brokers],
        "load": load_workers.as_dict(),
        "calibration": stored(),
    }


def _broker(broker: BrokerInfo) -> dict[str, object]:
    return {
        **broker.as_dict(),
        "started_by_bench": broker.ours,
        "settings": dict(broker.description),
    }


def _versions() -> dict[str, str]:
    versions = {}
    for name in _PACKAGES:
        with suppress(metadata.PackageNotFoundError):
            versions[name] = metadata.version(name)
    return versions
